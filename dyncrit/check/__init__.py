"""Whether a checkpoint is whole: rules across its images."""
