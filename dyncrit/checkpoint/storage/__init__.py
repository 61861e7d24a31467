"""Where files stand: directories, archives, images of containers."""
