from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.errors import DataError
from pipeline.models.saving import save_model
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.base import IGNORE_INDEX, Arrays, Batch, Task
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from pipeline.tasks.spans import ENTITIES, SpanColumn
from pipeline.tasks.tagging import entity_types, read_entities, tag_names, token_tags
from pipeline.tasks.tensors import to_tensors
from tests.checkpoints import MakeCheckpoint
from tests.task_contract import HandComputed, Source, TaskContract

torch.set_num_threads(1)

Span = tuple[int, int, str]
RAW_ENTITIES = pa.list_(
    pa.struct([("start", pa.int32()), ("end", pa.int32()), ("type", pa.string())])
)


def annotated(examples: list[tuple[str, list[Span]]]) -> pa.Table:
    spans = [
        [{"start": start, "end": end, "type": kind} for start, end, kind in entities]
        for _, entities in examples
    ]
    return pa.table(
        {
            "id": [f"r{i}" for i in range(len(examples))],
            "text": pa.array([text for text, _ in examples], pa.string()),
            "entities": pa.array(spans, RAW_ENTITIES),
        }
    )


def predicted(rows: list[list[Span]]) -> pa.Table:
    entities = [
        [{"start": start, "end": end, "type": kind, "score": 1.0} for start, end, kind in row]
        for row in rows
    ]
    return pa.table({"entities": pa.array(entities, ENTITIES)})


def spans_of(column: Any) -> list[list[Span]]:
    return [
        [(entity["start"], entity["end"], entity["type"]) for entity in row]
        for row in column.to_pylist()
    ]


def task_with(**options: Any) -> Task:
    return load_task("token_classification", options)


class TestBio(TaskContract):
    kind = "token_classification"

    def rows(self) -> pa.Table:
        return annotated(
            [
                ("home team won the match", [(0, 9, "ORG"), (18, 23, "EVT")]),
                ("last 球赛", [(5, 7, "EVT")]),
                ("the team", [(4, 8, "ORG")]),
                ("in the last minute by home", []),
            ]
        )

    def hand_computed(self) -> HandComputed:
        rows = annotated(
            [
                ("aa bb cc", [(0, 2, "LOC"), (3, 5, "PER")]),
                ("aa", [(0, 2, "PER")]),
                ("bb", []),
            ]
        )
        predictions = predicted([[(0, 2, "LOC"), (3, 8, "PER")], [(0, 2, "LOC")], [(0, 2, "PER")]])
        expected = {
            "precision": 1 / 4,
            "recall": 1 / 3,
            "f1": 2 / 7,
            "f1/LOC": 2 / 3,
            "f1/PER": 0.0,
            "f1_macro": 1 / 3,
            "precision/LOC": 1 / 2,
            "recall/LOC": 1.0,
        }
        names = tag_names(["LOC", "PER"], "bio")
        return HandComputed(predictions, rows, names, expected, scores=(1 / 2, 0, 0))


class TestBioes(TestBio):
    options: ClassVar[dict[str, Any]] = {"scheme": "bioes"}


def offsets_of(rows: list[list[tuple[int, int]]]) -> pa.Array:
    return pa.array([[end for pair in row for end in pair] for row in rows], pa.list_(pa.int32()))


WORDS = offsets_of([[(0, 0), (0, 2), (3, 5), (6, 8), (9, 11), (0, 0)]])
"""Tokens of "aa bb cc dd" between two special tokens."""


def tags_for(entities: list[Span], scheme: Any = "bio", offsets: pa.Array = WORDS) -> list[Any]:
    spans = SpanColumn(annotated([("aa bb cc dd", entities)]))
    names = tag_names(["A", "B"], scheme)
    (row,) = token_tags(spans, offsets, ["A", "B"], scheme).to_pylist()
    return ["-" if tag == IGNORE_INDEX else names[tag] for tag in row]


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("bio", ["-", "B-A", "I-A", "I-A", "B-B", "-"]),
        ("bioes", ["-", "B-A", "I-A", "E-A", "S-B", "-"]),
    ],
)
def test_entities_become_tags(scheme: str, tags: list[str]) -> None:
    assert tags_for([(9, 11, "B"), (0, 8, "A")], scheme) == tags


def test_adjacent_entities_of_one_type_stay_apart() -> None:
    assert tags_for([(0, 2, "A"), (3, 8, "A")]) == ["-", "B-A", "B-A", "I-A", "O", "-"]


