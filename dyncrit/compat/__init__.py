"""Other tools' interfaces, on top of this library."""
