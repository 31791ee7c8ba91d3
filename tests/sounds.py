"""Recordings made of sine waves, and files of them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]

PITCHES = {"a": 400.0, "b": 900.0, "c": 1_600.0, " ": 0.0}
"""What letters sound like; a space is silence."""


def tone(hertz: float, seconds: float = 0.5, rate: int = 16_000, level: float = 0.4) -> Samples:
    """A sine wave; silence for 0 hertz."""
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def spelled(text: str, rate: int = 16_000, seconds: float = 0.12, seed: int = 0) -> Samples:
    """A recording in which every letter is a tone, with some noise and pauses between."""
    parts = [np.zeros(round(0.05 * rate))]
    for letter in text:
        parts += [tone(PITCHES[letter], seconds, rate), np.zeros(round(0.04 * rate))]
    noise = np.random.default_rng(seed)
    return np.concatenate(parts) + 0.003 * noise.standard_normal(sum(map(len, parts)))


def sound_file(
    samples: Any, rate: int = 16_000, kind: str = "WAV", depth: str | None = None
) -> bytes:
    """The bytes of a file; `samples` are `[samples]` or `[samples, channels]`."""
    import soundfile

    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=kind, subtype=depth)
    return stream.getvalue()
