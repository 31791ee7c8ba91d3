"""Sizes that transformers of several kinds share."""

from __future__ import annotations

from pipeline.config.schema import ArchitectureConfig
from pipeline.errors import ConfigError, Problem

_POSITIONS_MULTIPLE = 64


def positions(max_length: int) -> int:
    """Positions for a little more than the longest input: batches are padded to a multiple."""
    return -(-max_length // _POSITIONS_MULTIPLE) * _POSITIONS_MULTIPLE


def inner_size(sizes: ArchitectureConfig) -> int:
    """Width of feed-forward layers.

    Raises:
        ConfigError: If the heads cannot share the width.
    """
    if sizes.hidden_size % sizes.num_attention_heads:
        raise ConfigError(
            [
                Problem(
                    "model.architecture.hidden_size",
                    f"{sizes.hidden_size} is not a multiple of num_attention_heads "
                    f"({sizes.num_attention_heads})",
                    remedy="each head takes an equal share of the width",
                )
            ]
        )
    return sizes.intermediate_size or 4 * sizes.hidden_size
