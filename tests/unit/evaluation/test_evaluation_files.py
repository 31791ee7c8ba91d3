"""What an evaluation writes: tables, pictures and the page of mistakes."""

from __future__ import annotations

import csv
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.errors import EnvironmentProblem, UserError
from pipeline.evaluation import tables
from pipeline.evaluation.baselines.labels import class_predictions
from pipeline.evaluation.context import Context
from pipeline.evaluation.decisions import Decisions, decisions
from pipeline.evaluation.measure import Measured, measure
from pipeline.evaluation.mistakes import mistakes_page
from pipeline.evaluation.plots import draw_plots
from pipeline.evaluation.tables import (
    per_class,
    readable_predictions,
    write_csv,
    write_decision_tables,
    write_predictions,
)
from pipeline.reports import typeface
from pipeline.reports.typeface import font_families, shortened
from pipeline.tasks.base import ENTITIES as ENTITIES_COLUMN
from pipeline.tasks.base import LABEL, TEXT
from pipeline.tasks.registry import load_task

PICTURES = ("confusion.png", "pr_curve.png", "reliability.png", "per_class.png")
ENTITIES = pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32()), ("type", pa.string())]))

SCORED = pa.list_(
    pa.struct(
        [("start", pa.int32()), ("end", pa.int32()), ("type", pa.string()), ("score", pa.float64())]
    )
)


