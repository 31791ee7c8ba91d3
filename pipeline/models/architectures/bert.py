"""A bidirectional transformer encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.config.model import ArchitectureConfig
from pipeline.models.architectures.sizes import inner_size, positions
from pipeline.tasks.processor import Processor

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

TOKEN_TYPES = True
"""It has segment embeddings."""


def settings(
    sizes: ArchitectureConfig, processor: Processor, max_length: int, entries: dict[str, Any]
) -> PreTrainedConfig:
    """Makes the config.

    Args:
        sizes: The section `model.architecture`.
        processor: Its tokenizer gives the size of the vocabulary and the special ids.
        max_length: Longest input in tokens.
        entries: Further entries, such as label names.
    """
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(processor.tokenizer),
        pad_token_id=processor.pad_token_id,
        hidden_size=sizes.hidden_size,
        num_hidden_layers=sizes.num_layers,
        num_attention_heads=sizes.num_attention_heads,
        intermediate_size=inner_size(sizes),
        max_position_embeddings=positions(max_length),
        **entries,
    )
