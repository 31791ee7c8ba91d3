"""Pictures to encoded rows, and rows to batches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import DataError
from pipeline.images.decoding import decode_image
from pipeline.tasks.base import Column, ExportSpec

if TYPE_CHECKING:
    from pipeline.images.encoder import ImageEncoder, Pixels

IMAGE = Column("image", "image")
PIXELS = "pixels"
"""Encoded column: a picture in the model's size, as rows of places of red, green and blue."""
_PATCH = 16
"""A picture counts as so many tokens in a batch as it has squares of this side, as in ViT."""
_THREADS = 4
_TRACED_ROWS = 3


def encode_images(contents: pa.ChunkedArray, encoder: ImageEncoder) -> pa.Table:
    """Decodes pictures and brings them to the model's size.

    Args:
        contents: Paths and bytes, `[rows]`.
        encoder: The model's.

    Returns:
        One row for each picture: `length` (int32, squares of 16 × 16 pixels after resizing),
        `pixels` (fixed-size lists of uint8, `[height, width, 3]`), and `width` and `height` (int32)
        as the picture was.

    Raises:
        DataError: If a picture cannot be decoded; it names the file.
    """
    height, width = encoder.size
    with ThreadPoolExecutor(_THREADS) as pool:
        rows = list(pool.map(partial(_encoded, encoder=encoder), contents.to_pylist()))
    squares = -(-height // _PATCH) * -(-width // _PATCH)
    pixels = np.stack([one for one, _ in rows]) if rows else np.zeros((0, height, width, 3))
    values: pa.Array = pa.array(pixels.astype(np.uint8).ravel())
    for size in (pixels.shape[3], width, height):
        values = pa.FixedSizeListArray.from_arrays(values, size)
    return pa.table(
        {
            "length": pa.array([squares] * len(rows), pa.int32()),
            PIXELS: values,
            "width": pa.array([size[0] for _, size in rows], pa.int32()),
            "height": pa.array([size[1] for _, size in rows], pa.int32()),
        }
    )


def _encoded(content: dict[str, Any], *, encoder: ImageEncoder) -> tuple[Pixels, tuple[int, int]]:
    try:
        image = decode_image(content["bytes"])
    except DataError as error:
        raise DataError(error.message, file=content["path"], remedy=error.remedy) from error
    return encoder(image), image.size


def stored_pixels(column: pa.ChunkedArray | pa.Array) -> Pixels:
    """The pixels of encoded rows, `[rows, height, width, 3]`."""
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks)
    shape = [len(values)]
    while pa.types.is_fixed_size_list(values.type):
        shape.append(values.type.list_size)
        values = values.flatten()
    pixels: Pixels = values.to_numpy().reshape(shape)
    return pixels


def collate_images(rows: pa.Table, encoder: ImageEncoder) -> dict[str, npt.NDArray[Any]]:
    """`pixel_values` `[batch, 3, height, width]`, float32."""
    return {"pixel_values": encoder.finish(stored_pixels(rows[PIXELS]))}


def image_export(encoder: ImageEncoder) -> ExportSpec:
    """Pictures in, logits out; the batch alone is free."""
    height, width = encoder.size
    sample = np.zeros((_TRACED_ROWS, 3, height, width), np.float32)
    return ExportSpec(
        ("pixel_values",),
        ("logits",),
        {"pixel_values": {0: "batch"}},
        samples={"pixel_values": sample},
    )
