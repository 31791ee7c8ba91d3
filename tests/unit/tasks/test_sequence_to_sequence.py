from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.errors import ConfigError
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.base import Task
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from tests.checkpoints import MakeCheckpoint
from tests.task_contract import HandComputed, Subject, TaskContract

torch.set_num_threads(1)

SOURCES = ["the match was won", "home team", "in the last minute by home", "the team"]
TARGETS = ["was won by home", "last minute", "the home team won the last match", "in the minute"]


def paired(targets: list[str], sources: list[str] | None = None) -> pa.Table:
    sources = sources or ["the match"] * len(targets)
    ids = [str(number) for number in range(len(targets))]
    return pa.table({"id": ids, "text": sources, "target": targets})


class TestTranslation(TaskContract):
    kind = "sequence_to_sequence"
    options: ClassVar[dict[str, Any]] = {"generation": {"max_new_tokens": 20}}
    families: ClassVar[tuple[str, ...]] = ("marian", "t5")
    exported: ClassVar[tuple[str, ...]] = families
    perfect = 100.0
    nearly = 1e-9

    def costs(self, encoded: pa.Table) -> list[int]:
        both = [*zip(*(encoded[n].to_pylist() for n in ("input_ids", "labels")), strict=True)]
        return [len(source) + len(target) for source, target in both]

    def rows(self) -> pa.Table:
        return paired(TARGETS, SOURCES)

    def hand_computed(self) -> HandComputed:
        rows = paired(["a b c d e", "a b", "a b c"])
        predictions = pa.table({"prediction": ["a b c d x", "a b", ""], "loss": [1.0, 2.0, 0.5]})
        rows = rows.append_column("labels", pa.array([[1, 2], [1, 2, 3], [4]]))
        expected = {
            # 6 of 7 words, 4 of 5 pairs, 2 of 3, 1 of 2; seven words where ten are expected.
            "bleu": 100 * (6 / 7 * 4 / 5 * 2 / 3 * 1 / 2) ** 0.25 * np.exp(1 - 10 / 7),
            "ter": 100 * (1 + 0 + 3) / 10,
            "empty_outputs": 1 / 3,
            "perplexity": np.exp((2 * 1.0 + 3 * 2.0 + 0.5) / 6),
        }
        shared = [4 / 5, 3 / 4, 2 / 3, 1 / 2, 0]
        return HandComputed(predictions, rows, (), expected, (sum(shared) / 5, 1.0, 0.0))


class TestSummarisationWithBeams(TestTranslation):
    families: ClassVar[tuple[str, ...]] = ("t5",)
    options: ClassVar[dict[str, Any]] = {
        "measures": ["rouge", "chrf"],
        "source_prefix": "the ",
        "label_smoothing": 0.0,
        "generation": {"num_beams": 3, "max_new_tokens": 20, "early_stopping": True},
    }

    def hand_computed(self) -> HandComputed:
        rows = paired(["The home team!", "a b", "a b c"])
        predictions = pa.table({"prediction": ["home team", "a b", ""]})
        expected = {
            "rouge_1": (80 + 100 + 0) / 3,
            "rouge_2": (100 * 2 / 3 + 100 + 0) / 3,
            "rouge_l": (80 + 100 + 0) / 3,
            "perplexity": float("nan"),
        }
        # Of hometeam 8, 7, …, 3 runs are among the 12, 11, …, 7 of Thehometeam!.
        recall = sum((8 - n) / (12 - n) for n in range(6)) / 6
        return HandComputed(predictions, rows, (), expected, (5 * recall / (4 + recall), 1, 0))


def task_with(**options: Any) -> Task:
    return load_task("sequence_to_sequence", options)


def test_the_first_measure_chooses_checkpoints() -> None:
    assert task_with().primary_metric.name == "bleu"
    assert task_with(measures=["rouge", "bleu"]).primary_metric.name == "rouge_l"


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["ein Hund"], "13a"),
        (["개가 달린다"], "13a"),
        (["一条狗。", "OK"], "zh"),
        (["犬が走っている"], "char"),
        (["สุนัขกำลังวิ่ง"], "char"),
    ],
)
def test_what_is_counted_suits_the_script_of_the_targets(targets: list[str], expected: str) -> None:
    task, later = task_with(), task_with()
    task.fit(paired(targets), ())
    assert task.state()["tokenization"] == expected
    assert f"tok:{expected}" in task.state()["signatures"]["bleu"]
    later.load_state(task.state())
    predictions = pa.table({"prediction": targets})
    found = later.metrics(predictions, paired(targets), ())
    assert found["chrf"][0] == pytest.approx(100)
    assert later.state() == task.state()


