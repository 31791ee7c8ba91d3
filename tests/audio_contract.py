"""The task contract for tasks that read recordings: what is other than with texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest
import torch

from pipeline.audio.encoders import LogMel
from pipeline.config.model import ArchitectureConfig, AudioConfig, ModelConfig, TokenizerConfig
from pipeline.models.processor import load_processor, make_processor
from pipeline.models.scratch import build_model
from pipeline.tasks.audio_inputs import AUDIO
from pipeline.tasks.base import Head, Task
from pipeline.tasks.columns import CONTENT_TYPE
from pipeline.tasks.processor import Processor
from pipeline.tasks.transcription import TRANSCRIPT
from tests.audio_checkpoints import write_audio_checkpoint
from tests.sounds import sound_file, spelled
from tests.task_contract import Source, Subject, TaskContract

MAX_FRAMES = 200
SPOKEN = ("ab", "c", "ba c", "cab")
"""What the four rows say; no two are equally long."""


def recordings(texts: tuple[str, ...] = SPOKEN, rate: int = 16_000) -> pa.Array:
    """Files in which each letter is a tone, as `Task.encode` gets them."""
    return pa.array(
        [
            {"path": f"{number}.wav", "bytes": sound_file(spelled(text, rate, seed=number), rate)}
            for number, text in enumerate(texts)
        ],
        CONTENT_TYPE,
    )


def whisper_processor(texts: tuple[str, ...] = SPOKEN, **audio: Any) -> Processor:
    """That of a Whisper from scratch which hears two seconds."""
    model = ModelConfig(
        tokenizer=TokenizerConfig(kind="bpe", vocab_size=64, special_tokens="end"),
        architecture=ArchitectureConfig(kind="whisper"),
        audio=AudioConfig(num_mels=24, **audio),
        max_length=MAX_FRAMES,
    )
    columns = (AUDIO, TRANSCRIPT)
    return make_processor(model, columns, root=Path(), train_texts=texts)


class Scratch:
    """Makes a small model from scratch, as `pipeline.models.checkpoint.Checkpoint` does."""

    def __init__(self, kind: Any, processor: Processor) -> None:
        self._sizes = ArchitectureConfig(
            kind=kind,
            hidden_size=32,
            num_layers={"audio_cnn": 3, "whisper": 2}.get(kind, 1),
            conv_channels=8,
        )
        self._processor = processor

    def load_model(self, head: Head, **config: Any) -> Any:
        return build_model(
            self._sizes,
            self._processor,
            head,
            max_length=MAX_FRAMES,
            attention="sdpa",
            dropout=0.0,
            config=config,
        )


class AudioContract(TaskContract):
    """The tests; `families` are architectures of ours, or those of `tests.audio_checkpoints`."""

    max_length: ClassVar[int] = MAX_FRAMES

    @pytest.fixture
    def subject(self, task: Task, tmp_path: Path, request: pytest.FixtureRequest) -> Subject:
        kind: str = request.param
        source: Any
        if kind in {"conv_recurrent", "audio_cnn"}:
            processor = Processor(audio=LogMel(num_mels=24))
            source = Scratch(kind, processor)
        elif kind == "whisper_scratch":
            processor = whisper_processor()
            source = Scratch("whisper", processor)
        else:
            directory = write_audio_checkpoint(kind, tmp_path / kind)
            processor = load_processor(directory)
            source = Source(directory, processor.pad_token_id)
        task.attach(processor)
        rows = self.rows()
        names = task.label_names(rows, None)
        encoded = task.encode(rows, processor, names, max_length=MAX_FRAMES)
        for name in encoded.column_names:
            rows = rows.append_column(name, encoded[name])
        torch.manual_seed(0)
        model: Any = task.build_model(source, names)
        task.fit(rows, names)
        return Subject(task, processor, names, rows, model.eval())

    def test_encoding_is_deterministic_and_respects_max_length(self, subject: Subject) -> None:
        encoder = subject.processor.audio_encoder
        for max_length in (4, 20, MAX_FRAMES):
            first, second = (
                subject.task.encode(
                    self.rows(), subject.processor, subject.label_names, max_length=max_length
                )
                for _ in range(2)
            )
            assert first.equals(second)
            assert first.column_names[0] == "length"
            lengths, whole = first["length"].to_numpy(), first["num_frames"].to_numpy()
            if None in encoder.shape:
                assert (lengths <= max_length).all()
                assert (lengths <= whole).all()
            assert (whole > 10).all()

    def test_a_batch_is_padded_on_the_right_with_the_padding_id(self, subject: Subject) -> None:
        batch = subject.collate(subject.rows, 8)
        values = batch[subject.processor.audio_encoder.input_name]
        assert values.dtype == torch.float32
        assert values.shape[1] % 8 == 0
        for row, steps in enumerate(batch["num_steps"].tolist()):
            assert not values[row, steps:].any()
            if "attention_mask" in batch:
                assert int(batch["attention_mask"][row].sum()) == steps

    def test_padding_changes_neither_losses_nor_predictions_nor_metrics(
        self, subject: Subject
    ) -> None:
        tight, wide = (subject.collate(subject.rows, multiple) for multiple in (1, 2_048))
        losses = [
            subject.task.example_losses(subject.outputs(batch), batch) for batch in (tight, wide)
        ]
        torch.testing.assert_close(*losses)
        together = subject.predict(subject.rows)
        assert subject.predict(subject.rows, 2_048)["prediction"].equals(together["prediction"])
        alone = [subject.predict(subject.rows.slice(i, 1))["prediction"][0] for i in range(4)]
        assert [one.as_py() for one in alone] == together["prediction"].to_pylist()

    def test_augmentation_keeps_the_batch_whole_and_follows_its_seed(
        self, subject: Subject
    ) -> None:
        batch = subject.collate(subject.rows)
        name = subject.processor.audio_encoder.input_name
        before = batch[name].clone()
        first, again, other = (subject.task.augment(batch, seed) for seed in (1, 1, 2**64 - 1))
        assert torch.equal(batch[name], before)
        assert torch.equal(first[name], again[name])
        assert first[name].shape != other[name].shape or not torch.equal(first[name], other[name])
        assert first.keys() == batch.keys()
        assert torch.isfinite(subject.task.loss(subject.outputs(first), first))
