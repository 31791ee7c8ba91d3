"""Registers our own architectures with transformers' Auto classes, by being imported."""

from __future__ import annotations

import pipeline.models.lstm  # noqa: F401
import pipeline.models.ngram_bag  # noqa: F401
