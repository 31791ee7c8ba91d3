from __future__ import annotations

from typing import Any

import pytest

from pipeline.config.data import DataConfig, LabelsConfig
from pipeline.data.labels import LabelMapper
from pipeline.data.mapping import RowMapper
from pipeline.data.rules import RuleError
from pipeline.data.sources.raw import RawRows
from pipeline.errors import ConfigError, DataError
from pipeline.tasks.base import ENTITIES, LABEL, TEXT, Column

LABELLED, MARKED = (TEXT, LABEL), (TEXT, ENTITIES)
TAGGED = (TEXT, Column("labels", "labels", is_target=True))


def config(**values: Any) -> DataConfig:
    return DataConfig.model_validate(
        {"files": {"all": {"path": "data/a.csv"}}, **values}, strict=False
    )


def mapped(
    raw: dict[str, list[Any]],
    columns_read: tuple[Column, ...] = LABELLED,
    kind: str | None = "csv",
    **values: Any,
) -> tuple[list[dict[str, Any]], RowMapper]:
    mapper = RowMapper(config(**values), kind, columns_read)
    count = len(next(iter(raw.values())))
    rows = RawRows(raw, range(2, 2 + count), row_per_token=kind == "conll")
    return mapper.table(rows, "a.csv").to_pylist(), mapper


def test_mapped_columns_get_our_names_and_ids_name_file_and_row() -> None:
    rows, _ = mapped(
        {"review": ["x", "y"], "stars": ["good", "bad"]},
        columns={"text": "review", "label": "stars"},
    )
    assert rows == [
        {"id": "a.csv:2", "text": "x", "label": "good"},
        {"id": "a.csv:3", "text": "y", "label": "bad"},
    ]


def test_id_and_group_are_kept_where_they_are() -> None:
    columns: dict[str, list[Any]] = {
        "text": ["x", "y"],
        "label": ["a", "b"],
        "id": [7, None],
        "site": ["u", 3],
    }
    rows, mapper = mapped(columns, columns={"group": "site"})
    assert [(row["id"], row["group"]) for row in rows] == [("7", "u"), ("a.csv:3", "3")]
    assert mapper.wanted.optional == ("site", "id")


def test_rows_without_text_or_label_and_rows_of_white_space_are_left_out_and_counted() -> None:
    columns = {"text": ["x", None, "y", " \t\n", "", "z"], "label": ["a", "a", None, "a", "a", ""]}
    rows, mapper = mapped(columns)
    assert [row["text"] for row in rows] == ["x"]
    assert mapper.dropped == {"null": 3, "empty": 2}


def test_a_text_that_is_no_string_names_its_row() -> None:
    with pytest.raises(DataError, match=r"a.csv, row 3: the text must be a string, got 5"):
        mapped({"text": ["x", 5], "label": ["a", "b"]})


def test_half_of_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(DataError, match="surrogate pair"):
        mapped({"text": ["bad \ud83d half"], "label": ["a"]})


def test_a_mapping_of_a_column_that_nobody_reads_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"data\.columns\.txt") as caught:
        mapped({"text": ["x"], "label": ["a"]}, columns={"txt": "review"})
    assert "did you mean 'text'" in str(caught.value)


def test_columns_of_a_task_of_ones_own_pass_through() -> None:
    columns: dict[str, list[Any]] = {"text": ["x", "y", "z"], "score": [1.5, 2.0, None]}
    rows, mapper = mapped(columns, (TEXT, Column("score", "value", is_target=True)))
    assert [row["score"] for row in rows] == [1.5, 2.0]
    assert mapper.dropped == {"null": 1}
    with pytest.raises(DataError, match="differ in type"):
        mapper.table(RawRows({"text": ["x"], "score": ["high"]}, [9]), "a.csv")


def test_group_split_needs_a_group_in_every_row() -> None:
    with pytest.raises(DataError, match="row 3: the row has no group"):
        mapped(
            {"text": ["x", "y"], "label": ["a", "b"], "group": ["g", None]},
            split={"method": "group"},
        )


@pytest.mark.parametrize("value", [[[0, 4, "PER"]], [{"start": 0, "end": 4, "type": "PER"}]])
def test_entities_are_spans_and_types_can_be_renamed(value: Any) -> None:
    rows, _ = mapped(
        {"text": ["Anna"], "spans": [value]},
        MARKED,
        columns={"entities": "spans"},
        labels={"map": {"PER": "person"}},
    )
    assert rows[0]["entities"] == [{"start": 0, "end": 4, "type": "person"}]


