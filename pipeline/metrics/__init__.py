"""Metrics as vectorised functions of weighted examples: pure NumPy."""
