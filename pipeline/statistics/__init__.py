"""Tests and intervals over numbers: SciPy and NumPy, nothing of tasks."""
