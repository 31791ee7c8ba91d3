"""Log-mel spectrograms in numpy: Slaney's mel scale, triangles of equal area."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

_BLOCK = 4_096
"""Frames transformed at once, so that memory does not grow with the recording."""
_HERTZ_PER_MEL = 200.0 / 3.0
_BREAK_HERTZ = 1_000.0
_BREAK_MEL = _BREAK_HERTZ / _HERTZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0
FLOOR = 1e-10
"""Least power of a band; digital silence is -100 dB and not minus infinity."""


def hertz_to_mel(hertz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Slaney's mel scale (Auditory Toolbox, 1998): straight to 1 kHz, logarithmic above."""
    values = np.asarray(hertz, np.float64)
    above = _BREAK_MEL + np.log(np.maximum(values, _BREAK_HERTZ) / _BREAK_HERTZ) / _LOG_STEP
    return np.where(values < _BREAK_HERTZ, values / _HERTZ_PER_MEL, above)


def mel_to_hertz(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The inverse of `hertz_to_mel`."""
    values = np.asarray(mel, np.float64)
    above = _BREAK_HERTZ * np.exp(_LOG_STEP * (np.maximum(values, _BREAK_MEL) - _BREAK_MEL))
    return np.where(values < _BREAK_MEL, values * _HERTZ_PER_MEL, above)


def mel_centres(num_mels: int, low: float, high: float) -> npt.NDArray[np.float64]:
    """Lower edge, centres and upper edge of the bands in hertz, `[num_mels + 2]`."""
    begin, end = hertz_to_mel([low, high]).tolist()
    return mel_to_hertz(np.linspace(begin, end, num_mels + 2))


@lru_cache(maxsize=8)
def mel_filters(num_mels: int, fft_size: int, rate: int, low: float, high: float) -> Float32:
    """Triangular filters of equal area, as librosa's and Whisper's.

    Args:
        num_mels: How many bands.
        fft_size: Samples of a transform.
        rate: Samples a second.
        low: Where the first band begins, in hertz.
        high: Where the last band ends.

    Returns:
        `[fft_size // 2 + 1, num_mels]`.
    """
    edges = mel_centres(num_mels, low, high)
    bins = np.linspace(0, rate / 2, fft_size // 2 + 1)[:, np.newaxis]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))
    filters: Float32 = triangles.astype(np.float32)
    filters.setflags(write=False)
    return filters


def log_mel(samples: Float32, filters: Float32, *, window: int, hop: int, fft_size: int) -> Float32:
    """The natural logarithm of the power in each band, frame by frame.

    Frames lie within the recording (no padding at its ends), under a periodic Hann window; a
    recording shorter than a window is padded with zeros to one frame.

    Args:
        samples: `[samples]`.
        filters: From `mel_filters`.
        window: Samples of a frame.
        hop: Samples from one frame to the next.
        fft_size: Samples of a transform, at least a window.

    Returns:
        `[frames, mels]`.
    """
    if len(samples) < window:
        samples = np.pad(samples, (0, window - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    taper = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)
    made = np.empty((len(frames), filters.shape[1]), np.float32)
    for start in range(0, len(frames), _BLOCK):
        spectrum = np.fft.rfft(frames[start : start + _BLOCK] * taper, fft_size, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        made[start : start + _BLOCK] = np.log(np.maximum(power @ filters, FLOOR))
    return made
