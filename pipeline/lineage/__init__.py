"""Where a tracked run came from, and whether it can be made again."""
