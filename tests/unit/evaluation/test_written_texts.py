from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from pipeline.config.schema import EvaluationConfig
from pipeline.evaluation.baselines.registry import fit_baselines
from pipeline.evaluation.cases.texts import TextCases, differences
from pipeline.evaluation.context import Context
from pipeline.evaluation.mistakes import mistakes_page
from pipeline.evaluation.results import measure_all
from pipeline.tasks.base import TEXT, Column
from pipeline.tasks.registry import load_task

TARGET = Column("target", "text", is_target=True)
CONTEXT = Context((TEXT, TARGET))


def paired(texts: list[str], targets: list[str]) -> pa.Table:
    return pa.table({"id": [*map(str, range(len(texts)))], "text": texts, "target": targets})


TRAIN = paired(["a dog runs", "two men sit", "the sea"], ["ein Hund läuft", "zwei Männer", "Meer"])


def test_the_input_and_the_nearest_target_are_baselines() -> None:
    rows = paired(["the dog sleeps, a dog", "two men at the sea sit"], ["x", "y"])
    found = fit_baselines(EvaluationConfig(name="default").baselines, TRAIN, CONTEXT)
    assert {name: fit(rows)["prediction"].to_pylist() for name, fit in found.items()} == {
        "copy": ["the dog sleeps, a dog", "two men at the sea sit"],
        "nearest": ["ein Hund läuft", "zwei Männer"],
    }
    task = load_task("sequence_to_sequence", {})
    for fit in found.values():
        assert task.metrics(fit(rows), rows, ())["chrf"][0] >= 0


def test_recordings_are_not_copied() -> None:
    context = Context((Column("audio", "audio"), TARGET))
    assert fit_baselines(("copy", "nearest"), TRAIN, context) == {}


def test_differences_are_marked_word_by_word_and_character_by_character() -> None:
    assert differences("a black dog.", "a dog <b>.") == (
        "a <del>black</del> dog.",
        "a dog <ins>&lt;b&gt;</ins>.",
    )
    assert differences("黑狗跑", "狗跑了") == ("<del>黑</del>狗跑", "狗跑<ins>了</ins>")
    assert differences("same", "same") == ("same", "same")


def test_texts_stand_side_by_side_the_least_alike_first() -> None:
    table = paired(["dog", "men", "sea"], ["Hund", "zwei Männer", "das Meer"])
    table = table.append_column("prediction", pa.array(["Hund", "", "das rote Meer"]))
    table = table.append_column("loss", pa.array([0.1, 3.0, 1.0]))
    cases = TextCases(table, CONTEXT)
    shown = cases.shown()
    assert shown.rows == [1, 2]
    assert shown.summary.startswith("2 of 3 rows")
    first, second = (cases.case(table.to_pylist()[row], "<p>input</p>") for row in shown.rows)
    assert first.heading == "nothing was written"
    assert "<em>nothing</em>" in first.body
    assert second.body.count("<div>") == 3
    assert "<ins>rote</ins>" in second.body
    assert second.value == "loss 1.000"


@pytest.mark.parametrize("right", [True, False])
def test_the_page_of_mistakes_shows_texts(right: bool) -> None:
    table = paired(["dog <br>"], ["Hund"])
    table = table.append_column("prediction", pa.array(["Hund" if right else "Katze"]))
    page = mistakes_page(table, CONTEXT, title="test", most=5)
    assert page is not None
    assert ("Every text is its reference." in page) == right
    assert "dog <br>" not in page


def test_texts_of_others_are_no_baseline_where_only_the_model_s_tokens_are_measured() -> None:
    rows = paired(["a dog", "the sea"], ["Hund", "Meer"]).rename_columns(["id", "prompt", "target"])
    counts = {"log_likelihood": [-1.0, -2.0], "num_right": [1, 0], "num_tokens": [2, 2]}
    predictions = pa.table({"prediction": ["H", "M"], **counts, "loss": [0.5, 1.0]})
    splits = ("train", "validation", "test")
    tasks: dict[str, dict[str, Any]] = {
        "learned": {"form": "prompt"},
        "written": {"form": "prompt", "generation": {}},
    }
    found = {
        name: measure_all(
            load_task("causal_language_model", options),
            dict.fromkeys(splits, predictions),
            dict.fromkeys(splits, rows),
            (),
            primary="perplexity",
            settings=EvaluationConfig(name="quick", num_bootstrap_samples=100),
        )
        for name, options in tasks.items()
    }
    assert found["learned"].baselines == {}
    assert {*found["written"].baselines} == {"copy", "nearest"}
