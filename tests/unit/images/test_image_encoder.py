from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.images.encoder import ImageEncoder

VIT = {"do_resize": True, "size": {"height": 24, "width": 24}, "resample": 2}
OLD_VIT = {"do_resize": True, "size": 24, "resample": 2, "do_normalize": True}
CONVNEXT = {"size": {"shortest_edge": 28}, "crop_pct": 0.875, "resample": 3}
OLD_CONVNEXT = {"feature_extractor_type": "ConvNextFeatureExtractor", "size": 28, "resample": 3}
CROPPED = {
    "size": {"shortest_edge": 32},
    "do_center_crop": True,
    "crop_size": {"height": 24, "width": 24},
    "resample": 3,
}
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]


def photo(size: tuple[int, int]) -> Image.Image:
    generator = np.random.default_rng(0)
    small = Image.fromarray(generator.integers(0, 256, (5, 7, 3)).astype(np.uint8))
    return small.resize(size, 3)


def settings(entries: dict[str, Any]) -> dict[str, Any]:
    return {**entries, "do_normalize": True, "image_mean": MEAN, "image_std": STD}


@pytest.mark.parametrize("size", [(60, 40), (40, 60), (61, 33), (24, 24), (9, 50)])
@pytest.mark.parametrize(
    ("entries", "processor"),
    [
        (VIT, "ViTImageProcessorPil"),
        (CONVNEXT, "ConvNextImageProcessorPil"),
        (OLD_CONVNEXT, "ConvNextImageProcessorPil"),
        (CROPPED, "CLIPImageProcessorPil"),
    ],
)
def test_a_picture_becomes_what_transformers_makes_of_it(
    entries: dict[str, Any], processor: str, size: tuple[int, int]
) -> None:
    import transformers

    theirs = getattr(transformers, processor)(**settings(entries))
    expected = theirs(photo(size), return_tensors="np")["pixel_values"]
    encoder = ImageEncoder.of(settings(entries))
    found = encoder.finish(encoder(photo(size))[np.newaxis])
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_older_settings_and_own_ones_are_read(tmp_path: Path) -> None:
    assert ImageEncoder.of(OLD_VIT).size == (24, 24)
    for entries in (VIT, CONVNEXT, CROPPED):
        encoder = ImageEncoder.of(settings(entries))
        encoder.save(tmp_path)
        stored = json.loads((tmp_path / "preprocessor_config.json").read_text())
        assert ImageEncoder.of(stored) == encoder


def test_large_convnexts_cut_nothing_off() -> None:
    encoder = ImageEncoder.of({"size": {"shortest_edge": 384}, "crop_pct": 0.875})
    assert (encoder.resized, encoder.cropped) == ((384, 384), None)


def test_settings_that_leave_sizes_open_are_refused() -> None:
    with pytest.raises(ValueError, match="how large"):
        ImageEncoder.of({"size": {"shortest_edge": 224}, "do_resize": False})


def test_a_single_pixel_fills_the_whole_picture() -> None:
    encoder = ImageEncoder((8, 8))
    pixels = encoder(Image.new("RGB", (1, 1), (9, 8, 7)))
    assert (pixels == [9, 8, 7]).all()
    assert pixels.shape == (8, 8, 3)
