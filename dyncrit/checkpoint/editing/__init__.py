"""Changing a checkpoint: changes are staged beside it, seen by all views, and made all at once."""
