"""Random changes to batches of pictures in training: moved, mirrored, recoloured, covered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipeline.config.base import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor

Share = Annotated[float, Field(ge=0.0, le=1.0)]
_GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness of a colour (ITU-R BT.601)."""


class ImageAugmentation(Section):
    """How pictures are changed in training, each differently at each pass."""

    shift: Share = 0.125
    """Longest way that a picture is moved, as a share of its side; what comes in is the mean
    colour, as in a random crop with padding."""
    zoom: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest share of the side that a random cut takes off, which is then stretched."""
    flip: Share = 0.5
    """Share of pictures that are mirrored, left to right."""
    brightness: Share = 0.2
    """Largest change of brightness, as a share."""
    contrast: Share = 0.2
    """Largest change of contrast, as a share."""
    saturation: Share = 0.2
    """Largest change of saturation, as a share."""
    cutout: Share = 0.0
    """Side of a square that is covered with the mean colour, as a share of the picture's (DeVries
    and Taylor, arXiv 1708.04552)."""
    mixup: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    """Both parameters of the beta distribution that two pictures and their labels are mixed by
    (Zhang et al., arXiv 1710.09412); 0 mixes none."""


def augmented(
    values: Tensor,
    options: ImageAugmentation,
    seed: int,
    *,
    mean: Sequence[float],
    std: Sequence[float],
) -> Tensor:
    """Changes a batch of pictures, all at once.

    Args:
        values: Normalised, `[batch, 3, height, width]`.
        options: What is done; mixing is `mixing`'s matter.
        seed: Of all that is drawn.
        mean: What was taken off the colours, of values from 0 to 1.
        std: What they were divided by.

    Returns:
        The changed ones, in the same shape.
    """
    import torch

    draw = torch.Generator().manual_seed(seed)
    values = _moved(values, options, draw)
    centre, spread = (values.new_tensor(list(one)).view(1, -1, 1, 1) for one in (mean, std))
    colours = values * spread + centre
    values = (_recoloured(colours, options, draw) - centre) / spread
    return _covered(values, options.cutout, draw)


def mixing(count: int, alpha: float, seed: int) -> tuple[float, Tensor]:
    """How a batch is mixed with itself: the share of each picture itself, and its partner.

    Args:
        count: Pictures of the batch.
        alpha: Both parameters of the beta distribution, positive.
        seed: Of what is drawn.
    """
    import numpy as np
    import torch

    generator = np.random.default_rng([seed, 1])
    return float(generator.beta(alpha, alpha)), torch.from_numpy(generator.permutation(count))


def _between(low: float, high: float, count: int, draw: Generator) -> Tensor:
    """Numbers between two ends, `[count]`, on the CPU so that every device has the same."""
    import torch

    return low + (high - low) * torch.rand(count, generator=draw)


def _moved(values: Tensor, options: ImageAugmentation, draw: Generator) -> Tensor:
    """Shifts by whole pixels, zooms and mirrors in one resampling."""
    import torch
    from torch.nn import functional

    count, _, height, width = values.shape
    scale = _between(1 - options.zoom, 1.0, count, draw)
    mirrored = torch.where(torch.rand(count, generator=draw) < options.flip, -1.0, 1.0)
    matrix = torch.zeros(count, 2, 3)
    for axis, size in ((0, width), (1, height)):
        matrix[:, axis, axis] = scale * (mirrored if axis == 0 else 1)
        pixels = (_between(-options.shift, options.shift, count, draw) * size).round()
        free = (1 - scale) * _between(-1.0, 1.0, count, draw)
        matrix[:, axis, 2] = 2 * pixels / size + free
    grid = functional.affine_grid(matrix, list(values.shape), align_corners=False)
    return functional.grid_sample(values, grid.to(values), align_corners=False)


def _recoloured(colours: Tensor, options: ImageAugmentation, draw: Generator) -> Tensor:
    """Changes brightness, contrast and saturation of colours from 0 to 1."""
    count = len(colours)
    weights = colours.new_tensor(_GREY).view(1, -1, 1, 1)

    def factor(largest: float) -> Tensor:
        return _between(1 - largest, 1 + largest, count, draw).to(colours).view(-1, 1, 1, 1)

    colours = colours * factor(options.brightness)
    grey = (colours * weights).sum(dim=1, keepdim=True)
    level = grey.mean(dim=(2, 3), keepdim=True)
    colours = level + (colours - level) * factor(options.contrast)
    grey = (colours * weights).sum(dim=1, keepdim=True)
    return (grey + (colours - grey) * factor(options.saturation)).clamp(0, 1)


def _covered(values: Tensor, share: float, draw: Generator) -> Tensor:
    """Covers a square of each picture with 0, the mean colour; its middle is anywhere."""
    import torch

    if not share:
        return values
    count, _, height, width = values.shape
    inside = torch.ones(count, 1, 1, 1, dtype=torch.bool)
    for size, shape in ((height, (count, 1, height, 1)), (width, (count, 1, 1, width))):
        middle = _between(0, size, count, draw).view(-1, 1)
        inside = inside & ((torch.arange(size) - middle).abs() < share * size / 2).view(shape)
    return values.masked_fill(inside.to(values.device), 0.0)
