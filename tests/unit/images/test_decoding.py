from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import DataError
from pipeline.images.decoding import decode_image
from tests.pictures import picture


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def solid(mode: str, colour: Any, size: tuple[int, int] = (4, 3)) -> Image.Image:
    return Image.new(mode, size, colour)


@pytest.mark.parametrize(
    ("content", "colour"),
    [
        (saved(solid("RGB", (10, 20, 30))), (10, 20, 30)),
        (saved(solid("L", 77)), (77, 77, 77)),
        (saved(solid("1", 1)), (255, 255, 255)),
        (saved(solid("I;16", 77 * 256 + 200)), (77, 77, 77)),
        (saved(solid("RGBA", (10, 20, 30, 0))), (255, 255, 255)),
        (saved(solid("RGBA", (0, 0, 0, 128))), (127, 127, 127)),
        (saved(solid("LA", (0, 0))), (255, 255, 255)),
        (saved(solid("RGB", (10, 20, 30)).convert("P")), None),
        (saved(solid("CMYK", (0, 0, 0, 0)), "JPEG"), (255, 255, 255)),
        (saved(solid("L", 90), "JPEG"), (90, 90, 90)),
        (saved(solid("RGB", (10, 20, 30)), "BMP"), (10, 20, 30)),
        (saved(solid("RGB", (10, 20, 30)), "TIFF"), (10, 20, 30)),
        (saved(solid("RGB", (0, 0, 255)), "GIF"), (0, 0, 255)),
        (saved(solid("RGB", (10, 20, 30)), "WEBP", lossless=True), (10, 20, 30)),
    ],
)
def test_every_kind_of_picture_becomes_rgb(content: bytes, colour: Any) -> None:
    image = decode_image(content)
    assert (image.mode, image.size) == ("RGB", (4, 3))
    if colour is not None:
        np.testing.assert_allclose(np.asarray(image), np.broadcast_to(colour, (3, 4, 3)), atol=1)


def test_a_palette_with_transparency_lies_on_white() -> None:
    image = solid("P", 1)
    image.putpalette([0, 0, 0, 200, 0, 0])
    assert np.asarray(decode_image(saved(image)))[0, 0].tolist() == [200, 0, 0]
    transparent = decode_image(saved(image, transparency=1))
    assert np.asarray(transparent)[0, 0].tolist() == [255, 255, 255]


def test_a_photo_is_turned_as_its_camera_was() -> None:
    image = Image.new("RGB", (4, 2))
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode_image(saved(image, exif=exif))
    assert turned.size == (2, 4)
    assert turned.getpixel((1, 0)) == (255, 255, 255)


def test_a_single_pixel_is_a_picture() -> None:
    assert decode_image(saved(solid("RGB", (1, 2, 3), (1, 1)))).size == (1, 1)


def bomb(side: int) -> bytes:
    """The beginning of a PNG that says how large it is, and hardly more."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<html>not found</html>", "no picture of a known format"),
        (picture("red", 0)[:60], "damaged"),
        (picture("red", 0, (64, 64), "JPEG")[:700], "damaged"),
        (picture("red", 0, (64, 64))[:-40], "damaged"),
        (bomb(20_000), "more than the"),
        (bomb(10_000), "10,000 × 10,000"),
        (bomb(100), "damaged"),
    ],
)
def test_what_is_wrong_with_a_picture_is_said(content: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        decode_image(content)
    assert caught.value.remedy


def test_any_damage_is_an_error_of_ours_or_none() -> None:
    whole = picture("green", 1, (24, 24), "JPEG")
    generator = np.random.default_rng(0)
    for _ in range(200):
        broken = bytearray(whole)
        for place in generator.integers(0, len(whole), 5):
            broken[place] = int(generator.integers(0, 256))
        try:
            decode_image(bytes(broken))
        except DataError as error:
            assert error.remedy  # noqa: PT017
