"""What models of log-mel features share: normalisation and convolutions that keep padding out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_RANGE = 8.0 * math.log(10.0)
"""80 dB in natural logarithms of power: what is further below a recording's loudest band is cut."""
_SMALLEST = 1e-3


def frame_mask(lengths: Tensor, width: int) -> Tensor:
    """Where there is no padding, `[batch, width]`, of lengths `[batch]`."""
    return torch.arange(width, device=lengths.device).unsqueeze(0) < lengths.unsqueeze(1)


def normalised(features: Tensor, mask: Tensor) -> Tensor:
    """Log-mel features of recordings of any level and any microphone.

    From each band its mean over the recording is taken, which undoes level and a channel's colour;
    then all is divided by one standard deviation for the whole recording, so that a band without
    sound, as above 4 kHz on the telephone, stays quiet.

    Args:
        features: Natural logarithms of power, `[batch, frames, bands]`, padded on the right.
        mask: `[batch, frames]`, true where there is no padding.

    Returns:
        The same shape; padding is 0.
    """
    kept = mask.unsqueeze(-1)
    count = mask.sum(dim=1).clamp(min=1).to(features.dtype).view(-1, 1, 1)
    loudest = features.masked_fill(~kept, -1e4).amax(dim=(1, 2), keepdim=True)
    cut = torch.maximum(features, loudest - _RANGE) * kept
    centred = (cut - cut.sum(dim=1, keepdim=True) / count) * kept
    variance = centred.square().sum(dim=1, keepdim=True).mean(dim=2, keepdim=True) / count
    return centred / (variance.sqrt() + _SMALLEST)


class StridedConvolution(nn.Module):
    """A 3 × 3 convolution over time and bands, its normalisation and a ReLU.

    Padding in time is zero before and after, so it changes no result in evaluation.

    Args:
        channels_in: Maps of the input.
        channels_out: Maps of the result.
        time_stride: Frames that become one.
        batch_norm: Whether results are normalised over the batch.
    """

    def __init__(
        self, channels_in: int, channels_out: int, *, time_stride: int, batch_norm: bool
    ) -> None:
        super().__init__()
        self.time_stride = time_stride
        self.convolution = nn.Conv2d(
            channels_in, channels_out, 3, stride=(time_stride, 2), padding=1, bias=not batch_norm
        )
        self.norm = nn.BatchNorm2d(channels_out) if batch_norm else nn.Identity()

    def forward(self, maps: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Maps `[batch, channels, frames, bands]` and frames `[batch]` to the same, halved."""
        maps = torch.relu(self.norm(self.convolution(maps)))
        lengths = (lengths - 1) // self.time_stride + 1
        kept = frame_mask(lengths, maps.shape[2])
        return maps * kept[:, None, :, None], lengths


def halved(size: int, times: int) -> int:
    """What is left of so many bands after so many convolutions."""
    for _ in range(times):
        size = (size - 1) // 2 + 1
    return size
