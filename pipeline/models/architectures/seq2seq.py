"""An encoder that reads and a decoder that writes, of Marian's transformers."""

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
    """Makes the config; see `architectures.bert.settings`.

    Both halves have `num_layers` layers. One matrix embeds source and target and gives the logits;
    positions are sinusoids (Vaswani et al., 2017; Junczys-Dowmunt et al., 2018).
    """
    from transformers import MarianConfig

    inner = inner_size(sizes)
    return MarianConfig(
        vocab_size=len(processor.tokenizer),
        d_model=sizes.hidden_size,
        encoder_layers=sizes.num_layers,
        decoder_layers=sizes.num_layers,
        encoder_attention_heads=sizes.num_attention_heads,
        decoder_attention_heads=sizes.num_attention_heads,
        encoder_ffn_dim=inner,
        decoder_ffn_dim=inner,
        activation_function="relu",
        scale_embedding=True,
        share_encoder_decoder_embeddings=True,
        max_position_embeddings=positions(max_length),
        pad_token_id=processor.pad_token_id,
        eos_token_id=processor.tokenizer.eos_token_id,
        bos_token_id=None,
        forced_eos_token_id=None,
        decoder_start_token_id=processor.pad_token_id,
        **entries,
    )