def test_span_json_reads_entities_from_the_column_label() -> None:
    rows, mapper = mapped(
        {"text": ["银行在北京", "无"], "label": [{"address": {"北京": [[3, 4]]}}, None]},
        MARKED,
        "span_json",
        format={"span_end": "inclusive"},
    )
    assert rows[0]["entities"] == [{"start": 3, "end": 5, "type": "address"}]
    assert mapper.dropped == {"null": 1}


def test_entities_of_a_type_that_is_mapped_to_nothing_are_left_out() -> None:
    spans = [[[0, 4, "PER"], [8, 12, "MISC"]]]
    rows, _ = mapped(
        {"text": ["Anna of Rome"], "entities": spans}, MARKED, labels={"map": {"MISC": None}}
    )
    assert rows[0]["entities"] == [{"start": 0, "end": 4, "type": "PER"}]


def test_overlapping_entities_that_are_left_out_are_counted() -> None:
    _, mapper = mapped(
        {"text": ["Anna of Rome"], "entities": [[[0, 12, "WORK"], [0, 4, "PER"]]]},
        MARKED,
        format={"overlapping_entities": "longest"},
    )
    assert mapper.report() == [{"step": "overlapping entities", "entities_removed": 1}]


def test_tokens_and_tags_make_text_and_entities() -> None:
    columns = {"tokens": [["北", "京", "人"]], "tags": [["B-LOC", "E-LOC", "O"]]}
    rows, mapper = mapped(
        columns, MARKED, "conll", format={"tagging_scheme": "BMES", "token_separator": ""}
    )
    assert rows[0]["text"] == "北京人"
    assert rows[0]["entities"] == [{"start": 0, "end": 2, "type": "LOC"}]
    assert mapper.report() == []


def test_a_broken_tag_names_its_own_line() -> None:
    columns = {"tokens": [["a", "b"], ["c", "d"]], "tags": [["O", "O"], ["O", "I-X"]]}
    with pytest.raises(DataError, match=r"a\.csv, row 4: the tag 'I-X' follows 'O'"):
        mapped(columns, MARKED, "conll")
    rows, mapper = mapped(columns, MARKED, "conll", format={"broken_tags": "mend"})
    assert rows[1]["entities"] == [{"start": 2, "end": 3, "type": "X"}]
    assert mapper.report() == [{"step": "broken tags", "rows_mended": 1}]


def test_a_text_task_can_read_tokens() -> None:
    rows, _ = mapped(
        {"words": [["one", "two"]], "label": ["a"]}, columns={"tokens": "words"}, kind="jsonl"
    )
    assert rows[0]["text"] == "one two"


def label(raw: Any, **options: Any) -> str | None:
    return LabelMapper(LabelsConfig(**options)).name_of(raw)


@pytest.mark.parametrize(
    ("raw", "options", "expected"),
    [
        (" spam ", {}, "spam"),
        (3, {}, "3"),
        (True, {}, "true"),
        (1.0, {}, "1"),
        (0.5, {}, "0.5"),
        (None, {}, None),
        ("", {}, None),
        (float("nan"), {}, None),
        (1, {"names": ("other", "sports")}, "sports"),
        ("1", {"names": ("other", "sports")}, "sports"),
        (1.0, {"names": ("other", "sports")}, "sports"),
        (False, {"names": ("other", "sports")}, "other"),
        ("sports", {"names": ("other", "sports")}, "sports"),
        ("1", {"names": ("1", "0")}, "1"),
        (115, {"map": {"115": "farming"}}, "farming"),
        ("pos", {"map": {"pos": "good", "great": "good"}, "names": ("bad", "good")}, "good"),
        (-1, {"map": {"-1": None}, "names": ("other", "sports")}, None),
        ("sports", {"positive": "sports"}, "sports"),
        ("health", {"positive": "sports"}, "other"),
        ("health", {"positive": "sports", "negative_name": "rest"}, "rest"),
        (2, {"names": ("a", "b", "c"), "positive": "c"}, "c"),
        (None, {"positive": "sports"}, None),
    ],
)
def test_raw_labels_have_names(raw: Any, options: dict[str, Any], expected: str | None) -> None:
    assert label(raw, **options) == expected


@pytest.mark.parametrize(
    ("raw", "message", "remedy"),
    [
        ("sprots", "'sprots' is not among", "did you mean 'sports'"),
        (2, r"label 2 has no name: data\.labels\.names has 2", "name all classes"),
        (-1, "label -1 has no name", 'data.labels.map: {"-1": null}'),
        (["x"], r"got \['x'\]", "data.columns.label"),
    ],
)
def test_unknown_labels_are_refused(raw: Any, message: str, remedy: str) -> None:
    with pytest.raises(RuleError, match=message) as caught:
        label(raw, names=("other", "sports"))
    assert remedy in caught.value.remedy


