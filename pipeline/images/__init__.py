"""Pictures as bytes to numbers: decoded, resized, changed at random."""
