"""Processes that run trials, and the driver's line to them."""
