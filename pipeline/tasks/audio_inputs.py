"""Recordings to encoded rows, rows to batches, and batches changed for training."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.audio.augmentation import (
    AudioAugmentation,
    augmented_features,
    augmented_waveforms,
)
from pipeline.audio.decoding import Recording, decode
from pipeline.errors import DataError
from pipeline.tasks.base import Batch, Column, ExportSpec, IntArray
from pipeline.tasks.columns import STEPS, list_values

if TYPE_CHECKING:
    from pipeline.audio.encoders import AudioEncoder

AUDIO = Column("audio", "audio")
FEATURES, SAMPLES = "features", "samples"
"""Encoded columns: what the model reads, flattened, in float16; and the sound, in int16."""
INPUTS = ("input_features", "input_values")
_THREADS = 2
_FULL_SCALE = 32_767
_SHORTEST_WAVEFORM = 8_000
"""Samples to which a batch of waveforms is padded at least: convolutions and masks of models that
read them need half a second."""
_SILENT = -120.0
_TRACED_STEPS = {"input_features": 64, "input_values": 8_000}


def encode_audio(contents: pa.ChunkedArray, encoder: AudioEncoder, *, max_length: int) -> pa.Table:
    """Decodes recordings and makes what the model reads.

    Args:
        contents: Paths and bytes, `[rows]`.
        encoder: The model's.
        max_length: Most frames that a row keeps; the rest of a recording is left out.

    Returns:
        One row for each recording: `length` (int32, frames kept), `features` (list<float16>, in the
        encoder's shape, flattened) or, of a model that reads waveforms, `samples` (list<int16>);
        `num_frames` (int32, before cutting), `seconds`, `peak` (of full scale), `level` (decibels
        of the mean power, 0 at full scale) and `clipped` (share of samples), float32 each. With
        `encoder.keep_samples` both `features` and `samples`, and always `sample_rate` (int32).

    Raises:
        DataError: If a recording cannot be decoded; it names the file.
    """
    make = partial(_encoded, encoder=encoder, max_length=max_length)
    with ThreadPoolExecutor(_THREADS) as pool:
        rows = list(pool.map(make, contents.to_pylist()))
    columns: dict[str, Any] = {"length": pa.array([row["length"] for row in rows], pa.int32())}
    for name, kind in ((FEATURES, np.float16), (SAMPLES, np.int16)):
        if name == (SAMPLES if encoder.kind == "waveform" else FEATURES) or encoder.keep_samples:
            columns[name] = _lists([row[name] for row in rows], kind)
    columns["num_frames"] = pa.array([row["num_frames"] for row in rows], pa.int32())
    for name in ("seconds", "peak", "level", "clipped"):
        columns[name] = pa.array([row[name] for row in rows], pa.float32())
    columns["sample_rate"] = pa.array([encoder.sample_rate] * len(rows), pa.int32())
    return pa.table(columns)


def _encoded(content: dict[str, Any], *, encoder: AudioEncoder, max_length: int) -> dict[str, Any]:
    try:
        recording = decode(content["bytes"], encoder.sample_rate)
    except DataError as error:
        raise DataError(error.message, file=content["path"], remedy=error.remedy) from error
    samples = recording.samples[: max_length * encoder.frame]
    whole = -(-len(recording.samples) // encoder.frame)
    row: dict[str, Any] = {**_levels(recording), "num_frames": whole}
    row[SAMPLES] = np.round(np.clip(samples, -1, 1) * _FULL_SCALE).astype(np.int16)
    if encoder.kind == "waveform":
        return {**row, "length": -(-len(samples) // encoder.frame)}
    features = encoder(samples)
    row[FEATURES] = features.astype(np.float16)
    fixed = None not in encoder.shape
    return {**row, "length": max(features.shape) if fixed else len(features)}


def _levels(recording: Recording) -> dict[str, float]:
    power = float(np.mean(np.square(recording.samples, dtype=np.float64)))
    return {
        "seconds": recording.seconds,
        "peak": recording.peak,
        "level": 10 * np.log10(power) if power > 1e-12 else _SILENT,
        "clipped": recording.clipped,
    }


def _lists(rows: list[npt.NDArray[Any]], kind: type[Any]) -> pa.ListArray:
    bounds = np.cumsum([0, *(row.size for row in rows)]).astype(np.int32)
    values = np.concatenate([row.ravel() for row in rows]) if rows else np.zeros(0, kind)
    return pa.ListArray.from_arrays(pa.array(bounds), pa.array(values))


def row_steps(rows: pa.Table, encoder: AudioEncoder) -> IntArray:
    """The length of each row along the time axis of the model's input, `[rows]`."""
    lengths: IntArray
    name = SAMPLES if encoder.kind == "waveform" else FEATURES
    lengths = pc.list_value_length(rows[name]).to_numpy().astype(np.int64)
    if None not in encoder.shape:
        return np.full(len(lengths), max(one or 0 for one in encoder.shape), np.int64)
    return lengths // _width(encoder)


def _width(encoder: AudioEncoder) -> int:
    return int(np.prod([one for one in encoder.shape if one is not None], dtype=np.int64))


def collate_audio(
    rows: pa.Table, encoder: AudioEncoder, pad_to_multiple_of: int
) -> dict[str, npt.NDArray[Any]]:
    """The model's input, its mask where the model takes one, and `num_steps` `[batch]` int64."""
    name = SAMPLES if encoder.kind == "waveform" else FEATURES
    stored, _ = list_values(rows[name])
    steps = row_steps(rows, encoder)
    if None not in encoder.shape:
        shaped = encoder.finish(stored).reshape(-1, *(one or 0 for one in encoder.shape))
        return {encoder.input_name: shaped, STEPS: steps}
    longest = max(int(steps.max(initial=1)), 1)
    if encoder.kind == "waveform":
        longest = max(longest, _SHORTEST_WAVEFORM)
    width = -(-longest // pad_to_multiple_of) * pad_to_multiple_of
    mask = np.arange(width) < steps[:, np.newaxis]
    rest = encoder.shape[1:]
    padded = np.zeros((*mask.shape, *(one or 0 for one in rest)), np.float32)
    if encoder.kind == "waveform":
        ends = np.cumsum(steps)
        parts = [encoder.finish(stored[e - n : e]) for e, n in zip(ends, steps, strict=True)]
        padded[mask] = np.concatenate(parts) if parts else 0
    else:
        padded[mask] = encoder.finish(stored).reshape(-1, *padded.shape[2:])
    batch: dict[str, npt.NDArray[Any]] = {encoder.input_name: padded, STEPS: steps}
    if encoder.needs_mask:
        batch["attention_mask"] = mask.astype(np.int64)
    return batch


def augment_audio(
    batch: Batch, encoder: AudioEncoder, options: AudioAugmentation, seed: int
) -> Batch:
    """A batch with every recording changed at random; see `AudioAugmentation`.

    Features of a fixed length keep it, and those whose bands a checkpoint made in a way of its own
    get no noise.
    """
    name, lengths = encoder.input_name, batch[STEPS]
    values = batch[name]
    if encoder.kind == "waveform":
        changed, lengths = augmented_waveforms(values, lengths, options, seed)
        changed = _at_least(changed, _SHORTEST_WAVEFORM)
    elif None not in encoder.shape:
        still = options.model_copy(update={"speed": (1.0, 1.0)})
        bands_last = values.shape[1] > values.shape[2]
        turned = values if bands_last else values.transpose(1, 2)
        changed, _ = augmented_features(turned, lengths, still, seed, None)
        changed = changed if bands_last else changed.transpose(1, 2)
    else:
        changed, lengths = augmented_features(values, lengths, options, seed, encoder.centres)
    result = {**batch, name: changed, STEPS: lengths}
    if "attention_mask" in batch:
        import torch

        places = torch.arange(changed.shape[1], device=lengths.device)
        result["attention_mask"] = (places < lengths[:, None]).long()
    return result


def _at_least(values: Any, width: int) -> Any:
    from torch.nn import functional

    return functional.pad(values, (0, max(width - values.shape[1], 0)))


def audio_export(encoder: AudioEncoder) -> ExportSpec:
    """How a model of recordings is exported: batch and time stay free."""
    name = encoder.input_name
    generator = np.random.default_rng(0)
    fixed = None not in encoder.shape
    steps = _TRACED_STEPS[name]
    shape = tuple(steps if one is None else one for one in encoder.shape)
    samples: dict[str, npt.NDArray[Any]] = {
        name: generator.standard_normal((3, *shape)).astype(np.float32)
    }
    axes: dict[str, dict[int, str]] = {name: {0: "batch"} if fixed else {0: "batch", 1: "length"}}
    if encoder.needs_mask:
        samples["attention_mask"] = np.ones((3, steps), np.int64)
        samples["attention_mask"][1, steps // 2 :] = 0
        axes["attention_mask"] = {0: "batch", 1: "length"}
    return ExportSpec(tuple(samples), ("logits",), axes, samples)
