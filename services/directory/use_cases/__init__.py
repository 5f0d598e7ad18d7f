"""Load, decide, save. Each module declares the ports it needs in `ports`."""
