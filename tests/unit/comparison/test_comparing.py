from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.comparison.command import compare_records
from pipeline.comparison.comparing import Wish, compare
from pipeline.comparison.loading import load_run
from pipeline.comparison.result import Comparison, Difference
from pipeline.comparison.selecting import named_groups
from pipeline.errors import UserError
from pipeline.statistics.mcnemar import mcnemar_p
from pipeline.tracking.reading import RunReader
from tests.unit.comparison.tracked_models import LABELS, found_entities, guesses, news, track

ROWS = news(120)


def compared(
    root: Path, reader: RunReader, words: Sequence[str], wish: Wish | None = None
) -> Comparison:
    selection = named_groups(reader, words, root)
    scratch = root / "scratch"
    scratch.mkdir(exist_ok=True)
    runs = [[load_run(reader, one, scratch) for one in group] for group in selection.groups]
    return compare(runs, reader, wish or Wish(), selection.notes)


def of(found: Comparison, metric: str, other: str = "B") -> Difference:
    return next(one for one in found.differences if (one.metric, one.other) == (metric, other))


def two_models(root: Path) -> None:
    track(root, "a", rows=ROWS, predictions=guesses(ROWS, range(30)))
    track(
        root,
        "b",
        rows=ROWS,
        predictions=guesses(ROWS, range(25, 33)),
        settings={"optimizer": {"lr": 0.01}},
    )


def test_two_models_are_compared_in_every_metric(root: Path, reader: RunReader) -> None:
    two_models(root)
    found = compared(root, reader, ["a", "b"])
    a, b = found.groups
    assert (a.label, b.label, found.metric, found.num_rows) == ("A", "B", "accuracy", 120)
    assert a.metrics["accuracy"].value == pytest.approx(90 / 120)
    assert b.by_seed["accuracy"] == pytest.approx((112 / 120,))
    accuracy = of(found, "accuracy")
    assert accuracy.estimate.value == pytest.approx(22 / 120)
    assert accuracy.p_value == pytest.approx(mcnemar_p(3, 25))
    assert accuracy.method == "McNemar's test"
    assert accuracy.verdict.startswith("B is better than A by 18.3 points, 95 % interval ")
    assert of(found, "f1_macro").method == "approximate randomisation"
    assert of(found, "log_loss").method == "paired bootstrap"
    assert of(found, "log_loss").gain == -of(found, "log_loss").estimate.value
    assert [one.metric for one in found.differences] == list(found.metrics)
    for one in found.differences:
        assert one.estimate.low is not None
        assert one.estimate.high is not None
        assert one.estimate.low <= one.estimate.value <= one.estimate.high
    assert "With one seed of each" in found.notes[-1]


def test_the_same_question_has_the_same_answer(root: Path, reader: RunReader) -> None:
    two_models(root)
    first, again = (asdict(compared(root, reader, ["a", "b"])) for _ in range(2))
    assert json.dumps(first, default=str) == json.dumps(again, default=str)


def test_the_wanted_metric_decides(root: Path, reader: RunReader) -> None:
    two_models(root)
    found = compared(root, reader, ["a", "b"], Wish(metric="f1_macro", confidence=0.9))
    assert (found.metric, found.metrics[0], found.confidence) == ("f1_macro", "f1_macro", 0.9)
    assert {one.dimension for one in found.slices} == {"length", "f1 by label"}
    with pytest.raises(UserError, match="has no metric 'f1_macor'") as caught:
        compared(root, reader, ["a", "b"], Wish(metric="f1_macor"))
    assert caught.value.remedy == "did you mean 'f1_macro'?"


def test_the_metric_that_chose_the_weights_decides_by_default(
    root: Path, reader: RunReader
) -> None:
    task = {"kind": "text_classification", "options": {}, "primary_metric": "log_loss"}
    for key, wrong in (("a", range(9)), ("b", range(3))):
        settings = {"task": task, "optimizer": {"lr": len(wrong)}}
        predictions = guesses(ROWS, wrong)
        track(root, key, rows=ROWS, predictions=predictions, settings=settings)
    found = compared(root, reader, ["a", "b"])
    assert (found.metric, found.higher_is_better) == ("log_loss", False)
    assert of(found, "log_loss").gain > 0


