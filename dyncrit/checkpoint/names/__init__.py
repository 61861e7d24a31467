"""Numbers of the kernel's by name."""
