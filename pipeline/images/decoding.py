"""Bytes of a picture to its colours, whatever the format, or an error that says what is wrong."""

from __future__ import annotations

import io
import struct
import warnings
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from pipeline.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""What Pillow may try to read, in Pillow's names."""
MOST_PIXELS = 89_478_485
"""A larger picture is refused before it is decoded; in RGB this one takes 256 MiB."""
_WHITE = (255, 255, 255)
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, OverflowError)
"""What Pillow's readers raise for bytes that are not what their beginning promises."""


def check_image(content: bytes) -> None:
    """Decodes a picture to see whether it is whole.

    Raises:
        DataError: Without file and row, if it is not.
    """
    decode_image(content)


def decode_image(content: bytes) -> Image:
    """Decodes a picture: upright as its EXIF says, in RGB, what is transparent on white.

    Grey values of 16 bits keep their highest 8; of an animation the first picture is taken.

    Args:
        content: The file's bytes.

    Raises:
        DataError: Without file and row, if it is empty, of another format, damaged, or has more
            than `MOST_PIXELS`.
    """
    import PIL.Image
    from PIL import ImageOps

    if not content:
        raise DataError("the file is empty", remedy="fetch it again, or leave it out")
    _quiet()
    try:
        image: Image = PIL.Image.open(io.BytesIO(content), formats=FORMATS)
        _check_size(*image.size)
        image.load()
    except DataError:
        raise
    except PIL.UnidentifiedImageError as error:
        raise DataError(
            f"it is no picture of a known format, it begins with {content[:8]!r}",
            remedy="save it as JPEG or PNG",
        ) from error
    except PIL.Image.DecompressionBombError as error:
        raise DataError(
            f"it has more than the {MOST_PIXELS:,} pixels that a picture may have",
            remedy="make it smaller",
        ) from error
    except _BROKEN as error:
        raise DataError(
            f"the picture is damaged: {error}", remedy="fetch it again, or leave it out"
        ) from error
    with suppress(*_BROKEN, KeyError, TypeError):  # broken EXIF leaves the picture as it lies
        image = ImageOps.exif_transpose(image)
    return _rgb(image)


@lru_cache(maxsize=1)
def _quiet() -> None:
    """Silences Pillow's warnings, of which those that matter are errors here."""
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise DataError(
            f"it has {width:,} × {height:,} pixels, more than the {MOST_PIXELS:,} that a picture "
            "may have",
            remedy="make it smaller",
        )


def _rgb(image: Image) -> Image:
    import numpy as np
    import PIL.Image

    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64).clip(0, 2**16 - 1)
        image = PIL.Image.fromarray((values >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = PIL.Image.new("RGB", image.size, _WHITE)
        ground.paste(image, mask=image.getchannel("A"))
        return ground
    return image.convert("RGB")
