"""What container engines put beside the images."""
