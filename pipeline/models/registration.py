"""Registers our own architectures with transformers' Auto classes, by being imported."""

from __future__ import annotations

import pipeline.models.audio_cnn
import pipeline.models.conv_recurrent
import pipeline.models.lstm
import pipeline.models.ngram_bag
import pipeline.models.resnet  # noqa: F401
