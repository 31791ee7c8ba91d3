"""Tables, pictures and pages of sets and numbers; those of labels: test_evaluation_files."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from PIL import Image

from pipeline.config.schema import EvaluationConfig
from pipeline.evaluation.baselines.numbers import number_predictions
from pipeline.evaluation.cases.base import Cases
from pipeline.evaluation.cases.inputs import shown_inputs
from pipeline.evaluation.cases.numbers import NumberCases, decimals
from pipeline.evaluation.cases.sets import SetCases
from pipeline.evaluation.charts import CHARTS, score_shares
from pipeline.evaluation.context import Context
from pipeline.evaluation.curves import MAX_POINTS
from pipeline.evaluation.details import write_details
from pipeline.evaluation.measure import Measured, measure
from pipeline.evaluation.mistakes import mistakes_page
from pipeline.evaluation.tables import readable_predictions
from pipeline.tasks.base import TEXT, Column
from pipeline.tasks.label_sets import set_predictions
from pipeline.tasks.multi_label_classification import LABELS
from pipeline.tasks.registry import load_task
from pipeline.tasks.regression import TARGET

NAMES = ("law", "money", "天气")
SETTINGS = EvaluationConfig(num_bootstrap_samples=100)


def tagged(count: int = 40) -> tuple[pa.Table, pa.Table]:
    """Rows with sets, and predictions that are right more often than not."""
    generator = np.random.default_rng(0)
    wanted = generator.random((count, 3)) < [0.3, 0.5, 0.2]
    scores = np.clip(generator.normal(0.3 + 0.3 * wanted, 0.2), 0.01, 0.99)
    sets = [[name for name, has in zip(NAMES, row, strict=True) if has] for row in wanted]
    rows = pa.table(
        {
            "id": [f"n{number}" for number in range(count)],
            "text": [f"text {number}" for number in range(count)],
            "labels": pa.array(sets, pa.list_(pa.string())),
            "length": [1] * count,
        }
    )
    return rows, set_predictions(scores, np.array([0.4, 0.5, 0.5]), NAMES)


def rated(actual: Any, predicted: Any) -> tuple[pa.Table, pa.Table]:
    count = len(actual)
    rows = pa.table(
        {
            "id": [f"n{number}" for number in range(count)],
            "text": [f"text {number}" for number in range(count)],
            "target": np.array(actual, np.float64),
            "length": [1] * count,
        }
    )
    return rows, number_predictions(np.array(predicted, np.float64))


def written(directory: Path, kind: str, rows: pa.Table, predictions: pa.Table) -> set[str]:
    task = load_task(kind, {})
    names = NAMES if kind == "multi_label_classification" else ()
    measured = measure(task, predictions, rows, names, num_samples=100, confidence=0.95, seed=0)
    state = {"thresholds": [0.4, 0.5, 0.5]} if names else task.state()
    context = Context(task.columns, names, state, task.units(rows))
    write_details(
        directory,
        rows,
        predictions,
        measured,
        context,
        scores=task.example_scores(predictions, rows, names),
        title="news, test",
        settings=SETTINGS,
    )
    return files_in(directory)


def files_in(directory: Path) -> set[str]:
    """Pictures, pages, and the tables that have more than a header."""
    found = {
        str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()
    }
    assert set(CHARTS) <= set(found), "DVC finds every table that dvc.yaml names"
    for name, columns in CHARTS.items():
        assert found[name].read_text(encoding="utf-8").startswith(",".join(columns) + "\n")
    return {name for name, path in found.items() if path.suffix != ".csv" or read_csv(path)}


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def assert_drawn(path: Path) -> None:
    with Image.open(path) as picture:
        assert min(picture.size) > 300
        darkest, lightest = picture.convert("L").getextrema()
        assert darkest < 60  # type: ignore[operator]
        assert lightest == 255


def test_sets_have_curves_metrics_by_label_and_thresholds(tmp_path: Path) -> None:
    rows, predictions = tagged()
    files = written(tmp_path, "multi_label_classification", rows, predictions)
    assert files == {
        "mistakes.html",
        "per_class.csv",
        "plots/per_class.png",
        "plots/pr_curve.png",
        "plots/reliability.png",
        "plots/scores.png",
        "pr_curve.csv",
        "reliability.csv",
        "scores.csv",
        "thresholds.csv",
    }
    for name in files:
        if name.endswith(".png"):
            assert_drawn(tmp_path / name)
    lines = {line["label"]: line for line in read_csv(tmp_path / "thresholds.csv")}
    assert {name: lines[name]["threshold"] for name in NAMES} == {
        "law": "0.4",
        "money": "0.5",
        "天气": "0.5",
    }
    sets = rows["labels"].to_pylist()
    assert int(lines["money"]["rows"]) == sum("money" in one for one in sets)
    classes = {line["label"]: line for line in read_csv(tmp_path / "per_class.csv")}
    assert float(classes["law"]["f1_low"]) < float(classes["law"]["f1"])
    bins = read_csv(tmp_path / "reliability.csv")
    assert sum(int(one["count"]) for one in bins) == 40 * 3
    right = sum(float(one["accuracy"]) * int(one["count"]) for one in bins)
    assert right == pytest.approx(sum(map(len, sets)), abs=1e-3)


def test_numbers_are_drawn_against_each_other(tmp_path: Path) -> None:
    rows, predictions = rated([1.0, 2.0, 2.0, 5.0], [1.5, 2.0, 1.0, 4.0])
    files = written(tmp_path, "regression", rows, predictions)
    pictures = {f"plots/{name}.png" for name in ("numbers", "residuals", "scores")}
    assert files == {"mistakes.html", "numbers.csv", "scores.csv"} | pictures
    for name in pictures:
        assert_drawn(tmp_path / name)
    assert read_csv(tmp_path / "numbers.csv")[2] == {
        "actual": "2.0", "predicted": "1.0", "error": "-1.0"
    }  # fmt: skip


def test_numbers_that_are_all_right_and_the_same_can_be_drawn(tmp_path: Path) -> None:
    rows, predictions = rated([3.0] * 3, [3.0] * 3)
    assert "plots/numbers.png" in written(tmp_path, "regression", rows, predictions)
    assert "No error." in (tmp_path / "mistakes.html").read_text(encoding="utf-8")


def cases_of(
    kind: type[Cases], rows: pa.Table, predictions: pa.Table, context: Context
) -> tuple[Cases, pa.Table]:
    table = readable_predictions(rows, predictions)
    return kind(table, context), table


def test_wrong_sets_come_by_loss_and_say_what_was_missed_and_what_is_wrong() -> None:
    scores = np.array([[0.9, 0.1, 0.1], [0.2, 0.6, 0.3], [0.7, 0.8, 0.1], [0.1, 0.1, 0.1]])
    predictions = set_predictions(scores, np.full(3, 0.5), NAMES)
    predictions = predictions.append_column("loss", pa.array([0.1, 0.9, 1.5, 0.1]))
    rows = tagged(4)[0].set_column(
        2, "labels", pa.array([["law"], ["law"], ["money"], []], pa.list_(pa.string()))
    )
    context = Context((TEXT, LABELS), NAMES, {"thresholds": [0.25, 0.5, 0.5]})
    cases, table = cases_of(SetCases, rows, predictions, context)
    shown = cases.shown()
    assert list(shown.rows) == [2, 1]
    assert "2 of 4 rows (50.0%)" in shown.summary
    case = cases.case(table.to_pylist()[1], "<p>inputs</p>")
    assert case.heading == '<mark class="missed">law</mark> <mark class="wrong">money</mark>'
    assert case.value == "loss 0.900"
    assert case.body.startswith("<p>inputs</p>")
    assert case.body.index("money (wrong)") < case.body.index("天气") < case.body.index("law (mis")
    assert "margin-left:25.0%" in case.body


def test_the_largest_errors_come_first_in_the_datas_unit() -> None:
    rows, predictions = rated([0.0, 1000.0, 500.0], [10.0, 700.0, 500.0])
    cases, table = cases_of(NumberCases, rows, predictions, Context((TEXT, TARGET)))
    shown = cases.shown()
    assert list(shown.rows) == [1, 0]
    assert "3 rows; the error is 103 on average and 300 at most" in shown.summary
    case = cases.case(table.to_pylist()[1], "")
    assert "700 " in case.heading
    assert "instead of 1,000" in case.heading
    assert case.value == "-300"
    assert 'aria-label="700 predicted, 1,000 actual"' in case.body


@pytest.mark.parametrize(
    ("span", "places"), [(4.0, 2), (40.0, 1), (5e6, 0), (0.004, 5), (0.0, 2), (1e-30, 12)]
)
def test_numbers_have_as_many_places_as_their_spread_deserves(span: float, places: int) -> None:
    assert decimals(span) == places


def test_several_inputs_stand_under_their_names() -> None:
    columns = (Column("query", "text"), Column("item", "text"), LABELS)
    row = {"query": "<b>", "item": "x" * 2_000}
    shown = shown_inputs(row, columns)
    assert shown.index("query") < shown.index("&lt;b&gt;") < shown.index("item")
    assert shown.endswith("x …</p>")
    assert "query" not in shown_inputs(row, columns[:1])


def test_the_rows_of_a_text_are_drawn_by_how_right_they_are(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "id": ["a", "b", "c"],
            "text": ["one", "two", "three"],
            "target": ["ein Hund", "zwei Hunde", "drei"],
            "length": [1] * 3,
        }
    )
    predictions = pa.table({"prediction": ["ein Hund", "zwei Katzen", "vier"]})
    files = written(tmp_path, "sequence_to_sequence", rows, predictions)
    assert files == {"mistakes.html", "plots/scores.png", "scores.csv"}
    assert_drawn(tmp_path / "plots" / "scores.png")
    lines = read_csv(tmp_path / "scores.csv")
    scores = [float(line["score"]) for line in lines]
    assert [line["share"] for line in lines] == ["0.333333", "0.666667", "1.0"]
    assert scores == sorted(scores)
    assert scores[2] == 1.0


def test_of_many_rows_the_first_and_the_last_and_some_between_are_kept() -> None:
    shares = score_shares(np.linspace(1.0, 0.0, 5_000))
    assert shares.num_rows == MAX_POINTS
    assert shares.slice(0, 1).to_pylist() == [{"share": 1 / 5_000, "score": 0.0}]
    assert shares.slice(MAX_POINTS - 1).to_pylist() == [{"share": 1.0, "score": 1.0}]


def test_dvc_draws_every_table_and_no_other(repository: Path) -> None:
    named = yaml.safe_load((repository / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
    assert "outputs/evaluation/plots" in named
    tables = dict(one.popitem() for one in named if isinstance(one, dict))
    tables.pop("outputs/model/curves.json")
    assert tables.keys() == {f"outputs/evaluation/{name}" for name in CHARTS}
    for name, columns in CHARTS.items():
        drawn = tables[f"outputs/evaluation/{name}"]
        assert {drawn["x"], drawn["y"]} <= set(columns)


def test_a_target_that_nobody_can_show_has_no_page() -> None:
    columns = (TEXT, Column("thing", "value", is_target=True))
    table = pa.table({"id": ["a"], "text": ["x"], "thing": [1], "prediction": [2]})
    assert mistakes_page(table, Context(columns), title="t", most=5) is None
    assert mistakes_page(table, Context((TEXT,)), title="t", most=5) is None


def test_a_task_that_gives_no_scores_of_labels_has_no_page_and_no_curves(tmp_path: Path) -> None:
    rows, predictions = tagged(6)
    context = Context((TEXT, LABELS), NAMES)
    nothing = Measured({}, {}, {}, 0.95)
    given = predictions.select(["prediction"])
    scores = np.linspace(0, 1, 6)
    write_details(
        tmp_path, rows, given, nothing, context, scores=scores, title="t", settings=SETTINGS
    )
    assert files_in(tmp_path) == {"scores.csv", "plots/scores.png"}
