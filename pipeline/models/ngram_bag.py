"""A bag of n-grams in the shape of a transformers model: a linear classifier of summed embeddings.

After Joulin et al., "Bag of Tricks for Efficient Text Classification" (2016,
https://arxiv.org/abs/1607.01759). On short texts without a pretrained model it is hard to beat.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
    initialization,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from pipeline.models.initialisation import begin_linear

MODEL_TYPE = "pipeline_ngram_bag"

_MULTIPLIER, _PRIME = 1_000_003, 2_147_483_647
"""Of the hash; products of an id below the prime stay far below 2⁶³."""


class NgramBagConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """Sizes of a bag of n-grams.

    Attributes:
        vocab_size: Number of token ids.
        hidden_size: Width of embeddings.
        max_ngram: Longest run of tokens that has an embedding.
        num_buckets: Embeddings that all runs of two or more tokens share, by their hash.
        num_hidden_layers: None; of transformers' interface.
        dropout: Probability, before the classifier.
        pad_token_id: The id of padding.
    """

    model_type = MODEL_TYPE

    vocab_size: int = 1_000
    hidden_size: int = 64
    max_ngram: int = 2
    num_buckets: int = 131_072
    num_hidden_layers: int = 0
    dropout: float = 0.0
    pad_token_id: int = 0


class NgramBagPreTrainedModel(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Initialisation and names."""

    config: NgramBagConfig
    config_class = NgramBagConfig
    base_model_prefix = "bag"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Embedding):
            initialization.normal_(module.weight, 0.0, 0.05)
        elif isinstance(module, nn.Linear):
            begin_linear(module)


class NgramBagModel(NgramBagPreTrainedModel):  # type: ignore[no-untyped-call]
    """The sum of the embeddings of all n-grams, over the square root of the tokens' number."""

    def __init__(self, config: NgramBagConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.ngrams = nn.Embedding(config.num_buckets, config.hidden_size)
        self.post_init()  # type: ignore[no-untyped-call]

    def get_input_embeddings(self) -> nn.Module:
        """The token embeddings."""
        return self.embeddings

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The state of each text, `[batch, hidden]`."""
        mask = attention_mask.to(self.embeddings.weight.dtype)
        total = (self.embeddings(input_ids) * mask.unsqueeze(-1)).sum(dim=1)
        keys, whole = input_ids, mask
        for shift in range(1, self.config.max_ngram):
            following = functional.pad(input_ids, (0, shift))[:, shift:]
            keys = (keys * _MULTIPLIER + following + 1) % _PRIME
            whole = whole * functional.pad(mask, (0, shift))[:, shift:]
            states = self.ngrams(keys % self.config.num_buckets)
            total = total + (states * whole.unsqueeze(-1)).sum(dim=1)
        state: Tensor = total / mask.sum(dim=1, keepdim=True).clamp(min=1.0).sqrt()
        return state


class NgramBagForSequenceClassification(NgramBagPreTrainedModel):  # type: ignore[no-untyped-call]
    """A linear classifier on the bag."""

    def __init__(self, config: NgramBagConfig) -> None:
        super().__init__(config)
        self.bag = NgramBagModel(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels or 2)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> SequenceClassifierOutput:
        """Logits `[batch, labels]`; the loss is the task's matter."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return SequenceClassifierOutput(
            logits=self.classifier(self.dropout(self.bag(input_ids, mask)))
        )


AutoConfig.register(MODEL_TYPE, NgramBagConfig, exist_ok=True)
AutoModelForSequenceClassification.register(
    NgramBagConfig, NgramBagForSequenceClassification, exist_ok=True
)
