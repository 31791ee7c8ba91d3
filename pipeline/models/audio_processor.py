"""What makes features of recordings: our own filterbank, or a checkpoint's feature extractor."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.audio.encoders import (
    FILE_NAME,
    LOG_MEL_TYPE,
    AudioEncoder,
    FeatureKind,
    Float32,
    Input,
    LogMel,
)
from pipeline.config.model import AudioConfig, ModelConfig
from pipeline.errors import CheckpointError, ConfigError, Problem
from pipeline.models.architectures.sizes import own_feature_extractor
from pipeline.models.locate import locate, read_json_object

_FULL_SCALE = 32_768
_SMALLEST = 1e-7
"""Added to the variance of a waveform, as Wav2Vec2FeatureExtractor does."""


@dataclass(frozen=True)
class HubEncoder:
    """Transformers' feature extractor of a checkpoint.

    Attributes:
        extractor: It.
        kind: Whether it passes samples on or makes features of some kind.
        shape: Of one row; see `AudioEncoder`.
        frame: Samples that count as a frame.
        needs_mask: Whether the model takes an attention mask.
        keep_samples: Whether samples are kept beside the features.
    """

    extractor: Any
    kind: FeatureKind
    shape: tuple[int | None, ...]
    frame: int
    needs_mask: bool
    keep_samples: bool = False
    centres: None = None

    @classmethod
    def of(cls, extractor: Any) -> Self:
        """Learns how an extractor works of what it makes of noise."""
        rate = int(extractor.sampling_rate)
        noise = np.random.default_rng(0).standard_normal(3 * rate).astype(np.float32)
        short, long = (_extracted(extractor, noise[: seconds * rate]) for seconds in (1, 3))
        name = extractor.model_input_names[0]
        here, there = short[name][0].shape, long[name][0].shape
        has_mask = "attention_mask" in short
        kept = bool(getattr(extractor, "keep_samples", False))
        if len(here) == 1:
            return cls(extractor, "waveform", (None,), rate // 100, has_mask, kept)
        if here == there:
            frame = int(getattr(extractor, "hop_length", rate // 100))
            return cls(extractor, "spectrogram", here, frame, has_mask, kept)
        frame = round(2 * rate / (there[0] - here[0]))
        return cls(extractor, "spectrogram", (None, *here[1:]), frame, has_mask, kept)

    @property
    def input_name(self) -> Input:
        """The model's argument."""
        name: Input = self.extractor.model_input_names[0]
        return name

    @property
    def sample_rate(self) -> int:
        """Samples a second that it takes."""
        return int(self.extractor.sampling_rate)

    @cached_property
    def identity(self) -> str:
        """Its settings as JSON."""
        return json.dumps(self.extractor.to_dict(), sort_keys=True, default=str)

    def __call__(self, samples: Float32) -> Float32:
        """What it makes of samples; a waveform stays as it is until `finish`."""
        if self.kind == "waveform":
            return samples
        found: Float32 = _extracted(self.extractor, samples)[self.input_name][0]
        return found.astype(np.float32)

    def finish(self, stored: npt.NDArray[Any]) -> Float32:
        """What the model reads of what was kept."""
        values: Float32 = stored.astype(np.float32)
        if self.kind == "waveform":
            values /= _FULL_SCALE
            if self.extractor.do_normalize:
                values = (values - values.mean()) / np.sqrt(values.var() + _SMALLEST)
        return values

    def save(self, directory: Path) -> None:
        """Writes its settings."""
        from pipeline.models.pretrained import quiet_transformers

        with quiet_transformers():
            self.extractor.save_pretrained(str(directory))


def _extracted(extractor: Any, samples: Float32) -> Any:
    return extractor(samples, sampling_rate=extractor.sampling_rate, return_tensors="np")


def make_audio_encoder(model: ModelConfig, *, root: Path) -> AudioEncoder:
    """Makes what a model's section describes.

    Raises:
        CheckpointError: If the checkpoint has no feature extractor that can be read.
        ConfigError: If settings are given for a checkpoint, which brings its own.
    """
    if model.architecture is not None:
        settings = model.audio or AudioConfig()
        own = own_feature_extractor(model.architecture, settings, model.max_length)
        return LogMel(**settings.model_dump()) if own is None else HubEncoder.of(own)
    if model.audio is not None:
        raise ConfigError(
            [
                Problem(
                    "model.audio",
                    f"the checkpoint {model.checkpoint.location} was trained on features of its "
                    "own, which its preprocessor_config.json describes",
                    remedy="leave model.audio out",
                )
            ]
        )
    directory = locate(model.checkpoint, root=root, weights=False)
    found = load_audio_encoder(directory)
    if found is None:
        raise CheckpointError(
            f"{directory} has no {FILE_NAME}, which says what is made of recordings",
            remedy="choose a checkpoint that reads sound, and fetch it whole",
        )
    return found


def load_audio_encoder(directory: Path) -> AudioEncoder | None:
    """Reads the encoder of a directory; None where it has none.

    Raises:
        CheckpointError: If its settings cannot be read.
    """
    path = directory / FILE_NAME
    if not path.is_file():
        return None
    settings = read_json_object(path)
    kind = settings.get("feature_extractor_type")
    if kind is None:
        return None
    if kind == LOG_MEL_TYPE:
        return LogMel.of(settings)
    from transformers import AutoFeatureExtractor

    from pipeline.models.pretrained import quiet_transformers

    try:
        with quiet_transformers():
            extractor = AutoFeatureExtractor.from_pretrained(  # type: ignore[no-untyped-call]
                str(directory), local_files_only=True, trust_remote_code=False
            )
            return HubEncoder.of(extractor)
    except (ImportError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"the feature extractor {kind} in {path} cannot be used: {error}".splitlines()[0],
            remedy="fetch the checkpoint again, or choose another",
        ) from error
