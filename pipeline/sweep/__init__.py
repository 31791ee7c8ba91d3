"""The only importer of optuna: a search over configurations that ends as a pinned experiment."""
