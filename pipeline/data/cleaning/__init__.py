"""Cleaning of texts: optional steps, in the order that the config gives."""