def classified(names: list[str], count: int = 60) -> tuple[pa.Table, pa.Table, Measured]:
    """Rows with labels, predictions that are right more often than not, and their metrics."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, len(names), count)
    logits = generator.normal(0.0, 1.0, (count, len(names)))
    logits[np.arange(count), labels] += 1.5
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rows = pa.table(
        {
            "id": [f"n{i}" for i in range(count)],
            "text": [f"text {i}" for i in range(count)],
            "label": [names[label] for label in labels],
            "length": [1] * count,
            "input_ids": [[1]] * count,
        }
    )
    predictions = class_predictions(scores, names)
    task = load_task("text_classification", {})
    measured = measure(task, predictions, rows, names, num_samples=100, confidence=0.95, seed=0)
    return rows, predictions, measured


def made(names: list[str]) -> tuple[Decisions, pa.Table]:
    rows, predictions, measured = classified(names)
    found = decisions(predictions, rows, names)
    assert found is not None
    return found, per_class(measured, rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_predictions_keep_the_raw_columns_and_say_the_order_of_scores(tmp_path: Path) -> None:
    rows, predictions, _ = classified(["甲", "b"])
    table = readable_predictions(rows, predictions)
    assert table.column_names[:4] == ["id", "text", "label", "prediction"]
    assert "input_ids" not in table.column_names
    write_predictions(tmp_path / "p.parquet", table, ["甲", "b"])
    found = pq.read_table(tmp_path / "p.parquet")
    assert found.to_pylist() == table.to_pylist()
    assert json.loads(found.schema.metadata[b"label_names"]) == ["甲", "b"]


def test_stored_predictions_give_the_same_metrics_to_the_last_digit(tmp_path: Path) -> None:
    names = ["甲", "b", "c"]
    rows, predictions, measured = classified(names)
    tables.write_predictions(tmp_path / "p", readable_predictions(rows, predictions), names)
    stored = tables.read_predictions(tmp_path / "p")
    assert stored.label_names == tuple(names)
    assert stored.predictions.equals(predictions)
    assert stored.rows.column_names == ["id", "text", "label"]
    found = load_task("text_classification", {}).metrics(
        stored.predictions, stored.rows, stored.label_names
    )
    assert {name: values[0] for name, values in found.items()} == measured.values


def test_stored_entities_come_back_under_their_own_names(tmp_path: Path) -> None:
    span = {"start": 0, "end": 4, "type": "ORG"}
    rows = pa.table(
        {
            "text": ["club", "x"],
            "entities": pa.array([[span], []], ENTITIES),
            "length": [1] * 2,
            "input_ids": [[1]] * 2,
        }
    )
    predictions = pa.table({"entities": pa.array([[{**span, "score": 0.1}], None], SCORED)})
    tables.write_predictions(
        tmp_path / "p", readable_predictions(rows, predictions), ["O", "B-ORG"]
    )
    stored = tables.read_predictions(tmp_path / "p")
    assert stored.predictions.equals(predictions)
    assert stored.rows.equals(rows.drop_columns(["length", "input_ids"]))


def test_predictions_that_cannot_be_read_name_the_command_that_writes_them(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "old")
    (tmp_path / "damaged").write_text("no Parquet")
    for name, reason in (("none", "missing"), ("damaged", "no readable"), ("old", "earlier")):
        with pytest.raises(UserError, match=reason) as caught:
            tables.read_predictions(tmp_path / name)
        assert "pipeline evaluate" in str(caught.value.remedy)


def test_the_hash_of_test_rows_sees_values_and_order_but_not_how_they_are_stored(
    tmp_path: Path,
) -> None:
    rows, predictions, _ = classified(["a", "b"])
    first = tables.test_hash(rows)
    write_predictions(tmp_path / "p", readable_predictions(rows, predictions), ["a", "b"])
    assert tables.test_hash(tables.read_predictions(tmp_path / "p").rows) == first
    assert tables.test_hash(rows.drop_columns(["length", "input_ids"])) == first
    assert tables.test_hash(pa.concat_tables([rows.slice(0, 7), rows.slice(7)])) == first
    assert (
        tables.test_hash(rows.set_column(2, "label", rows["label"].cast("large_string"))) == first
    )
    assert tables.test_hash(rows.slice(1)) != first
    assert tables.test_hash(rows.take(pa.array([1, 0, *range(2, 60)]))) != first
    assert (
        tables.test_hash(rows.rename_columns(["id", "text", "other", "length", "input_ids"]))
        != first
    )


def test_predicted_entities_do_not_replace_the_right_ones() -> None:
    rows = pa.table({"text": ["x"], "entities": pa.array([[]], ENTITIES), "length": [1]})
    table = readable_predictions(rows, pa.table({"entities": [[{"start": 0, "end": 1}]]}))
    assert table.column_names == ["text", "entities", "predicted_entities"]


def test_a_table_by_class_has_bounds_and_the_most_frequent_class_first() -> None:
    rows, _, measured = classified(["a", "b", "c"])
    table = per_class(measured, rows)
    assert table.column_names[:5] == [
        "label",
        "rows",
        "precision",
        "precision_low",
        "precision_high",
    ]
    assert sum(table["rows"].to_pylist()) == 60
    assert table["rows"].to_pylist() == sorted(table["rows"].to_pylist(), reverse=True)
    for line in table.to_pylist():
        assert line["f1"] == measured.values[f"f1/{line['label']}"]
        assert line["f1_low"] < line["f1"] < line["f1_high"]


def test_a_metric_that_is_undefined_for_a_class_is_an_empty_cell(tmp_path: Path) -> None:
    rows = pa.table({"text": ["x"] * 4, "label": ["a", "a", "b", "b"]})
    predictions = class_predictions(np.array([[0.9, 0.1, 0.0]] * 4), ["a", "b", "c"])
    task = load_task("text_classification", {})
    measured = measure(
        task, predictions, rows, ["a", "b", "c"], num_samples=100, confidence=0.95, seed=0
    )
    write_csv(tmp_path / "t.csv", per_class(measured, rows))
    lines = {line["label"]: line for line in read_csv(tmp_path / "t.csv")}
    assert lines["a"]["recall"] == "1.0"
    assert lines["b"]["precision"] == lines["c"]["recall"] == ""
    assert lines["c"]["rows"] == "0"


def test_confusion_csv_has_a_line_for_each_decision(tmp_path: Path) -> None:
    rows = pa.table({"label": ["a", "b", "b"]})
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]])
    found = decisions(class_predictions(scores, ["a", "b"]), rows, ["a", "b"])
    assert found is not None
    write_decision_tables(tmp_path, found, 10)
    assert read_csv(tmp_path / "confusion.csv") == [
        {"actual": "a", "predicted": "a"},
        {"actual": "b", "predicted": "a"},
        {"actual": "b", "predicted": "b"},
    ]
    assert read_csv(tmp_path / "pr_curve.csv")[0] == {
        "recall": "0.5", "precision": "1.0", "threshold": "0.6"
    }  # fmt: skip
    assert {"confidence", "accuracy", "count"} <= read_csv(tmp_path / "reliability.csv")[0].keys()


def test_a_folder_that_cannot_be_written_is_the_machines_fault(tmp_path: Path) -> None:
    table = pa.table({"x": [1]})
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        write_csv(tmp_path / "none" / "x.csv", table)
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        write_predictions(tmp_path / "none" / "x.parquet", table, [])


@pytest.mark.parametrize(
    "names",
    [
        ["no", "yes"],
        ["体育", "财经", "English"],
        ["$a_b$", "x^2"],
        [f"a long name of a class, number {number}" for number in range(25)],
    ],
    ids=["two", "chinese", "mathematics", "many"],
)
@pytest.mark.filterwarnings("error:Glyph")
def test_pictures_are_drawn_for_any_labels(tmp_path: Path, names: list[str]) -> None:
    found, classes = made(names)
    draw_plots(tmp_path, found, classes, title="news, test", num_bins=10)
    for name in PICTURES:
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 300
            darkest, lightest = picture.convert("L").getextrema()
            assert darkest < 60  # type: ignore[operator]
            assert lightest == 255


def test_pictures_are_drawn_where_no_entity_is_found(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "text": ["Rome", "x"],
            "entities": pa.array([[{"start": 0, "end": 4, "type": "LOC"}], []], ENTITIES),
        }
    )
    names = ["O", "B-LOC", "I-LOC"]
    predictions = pa.table({"entities": pa.array([[], []], ENTITIES)})
    task = load_task("token_classification", {})
    measured = measure(task, predictions, rows, names, num_samples=100, confidence=0.95, seed=0)
    found = decisions(predictions, rows, names)
    assert found is not None
    draw_plots(tmp_path, found, per_class(measured, rows), title="t", num_bins=10)
    assert {path.name for path in tmp_path.iterdir()} == set(PICTURES)


def test_the_same_results_give_the_same_pictures(tmp_path: Path) -> None:
    found, classes = made(["no", "yes"])
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        draw_plots(tmp_path / folder, found, classes, title="t", num_bins=10)
    for name in PICTURES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_labels_that_no_font_can_write_become_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typeface, "WIDE", ())
    families, shown = font_families(["体育", "sports", "财经"])
    assert families == ["DejaVu Sans"]
    assert shown == {"体育": "#1", "sports": "sports", "财经": "#3"}


def test_a_font_that_has_the_letters_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = {"DejaVu Sans": set("sport"), "One": set("体"), "Two": set("体育财")}
    monkeypatch.setattr(typeface, "WIDE", ("Absent", "One", "Two"))
    monkeypatch.setattr(typeface, "_letters", lambda family: letters.get(family, set()))
    assert font_families(["体育", "sport"]) == (
        ["DejaVu Sans", "Two"],
        {"体育": "体育", "sport": "sport"},
    )
    families, shown = font_families(["体育", "财经"])
    assert families == ["DejaVu Sans", "Two"], "the font that has most of them"
    assert shown == {"体育": "体育", "财经": "#2"}


def test_long_labels_are_cut() -> None:
    assert shortened({"a" * 40: "a" * 40, "b": "b"}, 10) == {"a" * 40: "aaaaaaaaa…", "b": "b"}


class Reader(HTMLParser):
    """Collects words and links, and checks that tags are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words = ""
        self.links: list[str] = []
        self.marks: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        if tag == "mark":
            self.marks.append(str(dict(attrs)["class"]))
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag: str) -> None:
        if tag != "meta":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert reader.links == []
    return reader


