"""Where models come from: pretrained checkpoints and from-scratch architectures."""