def test_several_seeds_are_one_group_with_their_spread(root: Path, reader: RunReader) -> None:
    for seed in range(3):
        for key, wrong, lr in (("a", range(20 + seed), 0.1), ("b", range(seed, 8), 0.2)):
            settings = {"optimizer": {"lr": lr}}
            predictions = guesses(ROWS, wrong)
            name = f"{key}-seed{seed}"
            track(
                root,
                f"{key}{seed}",
                rows=ROWS,
                predictions=predictions,
                settings=settings,
                seed=seed,
                name=name,
            )
    found = compared(root, reader, ["a0", "a1", "a2", "b2", "b1", "b0"])
    a, b = found.groups
    assert (a.name, [member.seed for member in b.members]) == ("a", [0, 1, 2])
    assert a.by_seed["accuracy"] == pytest.approx([(100 - seed) / 120 for seed in range(3)])
    accuracy = of(found, "accuracy")
    assert accuracy.method == "t-test over seeds and examples"
    assert accuracy.estimate.value == pytest.approx(
        np.mean(b.by_seed["accuracy"]) - np.mean(a.by_seed["accuracy"])
    )
    assert accuracy.significant
    assert not any("one seed" in note for note in found.notes)
    assert all(one.scores["A"] < 1 for one in found.disagreements[0].other_better)


def test_more_than_two_groups_are_corrected_and_paired(root: Path, reader: RunReader) -> None:
    for key, wrong in (("a", 30), ("b", 22), ("c", 12)):
        settings = {"optimizer": {"lr": wrong}}
        track(root, key, rows=ROWS, predictions=guesses(ROWS, range(wrong)), settings=settings)
    found = compared(root, reader, ["a", "b", "c"])
    surest = of(found, "accuracy", "C")
    assert surest.p_value is not None
    assert surest.p_adjusted == pytest.approx(2 * surest.p_value)
    assert of(found, "accuracy", "B").p_adjusted == of(found, "accuracy", "B").p_value
    assert [(one.reference, one.other) for one in found.pairs] == [
        ("A", "B"),
        ("A", "C"),
        ("B", "C"),
    ]
    assert any("Holm" in note for note in found.notes)
    assert {(one.reference, one.other) for one in found.slices} == {("A", "B"), ("A", "C")}


def test_equal_predictions_are_said_to_be_equal(root: Path, reader: RunReader) -> None:
    for key, lr in (("a", 0.1), ("b", 0.2)):
        settings = {"optimizer": {"lr": lr}}
        track(root, key, rows=ROWS, predictions=guesses(ROWS, range(9)), settings=settings)
    found = compared(root, reader, ["a", "b"])
    assert of(found, "accuracy").verdict == (
        "B and A: the predictions are the same on all 120 examples"
    )
    assert found.disagreements[0].num_other_better == 0
    assert [one.name for one in found.settings] == ["optimizer.lr"]


def test_entities_are_compared_by_type(root: Path, reader: RunReader) -> None:
    texts = ["Ada Byron went to Rome"] * 60
    spans = [[(0, 9, "PER"), (18, 22, "LOC")]] * 60
    rows = pa.table(
        {
            "id": [str(number) for number in range(60)],
            "text": texts,
            "entities": found_entities(spans)["entities"],
        }
    )
    names = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    for key, missing in (("a", 30), ("b", 3)):
        given = [row[:1] if n < missing else row for n, row in enumerate(spans)]
        settings = {
            "task": {"kind": "token_classification", "options": {}, "primary_metric": None},
            "optimizer": {"lr": missing},
        }
        track(
            root,
            key,
            rows=rows,
            predictions=found_entities(given),
            names=names,
            kind="token_classification",
            settings=settings,
        )
    found = compared(root, reader, ["a", "b"])
    assert of(found, "f1").significant
    assert of(found, "f1").method == "approximate randomisation"
    assert of(found, "recall").estimate.value == pytest.approx(27 / 120)
    by_type = {one.value: one for one in found.slices if one.dimension == "f1 by entity type"}
    assert set(by_type) == {"LOC", "PER"}
    assert by_type["LOC"].significant
    assert by_type["PER"].estimate.value == 0
    assert found.disagreements[0].other_better[0].predictions == {
        "A": "Ada Byron [PER]",
        "B": "Ada Byron [PER], Rome [LOC]",
    }


def test_an_undefined_metric_is_not_compared(root: Path, reader: RunReader) -> None:
    rows = pa.table(
        {
            "id": ["1", "2", "3"],
            "text": ["Ada", "Ada", "Ada"],
            "entities": found_entities([[(0, 3, "PER")]] * 3)["entities"],
        }
    )
    for key, given in (("a", [[(0, 3, "PER")]] * 3), ("b", [[], [], []])):
        settings = {
            "task": {"kind": "token_classification", "options": {}, "primary_metric": None},
            "optimizer": {"lr": key},
        }
        track(
            root,
            key,
            rows=rows,
            predictions=found_entities(given),
            names=("O", "B-PER", "I-PER"),
            kind="token_classification",
            settings=settings,
        )
    found = compared(root, reader, ["a", "b"])
    one = of(found, "precision")
    assert np.isnan(one.estimate.value)
    assert one.p_value is None
    assert one.verdict == (
        "B and A cannot be compared: precision of B is undefined on these examples"
    )
    assert any(note.startswith("Undefined for some") for note in found.notes)