def test_an_unknown_label_names_file_and_row() -> None:
    with pytest.raises(DataError, match=r"a\.csv, row 3: the label 'c' is not among"):
        mapped({"text": ["x", "y"], "label": ["a", "c"]}, labels={"names": ["a", "b"]})


def test_label_names_follow_from_the_config() -> None:
    assert LabelMapper(LabelsConfig()).configured_names is None
    assert LabelMapper(LabelsConfig(names=("b", "a"))).configured_names == ("b", "a")
    binary = LabelMapper(LabelsConfig(positive="sports"))
    assert binary.configured_names == ("other", "sports"), "the positive class has id 1"


def test_a_positive_class_that_never_occurs_is_refused() -> None:
    _, mapper = mapped({"text": ["x"], "label": ["a"]}, labels={"positive": "sport"})
    with pytest.raises(DataError, match=r"no row has the label 'sport'"):
        mapper.check_positive()


def test_columns_for_slices_are_kept_as_texts_whatever_they_hold() -> None:
    columns: dict[str, list[Any]] = {
        "text": ["x", "y", "z"],
        "label": ["a", "b", "a"],
        "tags": [["law", "money"], [], None],
        "breaking": [True, 0, None],
    }
    rows, _ = mapped(columns, slices=["tags", "breaking"])
    assert [row["slices"] for row in rows] == [
        ["tags=law", "tags=money", "breaking=true"],
        ["tags=none", "breaking=0"],
        ["tags=none", "breaking=none"],
    ]
    with pytest.raises(DataError, match=r"data\.slices holds words or numbers"):
        mapped({"text": ["x"], "label": ["a"], "meta": [{"k": 1}]}, slices=["meta"])


def test_a_missing_column_for_slices_is_named_with_its_key() -> None:
    _, mapper = mapped({"text": ["x"], "label": ["a"], "tags": [["b"]]}, slices=["tags"])
    with pytest.raises(DataError, match=r"no column 'tags', which data\.slices\[0\] reads"):
        mapper.wanted.choose(["text", "label"], "a.csv")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("law; money;law", ["law", "money"]),
        ([0, 2], ["law", "youth"]),
        ([1, 0, 1], ["law", "youth"]),
        ([0.0, 1.0, 0.0], ["money"]),
        ([True, False, False], ["law"]),
        ("0;0;1", ["youth"]),
        ([0, 0, 0], []),
        ("", []),
    ],
)
def test_a_set_of_labels_is_names_ids_or_a_0_or_1_for_each(raw: Any, expected: list[str]) -> None:
    labels = {"names": ["law", "money", "youth"], "separator": ";"}
    rows, _ = mapped({"text": ["x"], "labels": [raw]}, TAGGED, labels=labels)
    assert rows[0]["labels"] == expected


@pytest.mark.parametrize("names", [None, ["law", "money"]])
def test_a_0_or_1_for_each_label_needs_the_names_of_all(names: list[str] | None) -> None:
    with pytest.raises(DataError, match="0 or 1 for each of 3 labels") as caught:
        mapped({"text": ["x"], "labels": [[0, 0, 1]]}, TAGGED, labels={"names": names})
    assert "data.labels.names, in this order" in str(caught.value.remedy)


def test_columns_of_0_and_1_are_a_set_of_labels() -> None:
    columns: dict[str, list[Any]] = {
        "text": ["w", "x", "y", "z"],
        "law": ["1", 0, True, None],
        "money": ["1.0", "0", "", None],
    }
    rows, mapper = mapped(columns, TAGGED, labels={"columns": ["law", "money"]})
    assert [row["labels"] for row in rows] == [["law", "money"], [], ["law"]]
    assert mapper.dropped == {"null": 1}
    with pytest.raises(DataError, match=r"'money' holds 'maybe'"):
        mapped({**columns, "money": ["maybe"] * 4}, TAGGED, labels={"columns": ["law", "money"]})
    with pytest.raises(DataError, match=r"no column 'money', which data\.labels\.columns\[1\]"):
        mapper.wanted.choose(["text", "law"], "a.csv")


def test_numbers_that_tables_leave_out_are_missing() -> None:
    columns: dict[str, list[Any]] = {
        "text": ["u", "v", "w", "x", "y", "z"],
        "target": ["4.5", "NA", "n/a", " ", float("nan"), 3],
    }
    numbered = (TEXT, Column("target", "number", is_target=True))
    rows, mapper = mapped(columns, numbered)
    assert [row["target"] for row in rows] == [4.5, 3.0]
    assert mapper.dropped == {"null": 4}
    with pytest.raises(DataError, match=r"must be a finite number, got '4,5'"):
        mapped({"text": ["x"], "target": ["4,5"]}, numbered)
