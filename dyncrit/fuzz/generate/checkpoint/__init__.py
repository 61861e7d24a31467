"""The parts of a checkpoint, each of which refers to the others as CRIU's do."""
