"""A recording as a page shows it: its spectrogram, and a player where the sound was kept."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.audio.encoders import LogMel
from pipeline.tasks.base import Column

_HEIGHT = 80
"""Pixels, and bands, of a spectrogram made of the sound."""
_LONGEST = 120.0
"""Seconds of a recording whose sound is put into the page."""
_MOST_COLUMNS = 1_200
_RANGE = 70.0 * np.log(10) / 10
"""What is so far below the loudest is white, in natural logarithms of power."""
_STEPS = ((255, 255, 255), (155, 205, 225), (45, 110, 170), (40, 40, 90), (10, 10, 30))


def shown_audio(row: Mapping[str, Any], column: Column) -> str:
    """HTML of a recording.

    Args:
        row: The row's values by column: the file, and of the encoded ones `samples` or `features`.
        column: That of the recording.
    """
    value = row.get(column.name)
    name = value.get("path", "") if isinstance(value, Mapping) else str(value)
    seconds = f", {row['seconds']:.2f} s" if row.get("seconds") is not None else ""
    caption = f'<p class="faint">{escape(str(name))}{seconds}</p>'
    samples = row.get("samples")
    kept = None if samples is None else np.asarray(samples, np.int16)
    rate = int(row.get("sample_rate") or 0)
    bands = _bands(row, kept, rate)
    parts = [caption]
    if bands is not None:
        parts.append(
            '<img alt="spectrogram" style="display:block;width:100%;max-width:48rem;height:6rem;'
            f'image-rendering:auto;border-radius:4px" src="{_picture(bands)}">'
        )
    if kept is not None and rate and len(kept) <= _LONGEST * rate:
        parts.append(
            '<audio controls preload="none" style="width:100%;max-width:48rem;margin-top:.4rem" '
            f'src="{_sound(kept, rate)}"></audio>'
        )
    return "".join(parts)


def _bands(
    row: Mapping[str, Any], samples: npt.NDArray[np.int16] | None, rate: int
) -> npt.NDArray[np.float32] | None:
    """Logarithms of power, `[frames, bands]`; None where nothing was kept."""
    if samples is not None and rate:
        return LogMel(sample_rate=rate, num_mels=_HEIGHT)(
            samples.astype(np.float32) / np.float32(32_768)
        )
    features, length = row.get("features"), int(row.get("length") or 0)
    if features is None or not length or len(features) % length:
        return None
    return np.asarray(features, np.float32).reshape(length, -1)


def _picture(bands: npt.NDArray[np.float32]) -> str:
    """A PNG as a data URL, low frequencies at the bottom."""
    from PIL import Image

    step = -(-len(bands) // _MOST_COLUMNS)
    shown = bands[: len(bands) // step * step].reshape(-1, step, bands.shape[1]).max(axis=1)
    loudest = float(shown.max())
    span = min(_RANGE, max(loudest - float(shown.min()), 1e-3))
    levels = np.clip((shown - loudest) / span + 1, 0, 1).T[::-1]
    picture = Image.fromarray((levels * 255).astype(np.uint8))
    places = np.linspace(0, len(_STEPS) - 1, 256)
    channels = np.stack(
        [np.interp(places, range(len(_STEPS)), [one[c] for one in _STEPS]) for c in range(3)], 1
    )
    picture.putpalette(channels.astype(np.uint8).tobytes())
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _sound(samples: npt.NDArray[np.int16], rate: int) -> str:
    """A FLAC file as a data URL."""
    import soundfile

    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + base64.b64encode(stream.getvalue()).decode()
