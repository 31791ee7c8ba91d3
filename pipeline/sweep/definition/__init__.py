"""What a sweep is: its file, its space, and whether it can run."""
