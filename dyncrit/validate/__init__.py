"""A schema validated: against the image table, a baseline and real images, and over a git history."""