def test_a_token_that_an_entity_covers_in_part_is_tagged() -> None:
    assert tags_for([(1, 4, "A")]) == ["-", "B-A", "I-A", "O", "O", "-"]


def test_a_token_that_two_entities_share_belongs_to_the_first() -> None:
    assert tags_for([(3, 4, "A"), (4, 8, "B")]) == ["-", "O", "B-A", "B-B", "O", "-"]


def test_an_entity_cut_by_truncation_keeps_what_is_left() -> None:
    kept = offsets_of([[(0, 0), (0, 2), (3, 5), (0, 0)]])
    assert tags_for([(3, 11, "A")], "bioes", kept) == ["-", "O", "S-A", "-"]
    assert tags_for([(6, 11, "A")], "bioes", kept) == ["-", "O", "O", "-"]


def test_an_entity_between_tokens_is_nowhere() -> None:
    assert tags_for([(2, 3, "A")]) == ["-", "O", "O", "O", "O", "-"]


def test_entities_of_one_row_do_not_reach_the_next() -> None:
    rows = annotated([("aa bb", [(3, 5, "A")]), ("aa bb", []), ("aa bb", [(0, 2, "A")])])
    offsets = offsets_of([[(0, 2), (3, 5)]] * 3)
    tags = token_tags(SpanColumn(rows), offsets, ["A"], "bio").to_pylist()
    assert tags == [[0, 1], [0, 0], [1, 0]]


def read(
    tags: list[str], text: str = "aa bb cc dd", offsets: pa.Array = WORDS
) -> list[dict[str, Any]]:
    """Entities of one row's tags; special tokens get a tag that would be an entity."""
    names = tag_names(["A", "B"], "bioes")
    ids = np.array([names.index("S-B" if tag == "-" else tag) for tag in tags])
    scores = np.linspace(0.5, 1.0, len(ids))
    (row,) = read_entities(ids, scores, offsets, pa.array([text]), names).to_pylist()
    result: list[dict[str, Any]] = row
    return result


@pytest.mark.parametrize(
    ("tags", "entities"),
    [
        (["B-A", "I-A", "O", "B-B"], [(0, 5, "A"), (9, 11, "B")]),
        (["O", "I-A", "I-A", "O"], [(3, 8, "A")]),
        (["B-A", "I-B", "I-B", "O"], [(0, 2, "A"), (3, 8, "B")]),
        (["I-A", "B-A", "I-A", "I-A"], [(0, 2, "A"), (3, 11, "A")]),
        (["B-A", "E-A", "I-A", "S-A"], [(0, 5, "A"), (6, 8, "A"), (9, 11, "A")]),
        (["S-A", "E-A", "O", "E-B"], [(0, 2, "A"), (3, 5, "A"), (9, 11, "B")]),
        (["O", "O", "O", "O"], []),
    ],
)
def test_tags_are_read_as_conlleval_reads_them(tags: list[str], entities: list[Span]) -> None:
    found = read(["-", *tags, "-"])
    assert [(entity["start"], entity["end"], entity["type"]) for entity in found] == entities


def by_conlleval(tags: list[str]) -> list[tuple[int, int, str]]:
    """First and last token of each entity, read tag by tag with conlleval's two rules."""
    found: list[tuple[int, int, str]] = []
    previous, previous_kind, begin = "O", "", 0
    for position, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        ends = previous in "ES" or (previous != "O" and (prefix in "BSO" or kind != previous_kind))
        if ends and previous != "O":
            found.append((begin, position - 1, previous_kind))
        if prefix != "O" and (prefix in "BS" or previous in "ESO" or kind != previous_kind):
            begin = position
        previous, previous_kind = prefix, kind
    return found


def test_random_tags_are_read_as_conlleval_reads_them() -> None:
    generator = np.random.default_rng(0)
    names = tag_names(["A", "B"], "bioes")
    lengths = generator.integers(0, 9, 300)
    rows = [generator.integers(0, len(names), length) for length in lengths]
    offsets = offsets_of([[(2 * i, 2 * i + 1) for i in range(len(row))] for row in rows])
    ids = np.concatenate(rows)
    texts = pa.array(["x " * 9] * len(rows))

    found = read_entities(ids, np.ones(len(ids)), offsets, texts, names)

    expected = [
        [(2 * a, 2 * b + 1, kind) for a, b, kind in by_conlleval([names[i] for i in row])]
        for row in rows
    ]
    assert spans_of(found) == expected
    assert sum(map(len, expected)) > 500


