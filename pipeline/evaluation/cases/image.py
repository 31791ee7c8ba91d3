"""A picture as the model saw it, inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from pipeline.tasks.base import Column
from pipeline.tasks.image_inputs import PIXELS

_SIDE = 192
"""Pixels of the screen that the longer side of a small picture takes."""


def shown_image(row: Mapping[str, Any], column: Column) -> str:
    """The picture in the model's size, enlarged where it is small, and its path.

    Args:
        row: The row's raw values and, where they are known, its encoded ones.
        column: The column of the picture.
    """
    path = str((row.get(column.name) or {}).get("path", ""))
    note = f'<p class="faint">{escape(path)}</p>'
    if PIXELS not in row:
        return note
    pixels = np.array(row[PIXELS], np.uint8)
    height, width = pixels.shape[:2]
    scale = max(_SIDE // max(height, width), 1)
    return (
        f'<img alt="{escape(path)}" width="{scale * width}" height="{scale * height}" '
        f'style="max-width:100%;image-rendering:pixelated;border-radius:4px" '
        f'src="data:image/png;base64,{_png(pixels)}">{note}'
    )


def _png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    import PIL.Image

    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()
