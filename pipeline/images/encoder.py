"""Pictures to pixels of a model's size, and pixels to the numbers that it reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

FILE_NAME = "preprocessor_config.json"
PROCESSOR_TYPE = "ViTImageProcessor"
"""What transformers reads our own settings as."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CHANNELS = 3
_WARPED_FROM = 384
"""ConvNeXt's processor crops nothing off pictures for a model of this size or larger."""
_CONVNEXT_SHARE = 224 / 256
"""How much of each side ConvNeXt's processor leaves, where nothing else is said."""
Pixels = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class ImageEncoder:
    """Resizes and normalises pictures as transformers' image processors do.

    Attributes:
        resized: To which size a picture is stretched; of a single number the shorter side becomes
            that long and the picture keeps its shape. None leaves its size.
        cropped: The size of what is then cut out of the middle; None for no cut.
        resample: Pillow's filter: 0 nearest, 1 Lanczos, 2 bilinear, 3 bicubic.
        mean: What is taken off red, green and blue, of values from 0 to 1.
        std: What they are divided by then.
    """

    resized: Size | int | None
    cropped: Size | None = None
    resample: int = 2
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    @property
    def size(self) -> Size:
        """Height and width of what the model reads."""
        if self.cropped is not None:
            return self.cropped
        assert isinstance(self.resized, tuple)
        return self.resized

    @cached_property
    def identity(self) -> str:
        """All that determines the pixels and what is made of them."""
        return json.dumps(self.settings(), sort_keys=True)

    def __call__(self, image: Image) -> Pixels:
        """The pixels that are kept of a picture, `[height, width, 3]`, from 0 to 255.

        Args:
            image: In RGB.
        """
        if isinstance(self.resized, tuple):
            height, width = self.resized
            image = image.resize((width, height), self.resample)
        elif self.resized is not None:
            image = image.resize(_shorter_side(image.size, self.resized), self.resample)
        pixels = np.asarray(image, np.uint8)
        return pixels if self.cropped is None else _middle(pixels, self.cropped)

    def finish(self, pixels: Pixels) -> Float32:
        """What the model reads: `[batch, 3, height, width]`.

        Args:
            pixels: `[batch, height, width, 3]`.
        """
        mean, std = (np.array(one, np.float32) for one in (self.mean, self.std))
        values = (pixels.astype(np.float32) - 255 * mean) / (255 * std)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))

    def settings(self) -> dict[str, Any]:
        """As preprocessor_config.json has them."""
        size = (
            {"height": self.resized[0], "width": self.resized[1]}
            if isinstance(self.resized, tuple)
            else {"shortest_edge": self.resized}
        )
        crop = self.cropped and {"height": self.cropped[0], "width": self.cropped[1]}
        return {
            "image_processor_type": PROCESSOR_TYPE,
            "do_resize": self.resized is not None,
            "size": size,
            "resample": self.resample,
            "do_center_crop": crop is not None,
            **({} if crop is None else {"crop_size": crop}),
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": list(self.mean),
            "image_std": list(self.std),
        }

    def save(self, directory: Path) -> None:
        """Writes its settings."""
        text = json.dumps(self.settings(), indent=2, sort_keys=True)
        (directory / FILE_NAME).write_text(f"{text}\n", encoding="utf-8")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """Reads what a checkpoint's preprocessor_config.json says.

        Raises:
            ValueError: If the pictures of a batch would differ in size.
        """
        resized = _size(settings.get("size")) if settings.get("do_resize", True) else None
        cropped = _size(settings.get("crop_size")) if settings.get("do_center_crop") else None
        if isinstance(cropped, int):
            cropped = (cropped, cropped)
        percent = settings.get("crop_pct")
        kind = f"{settings.get('image_processor_type')} {settings.get('feature_extractor_type')}"
        if "ConvNext" in kind:
            # A plain number is the shorter side here, and of smaller models the middle is read.
            resized = resized[0] if isinstance(resized, tuple) else resized
            percent = percent or _CONVNEXT_SHARE
        if isinstance(resized, int) and cropped is None:
            cropped = None if percent is None or resized >= _WARPED_FROM else (resized, resized)
            resized = (resized, resized) if cropped is None else int(resized / float(percent or 1))
        if cropped is None and not isinstance(resized, tuple):
            raise ValueError("neither size nor crop_size says how large pictures become")
        normalised = settings.get("do_normalize", True)
        return cls(
            resized,
            cropped,
            int(settings.get("resample", 2)),
            tuple(settings.get("image_mean", IMAGENET_MEAN)) if normalised else (0.0,) * CHANNELS,
            tuple(settings.get("image_std", IMAGENET_STD)) if normalised else (1.0,) * CHANNELS,
        )


def _size(value: Any) -> Size | int | None:
    if isinstance(value, Mapping):
        if "shortest_edge" in value:
            return int(value["shortest_edge"])
        return (int(value["height"]), int(value["width"]))
    return (int(value), int(value)) if isinstance(value, int) else None


def _shorter_side(size: Size, wanted: int) -> Size:
    """Width and height with the shorter of both as wanted, as transformers rounds them."""
    short, long = min(size), max(size)
    longer = int(wanted * long / short)
    return (wanted, longer) if size[0] <= size[1] else (longer, wanted)


def _middle(pixels: Pixels, size: Size) -> Pixels:
    """The middle of a picture; where the picture is smaller, black surrounds it."""
    short = [max(wanted - have, 0) for wanted, have in zip(size, pixels.shape[:2], strict=True)]
    if any(short):
        around = [((one + 1) // 2, one // 2) for one in short]
        pixels = np.pad(pixels, [*around, (0, 0)])
    top, left = ((have - wanted) // 2 for have, wanted in zip(pixels.shape, size, strict=False))
    return pixels[top : top + size[0], left : left + size[1]]
