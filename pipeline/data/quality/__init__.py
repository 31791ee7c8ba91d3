"""The data-quality report of every prepare."""