def test_an_entitys_score_is_the_mean_over_its_tokens() -> None:
    (entity,) = read(["-", "O", "B-A", "I-A", "O", "-"])
    assert entity["score"] == pytest.approx((0.7 + 0.8) / 2)


def test_white_space_at_the_ends_of_an_entity_is_left_out() -> None:
    offsets = offsets_of([[(0, 2), (2, 5), (5, 8)]])
    (entity,) = read(["O", "B-A", "O"], "aa bb cc", offsets)
    assert (entity["start"], entity["end"]) == (3, 5)
    assert read(["O", "B-A", "O"], "aa" + " " * 6, offsets) == []


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_tags_of_entities_read_back_are_those_entities(
    make_checkpoint: MakeCheckpoint, kind: str, scheme: str
) -> None:
    tokenizer = load_tokenizer(make_checkpoint(kind))
    rows = annotated(
        [
            ("the home team won 球赛 by the team", [(4, 13, "B"), (18, 20, "A"), (24, 32, "B")]),
            ("球赛", [(0, 1, "A"), (1, 2, "A")]),
            ("minute by minute", []),
            ("naïve 𝔸 team — ﬁn", [(6, 12, "A"), (15, 17, "B")]),
        ]
    )
    task = task_with(scheme=scheme)
    names = task.label_names(rows, None)
    encoded = task.encode(rows, Processor(tokenizer), names, max_length=64)
    for name in encoded.column_names:
        rows = rows.append_column(name, encoded[name])
    batch = task.collate(rows, pad_token_id=tokenizer.pad_token_id, pad_to_multiple_of=8)
    logits = 9.0 * np.eye(len(names))[np.maximum(batch["labels"], 0)]

    predictions = task.decode({"logits": logits}, rows, names)

    assert spans_of(predictions["entities"]) == spans_of(rows["entities"])
    assert task.metrics(predictions, rows, names)["f1"].tolist() == [1.0]


def test_a_truncated_entity_counts_as_missed(make_checkpoint: MakeCheckpoint) -> None:
    tokenizer = load_tokenizer(make_checkpoint("bert"))
    rows = annotated([("the team was in the team", [(4, 8, "A"), (20, 24, "A")])])
    task = task_with()
    names = task.label_names(rows, None)
    encoded = task.encode(rows, Processor(tokenizer), names, max_length=5)
    for name in encoded.column_names:
        rows = rows.append_column(name, encoded[name])
    batch = task.collate(rows, pad_token_id=0, pad_to_multiple_of=1)
    logits = 9.0 * np.eye(len(names))[np.maximum(batch["labels"], 0)]
    found = task.metrics(task.decode({"logits": logits}, rows, names), rows, names)
    assert found["precision"].tolist() == [1.0]
    assert found["recall"].tolist() == [0.5]


def test_names_are_tags_of_the_sorted_or_configured_types() -> None:
    rows = annotated([("aa bb", [(0, 2, "B"), (3, 5, "A")])])
    assert task_with().label_names(rows, None) == ("O", "B-A", "I-A", "B-B", "I-B")
    configured = task_with(scheme="bioes").label_names(rows, ["B", "C-D", "A"])
    assert entity_types(configured) == ("B", "C-D", "A")
    assert configured[:5] == ("O", "B-B", "I-B", "E-B", "S-B")


@pytest.mark.parametrize(
    ("entities", "problem"),
    [
        ([(0, 9, "A")], "0 … 9 of type 'A' does not lie in its text"),
        ([(3, 3, "A")], "3 … 3 of type 'A' does not lie in its text"),
        ([(-1, 2, "A")], "-1 … 2 of type 'A' does not lie in its text"),
        ([(0, 4, "A"), (3, 5, "A")], "3 … 5 of type 'A' overlaps the one before"),
        ([(0, 2, "C")], "0 … 2 of type 'C' has a type that the train split does not have"),
    ],
)
def test_an_unsound_entity_is_named_with_its_row(
    make_checkpoint: MakeCheckpoint, entities: list[Span], problem: str
) -> None:
    tokenizer = load_tokenizer(make_checkpoint("bert"))
    rows = annotated([("aa bb", []), ("aa bb", entities)])
    with pytest.raises(DataError, match=problem) as caught:
        task_with().encode(rows, Processor(tokenizer), tag_names(["A"], "bio"), max_length=9)
    assert "'r1'" in str(caught.value)


