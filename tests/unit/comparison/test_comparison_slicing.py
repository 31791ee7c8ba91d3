from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.comparison.slicing import Part, class_metrics, main_scripts, parts
from pipeline.tasks.base import ENTITIES, LABEL, TEXT
from tests.unit.comparison.tracked_models import found_entities, news

CLASSIFICATION = (TEXT, LABEL)


def by_dimension(found: list[Part], dimension: str) -> dict[str, list[int]]:
    return {part.value: part.rows.tolist() for part in found if part.dimension == dimension}


def all_parts(rows: pa.Table, metric: str = "accuracy", known: tuple[str, ...] = ()) -> list[Part]:
    large, small = parts(rows, CLASSIFICATION, class_metrics(rows, metric, known))
    return large + small


def test_quarters_of_length_hold_every_example_once() -> None:
    rows = news(240)
    found = by_dimension(all_parts(rows), "length")
    assert list(found) == ["1 to 3 words", "4 to 6 words", "7 to 9 words", "10 to 12 words"]
    assert sorted(number for part in found.values() for number in part) == list(range(240))
    lengths = [len(text.split()) for text in rows["text"].to_pylist()]
    assert {lengths[number] for number in found["4 to 6 words"]} == {4, 5, 6}


def test_texts_without_spaces_are_measured_in_characters() -> None:
    texts = ["字" * (1 + number % 8) for number in range(80)]
    rows = pa.table({"text": texts, "label": ["a", "b"] * 40})
    assert "1 to 2 characters" in by_dimension(all_parts(rows), "length")


def test_texts_of_one_length_are_not_divided() -> None:
    rows = pa.table({"text": ["one two"] * 50, "label": ["a", "b"] * 25})
    assert by_dimension(all_parts(rows), "length") == {}


def test_a_class_is_its_rows_where_the_metric_speaks_of_rows() -> None:
    rows = news(120)
    found = by_dimension(all_parts(rows), "label")
    sports = [n for n, label in enumerate(rows["label"].to_pylist()) if label == "sports"]
    assert found["sports"] == sports
    assert set(found) == {"business", "culture", "sports"}


def test_a_class_has_its_own_f1_where_averages_of_f1_are_compared() -> None:
    rows = news(120)
    known = ("f1_macro", "f1/sports", "f1/culture", "f1/business")
    found = {
        part.value: part.metric
        for part in all_parts(rows, "f1_macro", known)
        if part.dimension == "f1 by label"
    }
    assert found == {name: f"f1/{name}" for name in ("business", "culture", "sports")}


def test_an_entity_type_has_its_own_metric_and_counts_rows_that_hold_one() -> None:
    spans = [[(0, 1, "PER"), (2, 3, "PER")], [(0, 1, "LOC")], [], [(0, 1, "PER")]]
    rows = pa.table({"text": ["a b"] * 4, "entities": found_entities(spans)["entities"]})
    by_class = class_metrics(rows, "f1", ("f1", "f1/LOC", "f1/PER"))
    large, small = parts(rows, (TEXT, ENTITIES), by_class)
    assert large == []
    found = {part.value: (part.metric, part.rows.tolist()) for part in small}
    assert found == {"LOC": ("f1/LOC", [1]), "PER": ("f1/PER", [0, 3])}


def test_columns_of_few_values_divide_and_others_do_not() -> None:
    rows = news(
        60,
        source=["wire", "blog", None] * 20,
        page=[number % 2 for number in range(60)],
        group=[str(number) for number in range(60)],
        constant=["same"] * 60,
    )
    found = all_parts(rows)
    assert set(by_dimension(found, "source")) == {"blog", "wire"}
    assert by_dimension(found, "page")["1"] == list(range(1, 60, 2))
    assert by_dimension(found, "group") == by_dimension(found, "constant") == {}


def test_a_row_of_several_tags_belongs_to_several_slices() -> None:
    tags = [["tags=law", "tags=money"], ["tags=law"], ["tags=none"]] * 20
    rows = pa.table({"text": ["a text"] * 60, "slices": tags})
    found = all_parts(rows)
    assert by_dimension(found, "tags")["law"] == [n for n in range(60) if n % 3 < 2]
    assert {part.value for part in found if part.dimension == "tags"} == {"law", "money", "none"}


def test_scripts_divide_texts_in_several_languages() -> None:
    texts = ["Hello there", "你好吗", "こんにちは世界", "Привет", "12 + 7", "Tokyo 東京 is big"]
    rows = pa.table({"text": texts, "label": ["a", "b"] * 3})
    found = by_dimension(all_parts(rows), "language")
    assert found == {
        "Latin script": [0, 5],
        "Han script": [1],
        "Kana script": [2],
        "Cyrillic script": [3],
    }
    assert main_scripts(rows["text"])[4] == -1


def test_small_parts_are_set_apart() -> None:
    rows = news(60, source=["wire"] * 45 + ["blog"] * 15)
    large, small = parts(rows, CLASSIFICATION, {})
    assert "wire" in by_dimension(large, "source")
    assert "blog" in by_dimension(small, "source")
    assert min(len(part.rows) for part in large) >= 20


def test_rows_of_parts_are_numbers_that_tables_take() -> None:
    rows = news(60)
    for part in all_parts(rows):
        assert rows.take(pa.array(part.rows)).num_rows == len(part.rows)
        assert np.all(np.diff(part.rows) > 0)


def test_a_label_of_sets_is_the_rows_that_have_it() -> None:
    sets = [["a", "b"], ["a"], [], ["b"]] * 10
    rows = pa.table({"text": ["x"] * 40, "labels": pa.array(sets, pa.list_(pa.string()))})
    by_class = class_metrics(rows, "f1_micro", ("f1_micro", "f1/a", "f1/b"))
    assert by_class == {"a": "f1/a", "b": "f1/b"}
    found, _ = parts(rows, (TEXT,), by_class)
    assert by_dimension(found, "f1 by label")["a"] == [n for n in range(40) if n % 4 < 2]
    found, _ = parts(rows, (TEXT,), {})
    assert by_dimension(found, "label")["b"] == [n for n in range(40) if n % 4 in {0, 3}]
