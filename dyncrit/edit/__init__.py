"""Changes to checkpoints that have one meaning each, made within ``with checkpoint.edit() as edit:``."""
