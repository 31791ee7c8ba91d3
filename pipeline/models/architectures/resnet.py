"""A residual network for small pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.config.model import ArchitectureConfig
from pipeline.tasks.processor import Processor

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def settings(
    sizes: ArchitectureConfig,
    processor: Processor,  # noqa: ARG001
    max_length: int,  # noqa: ARG001
    entries: dict[str, Any],
) -> PreTrainedConfig:
    """Makes the config; see `architectures.bert.settings`."""
    from pipeline.models.resnet import SmallResNetConfig

    return SmallResNetConfig(
        conv_channels=sizes.conv_channels, num_hidden_layers=sizes.num_layers, **entries
    )
