"""Strided convolutions over log-mel features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.config.model import ArchitectureConfig
from pipeline.tasks.processor import Processor

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def settings(
    sizes: ArchitectureConfig,
    processor: Processor,
    max_length: int,  # noqa: ARG001
    entries: dict[str, Any],
) -> PreTrainedConfig:
    """Makes the config; see `architectures.bert.settings`."""
    from pipeline.models.audio_cnn import AudioCnnConfig

    return AudioCnnConfig(
        num_mels=processor.audio_encoder.shape[-1] or 0,
        conv_channels=sizes.conv_channels,
        num_hidden_layers=sizes.num_layers,
        **entries,
    )
