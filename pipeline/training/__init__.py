"""Fine-tuning: the LightningModule, what is trained, optimisers, callbacks and resume."""
