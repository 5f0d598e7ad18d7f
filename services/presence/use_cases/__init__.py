"""What presence does: load, decide, save."""
