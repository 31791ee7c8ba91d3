"""Files of sound to samples: any rate, channels and depth in, one channel at one rate out."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.audio.containers import missing_bytes
from pipeline.errors import DataError

Samples = npt.NDArray[np.float32]

FORMATS = "wav, flac, mp3, ogg or opus"
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
"""Samples a second that a recording may have."""
_AGAIN = "fetch or record it again, or leave it out"
_LOSSY_MARGIN = 4_608
"""Samples, four frames of MP3, by which a lossy file's length may differ from what it says."""
_LOUDEST = 8.0
"""Times full scale, 18 dB: no filter or decoder overshoots so far."""


@dataclass(frozen=True)
class Recording:
    """A decoded recording.

    Attributes:
        samples: One channel, `[samples]`, about -1 to 1.
        rate: Samples a second.
        file_rate: Samples a second in the file.
        channels: Channels of the file, of which `samples` are the mean.
        peak: Largest absolute sample of any channel in the file; 1 is full scale.
        clipped: Share of the file's samples that lie in runs of at least three at full scale.
    """

    samples: Samples
    rate: int
    file_rate: int
    channels: int
    peak: float
    clipped: float

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.samples) / self.rate


def decode(content: bytes, rate: int) -> Recording:
    """Decodes a file and brings it to one channel at a rate.

    Channels are averaged; the rate is changed by soxr's high-quality band-limited resampler
    (https://github.com/dofuuz/python-soxr), so that what lies above half the new rate is removed.

    Args:
        content: The file's bytes; libsndfile knows the format by them.
        rate: Samples a second that are wanted.

    Raises:
        DataError: If it is cut off, holds no samples or some that are no numbers or far above full
            scale, or is no sound.
    """
    import soxr

    values, file_rate, peak = _read(content)
    clipped = _clipped_share(values, peak)
    mono = values.mean(axis=1, dtype=np.float32) if values.shape[1] > 1 else values[:, 0]
    samples: Samples = np.ascontiguousarray(mono)
    if file_rate != rate:
        samples = soxr.resample(samples, file_rate, rate, quality="HQ").astype(np.float32)
        if not len(samples):
            samples = np.zeros(1, np.float32)
    return Recording(samples, rate, file_rate, values.shape[1], peak, clipped)


def check(content: bytes) -> None:
    """Decodes a file to see whether it is whole.

    Raises:
        DataError: As `decode`.
    """
    _read(content)


def as_wav(samples: npt.NDArray[np.int16], rate: int) -> bytes:
    """A WAV file of 16-bit samples of one channel."""
    data = samples.astype("<i2").tobytes()
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1,
                       rate, 2 * rate, 2, 16, b"data", len(data))  # fmt: skip
    return head + data


def _read(content: bytes) -> tuple[Samples, int, float]:
    """All samples, `[samples, channels]`, the rate, and the largest absolute value."""
    import soundfile

    if not content:
        raise DataError("the file is empty", remedy=_AGAIN)
    missing = missing_bytes(content)
    if missing:
        raise DataError(f"the file is cut off: {missing:,} bytes are missing", remedy=_AGAIN)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate, promised, kind = int(file.samplerate), int(file.frames), str(file.format)
            values: Samples = file.read(dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
        why = str(error).rpartition(": ")[2].strip().rstrip(".")
        raise DataError(
            f"the file is damaged, or no sound: {why}",
            remedy=f"{_AGAIN}; {FORMATS} can be read",
        ) from error
    lossless = kind not in {"MP3", "MPEG", "OGG"}
    if len(values) + (0 if lossless else _LOSSY_MARGIN) < promised:
        raise DataError(
            f"the file is cut off: it says {promised:,} samples and holds {len(values):,}",
            remedy=_AGAIN,
        )
    if not len(values):
        raise DataError("the recording has no samples", remedy=_AGAIN)
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise DataError(
            f"the recording says {rate:,} samples a second; {LOWEST_RATE:,} to {HIGHEST_RATE:,} "
            "are possible",
            remedy=_AGAIN,
        )
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise DataError(
            f"{bad:,} of {values.size:,} samples are no finite numbers",
            remedy="mend what wrote the file (floating-point WAV can hold such values), or leave "
            "it out",
        )
    peak = float(np.abs(values).max())
    if peak > _LOUDEST:
        raise DataError(
            f"samples reach {peak:,.6g} times full scale",
            remedy="divide floating-point samples by what full scale is, 32,768 if they were of "
            "16 bits, before they are written",
        )
    return values, rate, peak


def _clipped_share(values: Samples, peak: float) -> float:
    """Share of samples in runs of three or more at the file's own largest value, near full scale.

    A recording that was too loud stays at the converter's end; a single sample there is chance.
    """
    if peak < 0.95:
        return 0.0
    at_end = np.abs(values) >= min(peak, 1.0) * 0.999
    run = at_end[2:] & at_end[1:-1] & at_end[:-2]
    inside = np.zeros_like(at_end)
    for shift in range(3):
        inside[shift : len(run) + shift] |= run
    return float(np.count_nonzero(inside) / inside.size)
