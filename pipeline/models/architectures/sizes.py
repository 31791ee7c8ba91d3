"""Sizes that transformers of several kinds share, and what an architecture reads."""

from __future__ import annotations

import importlib
from typing import Any

from pipeline.config.model import ArchitectureConfig, AudioConfig
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
    return architecture is not None and bool(getattr(_module(architecture), "TOKEN_TYPES", False))


def own_feature_extractor(
    architecture: ArchitectureConfig, settings: AudioConfig, max_length: int
) -> Any:
    """What makes the features of recordings that an architecture of transformers' reads.

    Its module then holds a function `feature_extractor` of settings and frames; None for all that
    read our own.
    """
    make = getattr(_module(architecture), "feature_extractor", None)
    return None if make is None else make(settings, max_length)


def _module(architecture: ArchitectureConfig) -> Any:
    return importlib.import_module(f"pipeline.models.architectures.{architecture.kind}")