def test_one_example_is_no_test(root: Path, reader: RunReader) -> None:
    rows = ROWS.slice(0, 1)
    for key, wrong in (("a", []), ("b", [0])):
        settings = {"optimizer": {"lr": key}}
        track(root, key, rows=rows, predictions=guesses(rows, wrong), settings=settings)
    one = of(compared(root, reader, ["a", "b"]), "accuracy")
    assert (one.estimate.value, one.p_value) == (-1.0, None)
    assert one.verdict.endswith("one example allows no interval and no test")


def test_settings_sources_costs_and_curves_stand_beside(root: Path, reader: RunReader) -> None:
    track(
        root,
        "a",
        rows=ROWS,
        predictions=guesses(ROWS, range(9)),
        seed=3,
        tags={"version.torch": "1", "host": "one", "data.hash": "0123456789ab"},
        metrics={"cost/train_seconds": 12.5, "export/onnx/latency_ms/batch_8": 3.5},
        curves={"val/accuracy": [0.5, 0.75], "train/loss": [2.0, 1.0]},
    )
    track(
        root,
        "b",
        rows=ROWS,
        predictions=guesses(ROWS, range(5)),
        seed=4,
        settings={"optimizer": {"lr": 0.01}, "tracking": {"uri": "elsewhere"}},
        tags={"version.torch": "2", "host": "one", "data.hash": "0123456789ab"},
        metrics={"cost/train_seconds": 25.0},
        patch="diff --git a/x b/x",
    )
    found = compared(root, reader, ["a", "b"], Wish(curves=True))
    assert {one.name: dict(one.values) for one in found.settings} == {
        "optimizer.lr": {"A": "0.001", "B": "0.01"},
        "git.revision": {"A": "1111111111", "B": "1111111111 + changes"},
        "version.torch": {"A": "1", "B": "2"},
    }
    assert {one.name: dict(one.values) for one in found.costs} == {
        "training time": {"A": 12.5, "B": 25.0},
        "onnx latency, batch 8": {"A": 3.5, "B": None},
    }
    assert [(one.label, one.metric, one.steps, one.values) for one in found.curves] == [
        ("A", "train/loss", (1, 2), (2.0, 1.0)),
        ("A", "val/accuracy", (1, 2), (0.5, 0.75)),
    ]
    member = found.groups[1].members[0]
    assert (member.seed, member.dirty) == (4, True)
    assert member.run_id in str(member.url)


def test_a_gate_gets_the_numbers_alone(root: Path, reader: RunReader) -> None:
    two_models(root)
    reference, other = reader.find("a"), reader.find("b")
    found = compare_records(reader, [reference], [other], metric="f1_macro", confidence=0.8)
    assert [group.members[0].run_id for group in found.groups] == [reference.run_id, other.run_id]
    assert found.differences[0].metric == "f1_macro"
    assert not any((found.slices, found.disagreements, found.settings, found.costs, found.curves))


@pytest.mark.parametrize(
    ("role", "remedy"),
    [("trial", "sweep promote"), ("model", "python -m pipeline evaluate")],
)
def test_a_run_without_test_predictions_is_refused(
    root: Path, reader: RunReader, role: str, remedy: str
) -> None:
    two_models(root)
    track(root, "bare", role=role)
    with pytest.raises(UserError, match=r"bare-seed0 \(\w{8}\) has no test predictions") as caught:
        compared(root, reader, ["a", "bare"])
    assert remedy in str(caught.value.remedy)


def test_runs_of_different_tasks_are_refused(root: Path, reader: RunReader) -> None:
    two_models(root)
    rows = pa.table({"id": ["1"], "text": ["Ada"], "entities": found_entities([[]])["entities"]})
    settings: dict[str, Any] = {"task": {"kind": "token_classification", "options": {}}}
    track(root, "ner", rows=rows, predictions=found_entities([[]]), settings=settings)
    with pytest.raises(UserError, match="different tasks have no metric in common"):
        compared(root, reader, ["a", "ner"])


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (ROWS.slice(0, 100), r"120 examples and 100 examples \(100 ids in common\)"),
        (
            ROWS.set_column(2, "label", pa.array([LABELS[0]] * 120)),
            r"of 120 examples, \d+ differ in label; for example row 1: '\w+' and 'business'",
        ),
        (
            ROWS.set_column(1, "text", pa.array(["x", *ROWS["text"].to_pylist()[1:]])),
            r"of 120 examples, 1 differs in text; for example row 1: ",
        ),
        (ROWS.append_column("page", pa.array([1] * 120)), "the column 'page' is in one of them"),
    ],
)
def test_runs_on_different_test_data_are_refused_with_the_reason(
    root: Path, reader: RunReader, rows: pa.Table, reason: str
) -> None:
    two_models(root)
    track(root, "c", rows=rows, predictions=guesses(rows), settings={"optimizer": {"lr": 3}})
    with pytest.raises(UserError, match=f"different test data: {reason}"):
        compared(root, reader, ["a", "c"])
