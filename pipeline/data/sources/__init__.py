"""Readers of raw files and hub datasets."""
