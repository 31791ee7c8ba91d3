"""Models with random weights: small baselines that need no download."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.config.schema import ArchitectureConfig
from pipeline.errors import ConfigError, Problem
from pipeline.models.pretrained import auto_class, model_class, override_dropout

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

    from pipeline.tasks.base import Head

_POSITIONS_MULTIPLE = 64


def build_model(
    architecture: ArchitectureConfig,
    tokenizer: PreTrainedTokenizerFast,
    head: Head,
    *,
    max_length: int,
    attention: str,
    dropout: float | None,
    config: Mapping[str, Any],
) -> PreTrainedModel:
    """Makes a model in float32, in evaluation mode; seed torch's global generator first.

    Args:
        architecture: Kind and sizes.
        tokenizer: Gives the size of the vocabulary and the special ids.
        head: Which of transformers' Auto classes.
        max_length: Longest input in tokens. A transformer has positions for a little more, so that
            batches may be padded to a multiple.
        attention: Attention implementation of a transformer.
        dropout: Probability in place of the architecture's own (0.1, and 0 for lstm).
        config: Entries of the model's config, for example `num_labels`, `id2label`.

    Raises:
        ConfigError: If the sizes do not fit each other.
    """
    import torch

    if architecture.kind != "lstm" and architecture.hidden_size % architecture.num_attention_heads:
        raise ConfigError(
            [
                Problem(
                    "model.architecture.hidden_size",
                    f"{architecture.hidden_size} is not a multiple of num_attention_heads "
                    f"({architecture.num_attention_heads})",
                    remedy="each head takes an equal share of the width",
                )
            ]
        )
    settings = _settings(architecture, tokenizer, max_length, config)
    override_dropout(settings, dropout)
    sdpa = model_class(settings, head)._supports_sdpa
    model: PreTrainedModel = auto_class(head).from_config(
        settings, dtype=torch.float32, attn_implementation=attention if sdpa else "eager"
    )
    return model.eval()  # type: ignore[no-untyped-call, no-any-return]


def _settings(
    architecture: ArchitectureConfig,
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    config: Mapping[str, Any],
) -> PreTrainedConfig:
    """The model's config in transformers' terms."""
    from transformers import BertConfig, GPT2Config

    from pipeline.models.lstm import LstmConfig

    positions = -(-max_length // _POSITIONS_MULTIPLE) * _POSITIONS_MULTIPLE
    inner = architecture.intermediate_size or 4 * architecture.hidden_size
    common: dict[str, Any] = {
        **config,
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
    }
    if architecture.kind == "bert":
        return BertConfig(
            hidden_size=architecture.hidden_size,
            num_hidden_layers=architecture.num_layers,
            num_attention_heads=architecture.num_attention_heads,
            intermediate_size=inner,
            max_position_embeddings=positions,
            **common,
        )
    if architecture.kind == "gpt2":
        return GPT2Config(
            n_embd=architecture.hidden_size,
            n_layer=architecture.num_layers,
            n_head=architecture.num_attention_heads,
            n_inner=inner,
            n_positions=positions,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            **common,
        )
    return LstmConfig(
        embedding_size=architecture.embedding_size or architecture.hidden_size,
        hidden_size=architecture.hidden_size,
        num_hidden_layers=architecture.num_layers,
        bidirectional=architecture.bidirectional,
        **common,
    )
