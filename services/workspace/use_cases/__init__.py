"""What the workspace does: fold what others say, and show it."""
