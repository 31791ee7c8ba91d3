"""Reproducible fine-tuning of transformer models, one stage a process."""

__version__ = "0.1.0"
