"""From-scratch architectures: each module's `settings` makes a model's config of sizes."""
