from __future__ import annotations

from typing import Any

import pytest
import torch

from pipeline.images.augmentation import ImageAugmentation, augmented, mixing

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
NOTHING = {"shift": 0.0, "flip": 0.0, "brightness": 0.0, "contrast": 0.0, "saturation": 0.0}


def pictures(count: int = 6, size: int = 16) -> torch.Tensor:
    colours = torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(one).view(1, 3, 1, 1) for one in (MEAN, STD))
    return (colours - mean) / std


def changed(values: torch.Tensor, seed: int = 0, **options: Any) -> torch.Tensor:
    return augmented(values, ImageAugmentation(**{**NOTHING, **options}), seed, mean=MEAN, std=STD)


def test_nothing_asked_for_changes_nothing() -> None:
    torch.testing.assert_close(changed(pictures()), pictures(), atol=1e-5, rtol=0)


def test_the_same_seed_gives_the_same_changes_and_another_gives_others() -> None:
    options = ImageAugmentation(zoom=0.2, cutout=0.3)
    first, again, other = (
        augmented(pictures(), options, seed, mean=MEAN, std=STD) for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.isfinite(first).all()


def test_every_picture_is_mirrored_where_the_share_is_one() -> None:
    torch.testing.assert_close(changed(pictures(), flip=1.0), pictures().flip(3), atol=1e-5, rtol=0)


def test_a_shift_moves_whole_pixels_and_shows_the_mean_colour() -> None:
    values = pictures(40)
    found = changed(values, shift=0.25)
    moved = 0
    for before, after in zip(values, found, strict=True):
        fits = [
            (down, right)
            for down in range(-4, 5)
            for right in range(-4, 5)
            if torch.allclose(_shifted(before, down, right), after, atol=1e-4)
        ]
        assert len(fits) == 1
        moved += fits[0] != (0, 0)
    assert moved > 30


def _shifted(values: torch.Tensor, down: int, right: int) -> torch.Tensor:
    padded = torch.nn.functional.pad(values, (4, 4, 4, 4))
    return padded[:, 4 - down : 20 - down, 4 - right : 20 - right]


def test_a_zoom_keeps_flat_pictures_and_cuts_others() -> None:
    flat = torch.full((4, 3, 8, 8), 0.7)
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(changed(flat, zoom=0.5)[inside], flat[inside], atol=1e-5, rtol=0)
    assert not torch.allclose(changed(pictures(), zoom=0.5), pictures())


def test_colours_stay_colours() -> None:
    found = changed(pictures(), brightness=0.9, contrast=0.9, saturation=0.9)
    mean, std = (torch.tensor(one).view(1, 3, 1, 1) for one in (MEAN, STD))
    colours = found * std + mean
    assert colours.min() >= -1e-5
    assert colours.max() <= 1 + 1e-5


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_square_of_the_side_asked_for_is_covered(share: float) -> None:
    values = pictures(200) + 10
    found = changed(values.clamp(max=2), cutout=share)
    covered = (found.abs().sum(dim=1) == 0).sum(dim=(1, 2))
    assert covered.max() == (share * 16) ** 2
    assert covered.min() > 0


def test_shares_of_mixing_follow_the_seed() -> None:
    share, partners = mixing(8, 0.4, 3)
    assert 0 <= share <= 1
    assert sorted(partners.tolist()) == list(range(8))
    again = mixing(8, 0.4, 3)
    assert again[0] == share
    assert torch.equal(again[1], partners)
