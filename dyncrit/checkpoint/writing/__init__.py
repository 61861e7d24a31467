"""Writing changes back to where a checkpoint stands: all of them, or none."""
