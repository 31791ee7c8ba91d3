"""Speech recognition from scratch: log-mel features, convolutions, LSTM both ways, CTC."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCTC,
    PreTrainedConfig,
    PreTrainedModel,
    initialization,
)
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput

from pipeline.models.initialisation import begin_linear, begin_lstm
from pipeline.models.recurrence import LstmLayer
from pipeline.models.spectrogram import StridedConvolution, frame_mask, halved, normalised

MODEL_TYPE = "pipeline_conv_recurrent"


class ConvRecurrentConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """Sizes of a convolutional-recurrent recogniser.

    Attributes:
        num_mels: Bands of the features.
        vocab_size: Outputs of a CTC model, blank included.
        conv_channels: Maps of the two convolutions.
        hidden_size: Width of the state, of each direction.
        num_hidden_layers: LSTM layers on top of each other.
        dropout: Probability, before and between layers and before the classifier.
        subsampling: Kernel, stride and padding in time of each convolution.
        pad_token_id: The blank.
    """

    model_type = MODEL_TYPE

    num_mels: int = 80
    vocab_size: int = 32
    conv_channels: int = 32
    hidden_size: int = 128
    num_hidden_layers: int = 2
    dropout: float = 0.1
    subsampling: tuple[tuple[int, int, int], ...] = ((3, 2, 1), (3, 1, 1))
    pad_token_id: int = 0


class ConvRecurrentPreTrainedModel(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Initialisation and names."""

    config: ConvRecurrentConfig
    config_class = ConvRecurrentConfig
    base_model_prefix = "encoder"
    main_input_name = "input_features"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Glorot input and orthogonal recurrent weights, forget gates open, He's convolutions."""
        if isinstance(module, nn.Conv2d):
            initialization.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                initialization.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            begin_linear(module)
        elif isinstance(module, nn.LayerNorm):
            initialization.ones_(module.weight)
            initialization.zeros_(module.bias)
        elif isinstance(module, nn.LSTM):
            begin_lstm(module)


class ConvRecurrentModel(ConvRecurrentPreTrainedModel):  # type: ignore[no-untyped-call]
    """Two convolutions, the first of which halves time, and LSTM layers that read both ways."""

    def __init__(self, config: ConvRecurrentConfig) -> None:
        super().__init__(config)
        channels = (1, config.conv_channels, config.conv_channels)
        self.convolutions = nn.ModuleList(
            StridedConvolution(
                channels[place], channels[place + 1], time_stride=stride, batch_norm=False
            )
            for place, (_, stride, _) in enumerate(config.subsampling)
        )
        bands = halved(config.num_mels, len(config.subsampling))
        self.projection = nn.Linear(config.conv_channels * bands, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        widths = [config.hidden_size] + [2 * config.hidden_size] * (config.num_hidden_layers - 1)
        self.layers = nn.ModuleList(
            LstmLayer(width, config.hidden_size, bidirectional=True) for width in widths
        )
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_features: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> BaseModelOutput:
        """States of every step of 20 ms, `[batch, steps, 2 × hidden]`; padding is 0.

        Args:
            input_features: Log-mel features, `[batch, frames, mels]`, padded on the right.
            attention_mask: `[batch, frames]`, 1 for real frames; by default all are.
        """
        mask = torch.ones_like(input_features[..., 0]) if attention_mask is None else attention_mask
        lengths = mask.long().sum(dim=1)
        maps = normalised(input_features, mask.bool()).unsqueeze(1)
        for convolution in self.convolutions:
            maps, lengths = convolution(maps, lengths)
        states = self.norm(self.projection(maps.transpose(1, 2).flatten(2)))
        for layer in self.layers:
            states = layer(self.dropout(states), lengths)
        kept = frame_mask(lengths, states.shape[1])
        return BaseModelOutput(last_hidden_state=states * kept.unsqueeze(-1))


class ConvRecurrentForCTC(ConvRecurrentPreTrainedModel):  # type: ignore[no-untyped-call]
    """A classifier on every step, whose label 0 is CTC's blank."""

    def __init__(self, config: ConvRecurrentConfig) -> None:
        super().__init__(config)
        self.encoder = ConvRecurrentModel(config)
        self.dropout = nn.Dropout(config.dropout)
        self.lm_head = nn.Linear(2 * config.hidden_size, config.vocab_size)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_features: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> CausalLMOutput:
        """Logits `[batch, steps, vocabulary]`; the loss is the task's matter."""
        states = self.encoder(input_features, attention_mask).last_hidden_state
        return CausalLMOutput(logits=self.lm_head(self.dropout(states)))


AutoConfig.register(MODEL_TYPE, ConvRecurrentConfig, exist_ok=True)
AutoModelForCTC.register(ConvRecurrentConfig, ConvRecurrentForCTC, exist_ok=True)