def label_table(cases: list[tuple[str, str, str, list[float]]]) -> pa.Table:
    return pa.table(
        {
            "id": [f"n{number}" for number in range(len(cases))],
            "text": [case[0] for case in cases],
            "label": [case[1] for case in cases],
            "prediction": [case[2] for case in cases],
            "score": [max(case[3]) for case in cases],
            "scores": [case[3] for case in cases],
        }
    )


def label_page(table: pa.Table, names: list[str], *, title: str, most: int) -> str:
    page = mistakes_page(table, Context((TEXT, LABEL), tuple(names)), title=title, most=most)
    assert page is not None
    return page


def test_the_page_shows_the_most_confident_mistakes_first() -> None:
    table = label_table(
        [
            ("fine", "a", "a", [0.99, 0.01]),
            ("unsure", "b", "a", [0.6, 0.4]),
            ("<script>alert(1)</script> & sure", "b", "a", [0.95, 0.05]),
            ("least", "b", "a", [0.51, 0.49]),
        ]
    )
    page = label_page(table, ["a", "b"], title="news <test>", most=2)
    words = read(page).words
    assert "3 of 4 rows (75.0%)" in words
    assert "<script>alert(1)</script> & sure" in words, "texts are escaped"
    assert "news <test>" in words
    assert words.index("& sure") < words.index("unsure")
    assert "fine" not in words
    assert "least" not in words
    assert "95.0% sure" in words
    assert "b (actual)" in words


def test_the_actual_label_is_shown_however_unlikely() -> None:
    scores = [0.4, 0.3, 0.2, 0.09, 0.01]
    table = label_table([("x", "e", "a", scores)])
    words = read(label_page(table, list("abcde"), title="t", most=5)).words
    assert "e (actual)" in words
    assert "1.0%" in words


def test_no_mistake_is_said_in_words() -> None:
    table = label_table([("x", "a", "a", [0.9, 0.1])])
    assert "No mistake." in read(label_page(table, ["a", "b"], title="t", most=5)).words


def entity(start: int, end: int, kind: str, **more: Any) -> dict[str, Any]:
    return {"start": start, "end": end, "type": kind, **more}


def test_entities_are_marked_in_their_text() -> None:
    table = pa.table(
        {
            "id": ["fine", "low", "high"],
            "text": ["Rome", "Ann <b> in Rome", "Ann, Bob"],
            "entities": [
                [entity(0, 4, "LOC")],
                [entity(0, 3, "PER"), entity(11, 15, "LOC")],
                [entity(0, 3, "PER")],
            ],
            "predicted_entities": [
                [entity(0, 4, "LOC", score=0.9)],
                [entity(0, 3, "ORG", score=0.9), entity(11, 15, "LOC", score=0.9)],
                [entity(0, 3, "PER", score=0.9), entity(5, 8, "PER", score=0.9)],
            ],
            "loss": [0.0, 0.5, 2.0],
        }
    )
    page = mistakes_page(table, Context((TEXT, ENTITIES_COLUMN)), title="t", most=5)
    assert page is not None
    reader = read(page)
    key, body = reader.marks[:3], reader.marks[3:]
    assert key == ["right", "missed", "wrong"]
    assert body == ["right", "right", "wrong", "missed", "right", "wrong", "right"]
    assert reader.words.index("Bob") < reader.words.index("<b>"), "the highest loss first"
    assert "1 missed, 1 wrongly marked, 1 found" in reader.words
    assert "2 of 3 rows" in reader.words