def test_chinese_is_counted_by_character() -> None:
    rows = paired(["一条狗在草地上跑"])
    predictions = pa.table({"prediction": ["一条狗在草地上走"]})
    task = task_with()
    assert task.metrics(predictions, rows, ())["bleu"][0] == 0
    task.fit(rows, ())
    assert task.metrics(predictions, rows, ())["bleu"][0] == pytest.approx(84.0896415)


@pytest.fixture(params=["marian", "t5"])
def subject(make_checkpoint: MakeCheckpoint, request: pytest.FixtureRequest) -> Subject:
    return TestTranslation().subject.__wrapped__(  # type: ignore[attr-defined, no-any-return]
        TestTranslation(), task_with(), make_checkpoint, request
    )


def test_the_loss_is_that_of_the_model_itself(subject: Subject) -> None:
    batch = subject.collate(subject.rows)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}
    expected = subject.model(**inputs).loss
    losses = subject.task.example_losses(subject.outputs(batch), batch)
    tokens = (batch["labels"] != -100).sum(dim=1)
    torch.testing.assert_close((losses * tokens).sum() / tokens.sum(), expected)


def test_smoothing_is_in_the_loss_alone(subject: Subject) -> None:
    batch = subject.collate(subject.rows)
    outputs = subject.outputs(batch)
    plain, smoothed = (task_with(label_smoothing=share) for share in (0.0, 0.2))
    labels = batch["labels"]
    every = -torch.log_softmax(outputs["logits"], -1).mean(-1)[labels != -100].mean()
    expected = 0.8 * plain.loss(outputs, batch) + 0.2 * every
    torch.testing.assert_close(smoothed.loss(outputs, batch), expected)
    torch.testing.assert_close(
        smoothed.example_losses(outputs, batch), plain.example_losses(outputs, batch)
    )


def test_transformers_generates_the_same_tokens(subject: Subject) -> None:
    batch = subject.collate(subject.rows)
    subject.model.generation_config.max_new_tokens = 30
    subject.model.generation_config.forced_eos_token_id = None
    subject.model.generation_config.suppress_tokens = [subject.processor.pad_token_id]
    found = subject.model.generate(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
    )
    ours = subject.read(batch)["sequences"]
    kept = min(30, ours.shape[1])
    assert found[:, 1 : 1 + kept].tolist() == ours[:, :kept].tolist()


def test_a_prefix_stands_before_each_source(make_checkpoint: MakeCheckpoint) -> None:
    processor = Processor(load_tokenizer(make_checkpoint("t5")))
    rows = paired(TARGETS, SOURCES)
    long = rows.set_column(1, "text", pa.array([f"was the {text}" for text in SOURCES]))
    found = task_with(source_prefix="was the ").encode(rows, processor, (), max_length=12)
    assert found.equals(task_with().encode(long, processor, (), max_length=12))


def test_targets_have_a_limit_of_their_own(make_checkpoint: MakeCheckpoint) -> None:
    processor = Processor(load_tokenizer(make_checkpoint("t5")))
    found = task_with(target_max_length=3).encode(
        paired(TARGETS, SOURCES), processor, (), max_length=32
    )
    labels = found["labels"].to_pylist()
    assert [len(ids) for ids in labels] == [3, 3, 3, 3]
    assert {ids[-1] for ids in labels} == {1}
    assert found["num_target_tokens"].to_pylist() == [5, 3, 8, 4]


def test_a_tokenizer_without_languages_is_named(make_checkpoint: MakeCheckpoint) -> None:
    processor = Processor(load_tokenizer(make_checkpoint("t5")))
    task = task_with(source_language="en_XX")
    with pytest.raises(ConfigError, match=r"task\.options\.source_language: .* no tokens for lang"):
        task.encode(paired(TARGETS), processor, (), max_length=8)


def test_a_tokenizer_that_ends_no_text_is_refused(make_checkpoint: MakeCheckpoint) -> None:
    processor = Processor(load_tokenizer(make_checkpoint("gpt2")))
    with pytest.raises(ConfigError, match="learn where to stop"):
        task_with().encode(paired(TARGETS), processor, (), max_length=8)
