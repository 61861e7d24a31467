"""What can be asked of a checkpoint, one capability a module or folder."""
