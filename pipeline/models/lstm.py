"""A recurrent baseline in the shape of a transformers model: embedding, LSTM, classifier."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedConfig,
    PreTrainedModel,
    initialization,
)
from transformers.modeling_outputs import (
    BaseModelOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
)

from pipeline.models.initialisation import begin_linear, begin_lstm
from pipeline.models.recurrence import LstmLayer

MODEL_TYPE = "pipeline_lstm"


class LstmConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """Sizes of a recurrent baseline.

    Attributes:
        vocab_size: Number of token ids.
        embedding_size: Width of embeddings.
        hidden_size: Width of the state, of each direction.
        num_hidden_layers: LSTM layers on top of each other.
        bidirectional: Whether each layer reads both ways.
        dropout: Probability, between layers and before the classifier.
        pad_token_id: The id of padding.
    """

    model_type = MODEL_TYPE

    vocab_size: int = 1_000
    embedding_size: int = 128
    hidden_size: int = 128
    num_hidden_layers: int = 1
    bidirectional: bool = False
    dropout: float = 0.0
    pad_token_id: int = 0


class LstmPreTrainedModel(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Initialisation and names shared by the recurrent models."""

    config: LstmConfig
    config_class = LstmConfig
    base_model_prefix = "lstm"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Keras' defaults: uniform embeddings, a Glorot classifier; LSTMs as `begin_lstm` says."""
        if isinstance(module, nn.Embedding):
            initialization.uniform_(module.weight, -0.05, 0.05)
        elif isinstance(module, nn.Linear):
            begin_linear(module)
        elif isinstance(module, nn.LSTM):
            begin_lstm(module)


class LstmModel(LstmPreTrainedModel):  # type: ignore[no-untyped-call]
    """Embedding and LSTM layers."""

    def __init__(self, config: LstmConfig) -> None:
        super().__init__(config)
        directions = 2 if config.bidirectional else 1
        widths = [config.embedding_size] + [config.hidden_size * directions] * (
            config.num_hidden_layers - 1
        )
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_size)
        self.layers = nn.ModuleList(
            LstmLayer(width, config.hidden_size, bidirectional=config.bidirectional)
            for width in widths
        )
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()  # type: ignore[no-untyped-call]

    def get_input_embeddings(self) -> nn.Module:
        """The token embeddings."""
        return self.embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replaces the token embeddings."""
        self.embeddings = value  # type: ignore[assignment]

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> BaseModelOutput:
        """States of every token, `[batch, length, hidden × directions]`.

        Args:
            input_ids: `[batch, length]`, padded on the right.
            attention_mask: `[batch, length]`, 1 for real tokens; by default all are.
        """
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        lengths = mask.sum(dim=1)
        states = self.embeddings(input_ids)
        for number, layer in enumerate(self.layers):
            states = layer(states if number == 0 else self.dropout(states), lengths)
        return BaseModelOutput(last_hidden_state=states)


class LstmForSequenceClassification(LstmPreTrainedModel):  # type: ignore[no-untyped-call]
    """A classifier on the state after the last real token (of each direction)."""

    def __init__(self, config: LstmConfig) -> None:
        super().__init__(config)
        self.lstm = LstmModel(config)
        self.dropout = nn.Dropout(config.dropout)
        directions = 2 if config.bidirectional else 1
        self.classifier = nn.Linear(config.hidden_size * directions, config.num_labels or 2)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> SequenceClassifierOutput:
        """Logits `[batch, labels]`; the loss is the task's matter."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        states = self.lstm(input_ids, mask).last_hidden_state
        size = self.config.hidden_size
        last = (mask.sum(dim=1) - 1).clamp(min=0)
        index = last.view(-1, 1, 1).expand(-1, 1, size)
        final = states[..., :size].gather(1, index).squeeze(1)
        if self.config.bidirectional:
            final = torch.cat([final, states[:, 0, size:]], dim=-1)
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(final)))


class LstmForTokenClassification(LstmPreTrainedModel):  # type: ignore[no-untyped-call]
    """A classifier on the state of every token."""

    def __init__(self, config: LstmConfig) -> None:
        super().__init__(config)
        self.lstm = LstmModel(config)
        self.dropout = nn.Dropout(config.dropout)
        directions = 2 if config.bidirectional else 1
        self.classifier = nn.Linear(config.hidden_size * directions, config.num_labels or 2)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> TokenClassifierOutput:
        """Logits `[batch, length, labels]`; the loss is the task's matter."""
        states = self.lstm(input_ids, attention_mask).last_hidden_state
        return TokenClassifierOutput(logits=self.classifier(self.dropout(states)))


AutoConfig.register(MODEL_TYPE, LstmConfig, exist_ok=True)
AutoModelForSequenceClassification.register(
    LstmConfig, LstmForSequenceClassification, exist_ok=True
)
AutoModelForTokenClassification.register(LstmConfig, LstmForTokenClassification, exist_ok=True)
