"""Where a checkpoint stood, changed: paths, control groups, the id of a container, terminals."""
