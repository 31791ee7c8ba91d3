"""Small pictures for tests."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (40, 60, 220)}


def picture(colour: str, seed: int, size: tuple[int, int] = (16, 12), kind: str = "PNG") -> bytes:
    """A noisy picture of one colour, as the bytes of a file.

    Args:
        colour: One of `COLOURS`.
        seed: Of the noise.
        size: Width and height.
        kind: Pillow's name of the format.
    """
    noise = np.random.default_rng(seed).integers(-40, 40, (size[1], size[0], 3))
    values = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, kind)
    return stream.getvalue()


def write_pictures(directory: Path, count: int) -> Path:
    """Writes a folder of each colour with so many pictures."""
    for place, colour in enumerate(COLOURS):
        (directory / colour).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            content = picture(colour, 1_000 * place + number)
            (directory / colour / f"{number:03}.png").write_bytes(content)
    return directory
