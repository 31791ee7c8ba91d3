"""Random changes to batches of recordings in training: other speeds, noise, masked stretches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.config.base import Section

if TYPE_CHECKING:
    from torch import Generator, Tensor

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Many = Annotated[int, Field(ge=0)]
Speed = Annotated[float, Field(ge=0.5, le=2.0)]
Decibels = Annotated[float, Field(ge=-20.0, le=100.0)]

_STEEPEST = 1.0
"""Noise falls by up to so many powers of the frequency: 0 is white, 1 is pink."""
_FLUCTUATION = 0.5
"""Standard deviation of the natural logarithm of noise in a band from frame to frame."""


class AudioAugmentation(Section):
    """How recordings are changed in training, each differently at each pass."""

    speed: tuple[Speed, Speed] = (0.9, 1.1)
    """Range of the factor of the speed, which moves the pitch too; 1, 1 changes nothing."""
    noise_share: Share = 0.3
    """Share of recordings to which noise, between white and pink, is added."""
    noise_snr: tuple[Decibels, Decibels] = (5.0, 30.0)
    """Range of the ratio of the recording's power to the noise's, in decibels."""
    time_masks: Many = 2
    """Stretches of time that are hidden (SpecAugment; not in waveforms)."""
    time_mask_frames: Many = 30
    """Longest of them in frames."""
    time_mask_share: Share = 0.15
    """Longest of them as a share of the recording."""
    band_masks: Many = 2
    """Stretches of frequency that are hidden (SpecAugment; not in waveforms)."""
    band_mask_share: Share = 0.15
    """Widest of them as a share of all bands."""


NO_AUGMENTATION = AudioAugmentation(speed=(1.0, 1.0), noise_share=0.0, time_masks=0, band_masks=0)


def augmented_features(
    features: Tensor,
    lengths: Tensor,
    options: AudioAugmentation,
    seed: int,
    centres: npt.NDArray[np.float64] | None,
) -> tuple[Tensor, Tensor]:
    """Changes a batch of spectrograms.

    A new speed is linear interpolation in time and, where the bands' frequencies are known, in
    frequency: what resampling the sound would give, but for the interpolation. Noise is added as
    power, so the features must then be natural logarithms of power. Masks are Park et al.'s
    SpecAugment (arXiv 1904.08779) without time warping, filled with each band's mean.

    Args:
        features: `[batch, frames, bands]`, padded on the right.
        lengths: Frames of each, `[batch]` int64.
        options: What is done.
        seed: Of all that is drawn.
        centres: The bands' frequencies in hertz, if the features are logarithms of power; None for
            those of another kind, which get no noise and keep their bands when time is stretched.

    Returns:
        The same of the changed recordings, whose padding is 0.
    """
    import torch

    draw = torch.Generator().manual_seed(seed)
    features, lengths = _at_new_speed(
        features, lengths, _between(options.speed, len(lengths), draw), centres
    )
    noisy = torch.rand(len(lengths), generator=draw) < options.noise_share
    decibels = _between(options.noise_snr, len(lengths), draw)
    tilt = torch.rand(len(lengths), generator=draw) * _STEEPEST
    if centres is not None and bool(noisy.any()):
        changed = _with_noise(
            features, lengths, decibels=decibels, tilt=tilt, centres=centres, seed=seed
        )
        features = torch.where(noisy.to(features.device)[:, None, None], changed, features)
    return _masked(features, lengths, options, draw), lengths


def augmented_waveforms(
    values: Tensor, lengths: Tensor, options: AudioAugmentation, seed: int
) -> tuple[Tensor, Tensor]:
    """Changes a batch of samples: their speed, by linear interpolation, and white noise.

    Args:
        values: `[batch, samples]`, padded on the right.
        lengths: Samples of each, `[batch]` int64.
        options: What is done; masks are the model's own affair.
        seed: Of all that is drawn.

    Returns:
        The same of the changed recordings, whose padding is 0.
    """
    import torch

    draw = torch.Generator().manual_seed(seed)
    stretched, lengths = _at_new_speed(
        values.unsqueeze(-1), lengths, _between(options.speed, len(lengths), draw), None
    )
    values = stretched.squeeze(-1)
    noisy = torch.rand(len(lengths), generator=draw) < options.noise_share
    decibels = _between(options.noise_snr, len(lengths), draw).to(values.device)
    kept = _kept(values.shape[1], lengths)
    power = (values.square() * kept).sum(dim=1) / lengths
    level = (power / 10 ** (decibels / 10)).sqrt() * noisy.to(values.device)
    on_device = torch.Generator(values.device).manual_seed(seed)
    noise = torch.randn(values.shape, generator=on_device, device=values.device)
    return (values + noise * level[:, None]) * kept, lengths


def _between(ends: tuple[float, float], count: int, draw: Generator) -> Tensor:
    """Numbers between two ends, `[count]`, on the CPU so that every device has the same."""
    import torch

    return ends[0] + (ends[1] - ends[0]) * torch.rand(count, generator=draw)


def _kept(width: int, lengths: Tensor) -> Tensor:
    """Where there is no padding, `[batch, width]`."""
    import torch

    return torch.arange(width, device=lengths.device) < lengths[:, None]


def _at_new_speed(
    features: Tensor,
    lengths: Tensor,
    speed: Tensor,
    centres: npt.NDArray[np.float64] | None,
) -> tuple[Tensor, Tensor]:
    """Plays each row so many times as fast."""
    import torch

    if bool((speed == 1).all()):
        return features, lengths
    device = features.device
    if centres is not None:
        places = np.arange(len(centres), dtype=np.float64)
        sources = [np.interp(centres / one, centres, places) for one in speed.tolist()]
        bands = torch.from_numpy(np.stack(sources)).float().to(device)
        features = _between_neighbours(features, bands, 2, None)
    speed = speed.to(device)
    new = (lengths / speed).round().long().clamp(min=1)
    width = int(new.max())
    times = torch.arange(width, device=device) * speed[:, None]
    found = _between_neighbours(features, times, 1, lengths)
    return found * _kept(width, new)[:, :, None], new


def _between_neighbours(
    values: Tensor, places: Tensor, axis: int, lengths: Tensor | None
) -> Tensor:
    """Values at broken places along an axis, `[batch, places]`, by linear interpolation."""
    last = (values.shape[axis] - 1 if lengths is None else lengths[:, None] - 1) + 0 * places
    places = places.minimum(last)
    low = places.long()
    high = (low + 1).minimum(last.long())
    share = (places - low).to(values.dtype)
    other = values.shape[3 - axis]

    def at(index: Tensor) -> Tensor:
        wide = index[:, :, None].expand(-1, -1, other)
        return values.gather(axis, wide if axis == 1 else wide.transpose(1, 2))

    weight = share[:, :, None] if axis == 1 else share[:, None, :]
    return at(low) * (1 - weight) + at(high) * weight


def _with_noise(
    features: Tensor,
    lengths: Tensor,
    *,
    decibels: Tensor,
    tilt: Tensor,
    centres: npt.NDArray[np.float64],
    seed: int,
) -> Tensor:
    """Adds the power of noise to every row, before logarithms are taken."""
    import torch

    device = features.device
    kept = _kept(features.shape[1], lengths)[:, :, None]
    power = (features.exp() * kept).sum(dim=1).mean(dim=1) / lengths
    hertz = torch.from_numpy(centres).float().to(device)
    colour = -tilt.to(device)[:, None] * hertz.log()
    colour = colour - colour.exp().mean(dim=1, keepdim=True).log()
    level = power.clamp(min=1e-10).log() - decibels.to(device) * np.log(10) / 10
    on_device = torch.Generator(device).manual_seed(seed)
    fluctuation = torch.randn(features.shape, generator=on_device, device=device) * _FLUCTUATION
    noise = level[:, None, None] + colour[:, None, :] + fluctuation
    return torch.logaddexp(features, noise) * kept


def _masked(
    features: Tensor, lengths: Tensor, options: AudioAugmentation, draw: Generator
) -> Tensor:
    """Hides stretches of time and frequency."""
    import torch

    device, count = features.device, len(lengths)
    here = lengths.cpu()
    longest = (here * options.time_mask_share).clamp(max=options.time_mask_frames)
    widest = torch.full((count,), features.shape[2] * options.band_mask_share)
    hidden = torch.zeros(count, *features.shape[1:], dtype=torch.bool)
    for masks, most, size, axis in (
        (options.time_masks, longest, here, 1),
        (options.band_masks, widest, torch.full((count,), features.shape[2]), 2),
    ):
        places = torch.arange(features.shape[axis])
        for _ in range(masks):
            width = (torch.rand(count, generator=draw) * (most + 1)).long().minimum(most.long())
            start = (torch.rand(count, generator=draw) * (size - width + 1)).long()
            inside = (places >= start[:, None]) & (places < (start + width)[:, None])
            hidden |= inside[:, :, None] if axis == 1 else inside[:, None, :]
    kept = _kept(features.shape[1], lengths)[:, :, None]
    mean = (features * kept).sum(dim=1, keepdim=True) / lengths[:, None, None]
    return torch.where(hidden.to(device) & kept, mean.to(features.dtype), features)
