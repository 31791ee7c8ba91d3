"""Audio classification from scratch: log-mel features, strided convolutions, pooling over time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForAudioClassification,
    PreTrainedConfig,
    PreTrainedModel,
    initialization,
)
from transformers.modeling_outputs import BaseModelOutput, SequenceClassifierOutput

from pipeline.models.initialisation import begin_batch_norm, begin_linear
from pipeline.models.spectrogram import StridedConvolution, frame_mask, halved, normalised

MODEL_TYPE = "pipeline_audio_cnn"


class AudioCnnConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """Sizes of a convolutional classifier.

    Attributes:
        num_mels: Bands of the features.
        conv_channels: Maps of the first convolution; each further one has twice as many, up to
            four times.
        num_hidden_layers: Convolutions, each of which halves time and bands.
        dropout: Probability before the classifier.
    """

    model_type = MODEL_TYPE

    num_mels: int = 80
    conv_channels: int = 32
    num_hidden_layers: int = 4
    dropout: float = 0.3


class AudioCnnPreTrainedModel(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Initialisation and names."""

    config: AudioCnnConfig
    config_class = AudioCnnConfig
    base_model_prefix = "encoder"
    main_input_name = "input_features"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """He's convolutions, a Glorot classifier."""
        if isinstance(module, nn.Conv2d):
            initialization.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            begin_linear(module)
        elif isinstance(module, nn.BatchNorm2d):
            begin_batch_norm(module)


class AudioCnnModel(AudioCnnPreTrainedModel):  # type: ignore[no-untyped-call]
    """Convolutions; what they see of a recording is averaged, and its largest taken, over time."""

    def __init__(self, config: AudioCnnConfig) -> None:
        super().__init__(config)
        channels = [1] + [
            config.conv_channels * min(2**place, 4) for place in range(config.num_hidden_layers)
        ]
        self.convolutions = nn.ModuleList(
            StridedConvolution(channels[place], channels[place + 1], time_stride=2, batch_norm=True)
            for place in range(config.num_hidden_layers)
        )
        self.width = 2 * channels[-1] * halved(config.num_mels, config.num_hidden_layers)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_features: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> BaseModelOutput:
        """One vector for each recording, `[batch, width]`.

        Args:
            input_features: Log-mel features, `[batch, frames, mels]`, padded on the right.
            attention_mask: `[batch, frames]`, 1 for real frames; by default all are.
        """
        mask = torch.ones_like(input_features[..., 0]) if attention_mask is None else attention_mask
        lengths = mask.long().sum(dim=1)
        maps = normalised(input_features, mask.bool()).unsqueeze(1)
        for convolution in self.convolutions:
            maps, lengths = convolution(maps, lengths)
        states = maps.transpose(1, 2).flatten(2)
        kept = frame_mask(lengths, states.shape[1]).unsqueeze(-1)
        mean = (states * kept).sum(dim=1) / lengths.clamp(min=1).unsqueeze(-1)
        return BaseModelOutput(last_hidden_state=torch.cat([mean, states.amax(dim=1)], dim=-1))


class AudioCnnForAudioClassification(AudioCnnPreTrainedModel):  # type: ignore[no-untyped-call]
    """A linear classifier on the pooled convolutions."""

    def __init__(self, config: AudioCnnConfig) -> None:
        super().__init__(config)
        self.encoder = AudioCnnModel(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(self.encoder.width, config.num_labels or 2)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_features: Tensor, attention_mask: Tensor | None = None, **_: Any
    ) -> SequenceClassifierOutput:
        """Logits `[batch, labels]`; the loss is the task's matter."""
        pooled = self.encoder(input_features, attention_mask).last_hidden_state
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(pooled)))


AutoConfig.register(MODEL_TYPE, AudioCnnConfig, exist_ok=True)
AutoModelForAudioClassification.register(
    AudioCnnConfig, AudioCnnForAudioClassification, exist_ok=True
)
