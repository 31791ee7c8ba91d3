"""Recordings as numbers: decoded, resampled, made into features, and changed at random."""
