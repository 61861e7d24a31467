"""Changes what processes have in memory: bytes at an address, variables of the environment."""
