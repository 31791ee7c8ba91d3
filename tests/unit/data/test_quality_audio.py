from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.audio.encoders import LogMel
from pipeline.config.data import QualityConfig
from pipeline.data.quality.audio_checks import recordings
from pipeline.data.quality.finding import Finding
from pipeline.tasks.columns import CONTENT_TYPE
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from tests.sounds import Samples, sound_file, spelled, tone


def findings(sounds: list[Samples], texts: list[str], max_length: int = 500) -> dict[str, Finding]:
    task = load_task("speech_recognition_ctc", {})
    contents = [{"path": "x.wav", "bytes": sound_file(one)} for one in sounds]
    rows = pa.table(
        {
            "id": [str(row) for row in range(len(sounds))],
            "audio": pa.array(contents, CONTENT_TYPE),
            "transcript": texts,
        }
    )
    processor = Processor(audio=LogMel(num_mels=24))
    names = task.label_names(rows.slice(0, 3), None)
    encoded = task.encode(rows, processor, names, max_length=max_length)
    for name in encoded.column_names:
        rows = rows.append_column(name, encoded[name])
    splits: Mapping[str, Any] = {"train": rows.slice(0, 3), "test": rows.slice(3)}
    return {one.check: one for one in recordings(splits, max_length, QualityConfig())}


def test_sound_recordings_are_found_sound() -> None:
    found = findings([spelled("abc")] * 4, ["abc"] * 4)
    assert len(found) == 6
    assert {one.severity for one in found.values()} == {"ok"}
    assert {one.value for one in found.values()} == {0.0}


def test_silence_clipping_durations_and_transcripts_are_named() -> None:
    sounds = [
        spelled("abc"),
        spelled("ab"),
        spelled("ab"),
        1e-4 * spelled("ab"),
        np.clip(9 * tone(440), -1, 1),
        tone(440, 0.05),
        spelled("ab"),
        np.concatenate([spelled("abc")] * 14),
    ]
    texts = ["abc", "ab", "ab", "a", "a", "a" * 20, "aXZ", "b"]
    found = findings(sounds, texts, max_length=400)
    counts = {name: round(one.value * 8) for name, one in found.items()}
    assert counts == {
        "silent_share": 1,
        "clipped_share": 1,
        "odd_duration_share": 2,
        "truncated_share": 1,
        "crowded_share": 1,
        "unknown_character_share": 1,
    }
    assert all(one.severity == "warning" and one.advice for one in found.values())
    assert [one["id"] for one in found["odd_duration_share"].examples] == ["5", "7"]
    assert "'x' in 1, 'z' in 1" in found["unknown_character_share"].message
    assert found["silent_share"].examples[0]["split"] == "test"


def test_rows_without_sound_are_not_looked_at() -> None:
    rows = pa.table({"id": ["1"], "text": ["a"]})
    assert recordings({"train": rows}, 10, QualityConfig()) == []
