"""A recurrent model."""

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
    from pipeline.models.lstm import LstmConfig

    return LstmConfig(
        vocab_size=len(processor.tokenizer),
        pad_token_id=processor.pad_token_id,
        embedding_size=sizes.embedding_size or sizes.hidden_size,
        hidden_size=sizes.hidden_size,
        num_hidden_layers=sizes.num_layers,
        bidirectional=sizes.bidirectional,
        **entries,
    )
