"""The version of dyncrit."""

__version__ = "0.1.0"
