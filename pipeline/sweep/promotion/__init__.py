"""From the best trial to a pinned experiment."""
