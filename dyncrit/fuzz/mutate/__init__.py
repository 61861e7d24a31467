"""Mutations of images, at each layer of the format."""
