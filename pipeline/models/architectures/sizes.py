"""Sizes that transformers of several kinds share, and what an architecture reads."""

from __future__ import annotations

import importlib

from pipeline.config.model import ArchitectureConfig
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


def has_token_types(architecture: ArchitectureConfig | None) -> bool:
    """Whether the architecture can be told which of two texts a token is of.

    Its module then holds `TOKEN_TYPES = True`.
    """
    if architecture is None:
        return False
    made = importlib.import_module(f"pipeline.models.architectures.{architecture.kind}")
    return bool(getattr(made, "TOKEN_TYPES", False))
