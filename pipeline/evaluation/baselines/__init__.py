"""Simple models beside the fine-tuned one, learned from the train split alone."""
