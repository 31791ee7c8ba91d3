"""A bag of n-grams."""

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
    from pipeline.models.ngram_bag import NgramBagConfig

    return NgramBagConfig(
        vocab_size=len(processor.tokenizer),
        pad_token_id=processor.pad_token_id,
        hidden_size=sizes.hidden_size,
        max_ngram=sizes.max_ngram,
        num_buckets=sizes.num_buckets,
        **entries,
    )
