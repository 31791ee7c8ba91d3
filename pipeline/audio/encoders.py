"""What makes numbers of a recording: a log-mel filterbank, or the samples as they are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.audio.mel import log_mel, mel_centres, mel_filters

FILE_NAME = "preprocessor_config.json"
LOG_MEL_TYPE = "LogMelFeatureExtractor"
"""The `feature_extractor_type` of our own."""
Float32 = npt.NDArray[np.float32]
Input = Literal["input_features", "input_values"]
FeatureKind = Literal["log_mel", "spectrogram", "waveform"]
"""log_mel: plain logarithms of power, to which noise can be added; spectrogram: whatever a
checkpoint's own extractor makes; waveform: samples."""


class AudioEncoder(Protocol):
    """Makes what a model reads of the samples of a recording."""

    @property
    def kind(self) -> FeatureKind:
        """What it makes."""
        ...

    @property
    def input_name(self) -> Input:
        """The model's argument."""
        ...

    @property
    def needs_mask(self) -> bool:
        """Whether the model takes an attention mask."""
        ...

    @property
    def sample_rate(self) -> int:
        """Samples a second that it takes."""
        ...

    @property
    def keep_samples(self) -> bool:
        """Whether samples are kept beside the features."""
        ...

    @property
    def frame(self) -> int:
        """Samples that count as one frame where lengths are told: a step in time, or 10 ms."""
        ...

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Of one row; None, the first axis alone, where it depends on the recording."""
        ...

    @property
    def centres(self) -> npt.NDArray[np.float64] | None:
        """Frequencies of the bands in hertz, where features are logarithms of power in bands."""
        ...

    @property
    def identity(self) -> str:
        """All that determines the result."""
        ...

    def __call__(self, samples: Float32) -> Float32:
        """Makes the features of samples, in `shape`."""
        ...

    def finish(self, stored: npt.NDArray[Any]) -> Float32:
        """What the model reads of features as they were kept: float16, or int16 for samples."""
        ...

    def save(self, directory: Path) -> None:
        """Writes `preprocessor_config.json`."""
        ...


@dataclass(frozen=True)
class LogMel:
    """Plain log-mel features of the models trained from scratch; these normalise by themselves.

    Attributes:
        sample_rate: Samples a second.
        num_mels: Bands.
        window_ms: Length of a frame.
        hop_ms: From one frame to the next.
        low_hertz: Where the first band begins.
        high_hertz: Where the last band ends; by default half the sample rate.
        keep_samples: Whether samples are kept beside the features.
    """

    sample_rate: int = 16_000
    num_mels: int = 80
    window_ms: float = 25.0
    hop_ms: float = 10.0
    low_hertz: float = 20.0
    high_hertz: float | None = None
    keep_samples: bool = False

    kind: ClassVar[FeatureKind] = "log_mel"
    input_name: ClassVar[Input] = "input_features"
    needs_mask: ClassVar[bool] = True

    @property
    def frame(self) -> int:
        """Samples from one frame to the next."""
        return max(round(self.sample_rate * self.hop_ms / 1000), 1)

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Frames and bands."""
        return (None, self.num_mels)

    @property
    def window(self) -> int:
        """Samples of a frame."""
        return max(round(self.sample_rate * self.window_ms / 1000), 1)

    @property
    def highest(self) -> float:
        """Where the last band ends, in hertz."""
        return min(self.high_hertz or self.sample_rate / 2, self.sample_rate / 2)

    @property
    def centres(self) -> npt.NDArray[np.float64]:
        """Frequencies of the bands in hertz."""
        return mel_centres(self.num_mels, self.low_hertz, self.highest)[1:-1]

    @property
    def identity(self) -> str:
        """The settings as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    def __call__(self, samples: Float32) -> Float32:
        """`[frames, mels]`; at least one frame."""
        size = 1 << (self.window - 1).bit_length()
        filters = mel_filters(self.num_mels, size, self.sample_rate, self.low_hertz, self.highest)
        return log_mel(samples, filters, window=self.window, hop=self.frame, fft_size=size)

    def finish(self, stored: npt.NDArray[Any]) -> Float32:
        """The same in float32."""
        return stored.astype(np.float32)

    def save(self, directory: Path) -> None:
        """Writes the settings."""
        settings = {"feature_extractor_type": LOG_MEL_TYPE, **asdict(self)}
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        (directory / FILE_NAME).write_text(text, encoding="utf-8")

    @classmethod
    def of(cls, settings: dict[str, Any]) -> LogMel:
        """Reads what `save` wrote."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in settings.items() if name in names})
