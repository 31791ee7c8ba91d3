from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.errors import ConfigError
from pipeline.models.processor import load_processor
from pipeline.tasks.base import Task
from pipeline.tasks.registry import load_task
from tests.audio_checkpoints import write_audio_checkpoint
from tests.audio_contract import (
    MAX_FRAMES,
    SPOKEN,
    AudioContract,
    Scratch,
    recordings,
    whisper_processor,
)
from tests.task_contract import HandComputed, Source, Subject

torch.set_num_threads(1)

ENGLISH: dict[str, Any] = {
    "language": "english",
    "target_max_length": 40,
    "generation": {"max_new_tokens": 12},
}


def spoken(texts: tuple[str, ...] = SPOKEN) -> pa.Table:
    ids = [str(row) for row in range(len(texts))]
    return pa.table({"id": ids, "audio": recordings(texts), "transcript": list(texts)})


class WhisperContract(AudioContract):
    kind = "speech_recognition_seq2seq"
    learning_rate = 3e-3
    steps = 120

    def rows(self) -> pa.Table:
        return spoken()

    def hand_computed(self) -> HandComputed:
        rows = pa.table({"transcript": ["one Two, three", "a b"]})
        predictions = pa.table({"prediction": ["one too three", "a b"]})
        expected = {"wer": 1 / 5, "exact_match": 1 / 2, "substitution_rate": 1 / 5}
        return HandComputed(predictions, rows, (), expected, (2 / 3, 1))


class TestScratch(WhisperContract):
    families = ("whisper_scratch",)
    options: ClassVar[dict[str, Any]] = {"generation": {"max_new_tokens": 12}}


class TestHub(WhisperContract):
    families = ("whisper",)
    options: ClassVar[dict[str, Any]] = ENGLISH


def task_with(**options: Any) -> Task:
    return load_task("speech_recognition_seq2seq", options)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_audio_checkpoint("whisper", tmp_path / "whisper")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"language": "german"}, ["de", "transcribe", "notimestamps"]),
        ({"language": "zh", "writes": "translation"}, ["zh", "translate", "notimestamps"]),
        ({}, ["notimestamps"]),
    ],
)
def test_labels_begin_with_what_whisper_is_told(
    checkpoint: Path, options: dict[str, Any], told: list[str]
) -> None:
    processor, prompt = load_processor(checkpoint), [f"<|{name}|>" for name in told]
    rows = spoken(("ab", "c"))
    found = task_with(**options).encode(rows, processor, (), max_length=MAX_FRAMES)
    tokens = [processor.tokenizer.convert_ids_to_tokens(ids) for ids in found["labels"].to_pylist()]
    assert tokens == [[*prompt, "a", "b", "<|endoftext|>"], [*prompt, "c", "<|endoftext|>"]]
    assert found["num_target_tokens"].to_pylist() == [len(ids) for ids in tokens]


def test_a_long_transcript_is_cut_and_counted(checkpoint: Path) -> None:
    task = task_with(language="en", target_max_length=6)
    found = task.encode(spoken(("abcabcabc",)), load_processor(checkpoint), (), max_length=20)
    assert [len(ids) for ids in found["labels"].to_pylist()] == [6]
    assert found["num_target_tokens"].to_pylist() == [3 + 9 + 1]
    assert found["num_frames"].to_pylist()[0] > 20


def made(checkpoint: Path, **options: Any) -> Any:
    task, processor = task_with(**options), load_processor(checkpoint)
    task.attach(processor)
    return task.build_model(Source(checkpoint, processor.pad_token_id), ())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_max_length": 40}, r"task\.options\.language: .* none is chosen"),
        ({"language": "en", "target_max_length": 41}, "more than the 40 tokens"),
    ],
)
def test_what_a_checkpoint_cannot_write_is_named(
    checkpoint: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        made(checkpoint, **options)


@pytest.mark.parametrize(
    ("language", "message"),
    [("klingon", "Unsupported language: klingon"), ("xx", "Unsupported language: xx")],
)
def test_an_unknown_language_is_named(checkpoint: Path, language: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        task_with(language=language).encode(spoken(), load_processor(checkpoint), (), max_length=99)


def test_a_tokenizer_without_languages_is_named() -> None:
    with pytest.raises(ConfigError, match="no tokens for languages"):
        task_with(language="en").encode(spoken(), whisper_processor(), (), max_length=99)


def test_transformers_alone_writes_the_same_with_a_checkpoint(checkpoint: Path) -> None:
    task, processor = task_with(**ENGLISH), load_processor(checkpoint)
    task.attach(processor)
    rows = spoken()
    for column in (encoded := task.encode(rows, processor, (), max_length=MAX_FRAMES)).column_names:
        rows = rows.append_column(column, encoded[column])
    model: Any = task.build_model(Source(checkpoint, processor.pad_token_id), ())
    subject = Subject(task, processor, (), rows, model.eval())
    batch = subject.collate(rows)
    ours = subject.read(batch)["sequences"]
    theirs = model.generate(input_features=batch["input_features"])
    for mine, other in zip(ours.tolist(), theirs.tolist(), strict=True):
        written, expected = ([token for token in ids if token < 256] for ids in (mine, other))
        assert written
        assert written == expected[: len(written)]  # our last token is an end


def test_only_settings_that_whispers_filters_know_are_taken() -> None:
    with pytest.raises(ConfigError, match=r"model\.audio\.sample_rate.*got 8000"):
        whisper_processor(sample_rate=8_000)
    encoder = whisper_processor(hop_ms=20.0, keep_samples=True).audio_encoder
    assert encoder.shape == (24, 200)
    assert encoder.frame == 320
    assert encoder.keep_samples
    assert not encoder.needs_mask
    assert np.isfinite(encoder(np.zeros(16_000, np.float32))).all()


def test_a_model_from_scratch_hears_the_window_of_its_features() -> None:
    processor = whisper_processor()
    model: Any = Scratch("whisper", processor).load_model("speech_seq2seq")
    assert model.config.max_source_positions == 100
    assert model.config.num_mel_bins == 24
    assert model.config.vocab_size == len(processor.tokenizer)
