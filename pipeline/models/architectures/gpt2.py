"""A causal transformer decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.config.model import ArchitectureConfig
from pipeline.models.architectures.sizes import inner_size, positions
from pipeline.tasks.processor import Processor

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def settings(
    sizes: ArchitectureConfig, processor: Processor, max_length: int, entries: dict[str, Any]
) -> PreTrainedConfig:
    """Makes the config; see `architectures.bert.settings`."""
    from transformers import GPT2Config

    return GPT2Config(
        vocab_size=len(processor.tokenizer),
        pad_token_id=processor.pad_token_id,
        n_embd=sizes.hidden_size,
        n_layer=sizes.num_layers,
        n_head=sizes.num_attention_heads,
        n_inner=inner_size(sizes),
        n_positions=positions(max_length),
        bos_token_id=processor.tokenizer.bos_token_id,
        eos_token_id=processor.tokenizer.eos_token_id,
        **entries,
    )
