"""Compares trained models over the same test examples, and says how sure the difference is."""
