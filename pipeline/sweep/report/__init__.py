"""The report of a sweep: what it found, in words, tables and pictures."""
