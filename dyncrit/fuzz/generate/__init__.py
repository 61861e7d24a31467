"""Messages, images and whole checkpoints, made of nothing but a schema, the image table and chance."""
