"""Scrubs a checkpoint of all that its processes said, named and remembered, and keeps its structure."""