def test_a_train_split_without_entities_is_refused() -> None:
    with pytest.raises(DataError, match="no entity at all"):
        task_with().label_names(annotated([("aa", []), ("bb", [])]), None)


def test_rows_without_annotation_have_no_entities() -> None:
    rows = annotated([("aa", [(0, 2, "A")]), ("bb", [])])
    missing = pa.array([rows["entities"][0].as_py(), None], RAW_ENTITIES)
    spans = SpanColumn(rows.set_column(2, "entities", missing))
    assert spans.row.tolist() == [0]


def test_the_loss_is_a_mean_over_tokens_and_an_examples_over_its_own() -> None:
    logits = torch.tensor([[[0.0, 1.0], [2.0, 0.0]], [[0.0, 0.0], [5.0, 5.0]]])
    labels = torch.tensor([[1, 0], [0, IGNORE_INDEX]])
    losses = -torch.log_softmax(logits, -1)
    first, second, third = losses[0, 0, 1], losses[0, 1, 0], losses[1, 0, 0]
    found = task_with().loss({"logits": logits}, {"labels": labels})
    torch.testing.assert_close(found, (first + second + third) / 3)
    examples = task_with().example_losses({"logits": logits}, {"labels": labels})
    torch.testing.assert_close(examples, torch.stack([(first + second) / 2, third]))


def test_a_pipeline_of_transformers_finds_the_same_entities(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    from transformers import pipeline

    directory = make_checkpoint("bert", initializer_range=0.5)
    tokenizer = load_tokenizer(directory)
    task = task_with()
    rows = annotated([("the home team won the match", [(4, 13, "A"), (22, 27, "B")])])
    names = task.label_names(rows, None)
    torch.manual_seed(0)
    model = task.build_model(Source(directory, 0), names)
    save_model(model, Processor(tokenizer), tmp_path / "model")
    encoded = task.encode(rows, Processor(tokenizer), names, max_length=32)
    for name in encoded.column_names:
        rows = rows.append_column(name, encoded[name])
    batch = task.collate(rows, pad_token_id=0, pad_to_multiple_of=8)
    with torch.no_grad():
        logits = model(**inputs_of(batch)).logits.double().numpy()
    (ours,) = spans_of(task.decode({"logits": logits}, rows, names)["entities"])

    find: Any = pipeline(
        "token-classification",
        model=str(tmp_path / "model"),
        aggregation_strategy="simple",
        device="cpu",
    )
    theirs = find("the home team won the match")

    assert ours
    assert [(e["start"], e["end"], e["entity_group"]) for e in theirs] == ours


def inputs_of(batch: Arrays) -> Batch:
    return to_tensors({name: array for name, array in batch.items() if name != "labels"})


def test_tags_that_never_follow_each_other_are_unlikely() -> None:
    """Each token for itself would break the name; what was learned travels with the model."""
    names = ("O", "B-PER", "I-PER")
    labels = pa.array([[0, 1, 2, 2, 0], [1, 2, 2, 0, 0]], pa.list_(pa.int32()))
    offsets = pa.array([[0, 1, 1, 2, 2, 3, 3, 4]], pa.list_(pa.int32()))
    rows = pa.table({"text": ["abcd"], "input_ids": [[5, 6, 7, 8]], "offsets": offsets})
    probabilities = np.array([[[0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.5, 0.1, 0.4], [0.2, 0.1, 0.7]]])
    learned, plain, later = (
        load_task("token_classification", options) for options in ({}, {"transitions": 0.0}, {})
    )
    for task in (learned, plain):
        task.fit(pa.table({"labels": labels}), names)
    later.load_state(learned.state())

    def spans(task: Task) -> list[tuple[int, int]]:
        found = task.decode({"logits": np.log(probabilities)}, rows, names)["entities"][0].as_py()
        return [(one["start"], one["end"]) for one in found]

    assert spans(plain) == [(0, 2), (3, 4)]
    assert spans(learned) == spans(later) == [(0, 4)]
