"""Image classification from scratch: a residual network for small pictures.

Source: He et al., Deep Residual Learning, arXiv 1512.03385, section 4.2. Transformers' ResNet
begins with a stride of four, which leaves too little of pictures of 32 × 32 pixels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    PreTrainedConfig,
    PreTrainedModel,
    initialization,
)
from transformers.modeling_outputs import (
    BaseModelOutputWithNoAttention,
    ImageClassifierOutputWithNoAttention,
)

from pipeline.models.initialisation import begin_batch_norm

MODEL_TYPE = "pipeline_resnet"


class SmallResNetConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]
    """Sizes of a residual network.

    Attributes:
        num_channels: Colours of a picture.
        conv_channels: Maps of the first convolution; each further layer has twice as many.
        num_hidden_layers: Layers of one residual block; each but the first halves both sides.
        dropout: Probability before the classifier.
    """

    model_type = MODEL_TYPE

    num_channels: int = 3
    conv_channels: int = 32
    num_hidden_layers: int = 4
    dropout: float = 0.0


class SmallResNetPreTrainedModel(PreTrainedModel):  # type: ignore[no-untyped-call]
    """Initialisation and names."""

    config: SmallResNetConfig
    config_class = SmallResNetConfig
    base_model_prefix = "encoder"
    main_input_name = "pixel_values"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """He's convolutions; each block begins as its shortcut, as its last scale is 0."""
        if isinstance(module, nn.Conv2d):
            initialization.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            initialization.normal_(module.weight, std=0.01)
            initialization.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            begin_batch_norm(module)
        elif isinstance(module, _Block):
            initialization.zeros_(module.last_scale)


def _convolution(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
    )


class _Block(nn.Module):
    """Two convolutions and what goes around them."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(channels_in, channels_out, stride)
        self.second = _convolution(channels_out, channels_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
                nn.Conv2d(channels_in, channels_out, 1, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    @property
    def last_scale(self) -> Tensor:
        """What the block's own change is multiplied by, `[channels]`."""
        norm = self.second[1]
        assert isinstance(norm, nn.BatchNorm2d)
        return norm.weight

    def forward(self, maps: Tensor) -> Tensor:
        changed: Tensor = self.second(self.first(maps).relu()) + self.shortcut(maps)
        return changed.relu()


class SmallResNetModel(SmallResNetPreTrainedModel):  # type: ignore[no-untyped-call]
    """Residual blocks; what they see of a picture is averaged over its places."""

    def __init__(self, config: SmallResNetConfig) -> None:
        super().__init__(config)
        widths = [config.conv_channels * 2**place for place in range(config.num_hidden_layers)]
        self.stem = _convolution(config.num_channels, widths[0])
        self.blocks = nn.ModuleList(
            _Block(widths[max(place - 1, 0)], width, 1 if place == 0 else 2)
            for place, width in enumerate(widths)
        )
        self.width = widths[-1]
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutputWithNoAttention:
        """One vector for each picture, `[batch, width]`.

        Args:
            pixel_values: Normalised, `[batch, channels, height, width]`.
        """
        maps = self.stem(pixel_values).relu()
        for block in self.blocks:
            maps = block(maps)
        return BaseModelOutputWithNoAttention(last_hidden_state=maps.mean(dim=(2, 3)))


class SmallResNetForImageClassification(SmallResNetPreTrainedModel):  # type: ignore[no-untyped-call]
    """A linear classifier on the pooled maps."""

    def __init__(self, config: SmallResNetConfig) -> None:
        super().__init__(config)
        self.encoder = SmallResNetModel(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(self.encoder.width, config.num_labels or 2)
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(self, pixel_values: Tensor, **_: Any) -> ImageClassifierOutputWithNoAttention:
        """Logits `[batch, labels]`; the loss is the task's matter."""
        pooled = self.encoder(pixel_values).last_hidden_state
        return ImageClassifierOutputWithNoAttention(logits=self.classifier(self.dropout(pooled)))


AutoConfig.register(MODEL_TYPE, SmallResNetConfig, exist_ok=True)
AutoModelForImageClassification.register(
    SmallResNetConfig, SmallResNetForImageClassification, exist_ok=True
)
