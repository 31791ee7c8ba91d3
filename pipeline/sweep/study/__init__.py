"""The study behind a sweep: where it is kept, how points are chosen, and how it is read."""
