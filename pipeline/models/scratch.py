"""Models with random weights: small baselines that need no download."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.config.model import ArchitectureConfig
from pipeline.models.pretrained import auto_class, model_class, override_dropout
from pipeline.tasks.processor import Processor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pipeline.tasks.base import Head


def build_model(
    architecture: ArchitectureConfig,
    processor: Processor,
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
        processor: Its tokenizer gives the size of the vocabulary and the special ids.
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

    made = importlib.import_module(f"pipeline.models.architectures.{architecture.kind}")
    settings = made.settings(architecture, processor, max_length, dict(config))
    override_dropout(settings, dropout)
    sdpa = model_class(settings, head)._supports_sdpa
    model: PreTrainedModel = auto_class(head).from_config(
        settings, dtype=torch.float32, attn_implementation=attention if sdpa else "eager"
    )
    return model.eval()  # type: ignore[no-untyped-call, no-any-return]
