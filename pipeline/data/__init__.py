"""From raw files to encoded splits: sources, cleaning, quality, splits, encoding, batching."""
