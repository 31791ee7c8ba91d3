from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.data import FormatConfig
from pipeline.data.entities import Entity, read_entities
from pipeline.data.rules import RuleError
from pipeline.data.tags import entities_of_tags

TEXT = "Anna lives in Rome"
ANNA, ROME = Entity(0, 4, "PER"), Entity(14, 18, "LOC")


@pytest.mark.parametrize(
    "value",
    [
        [[14, 18, "LOC"], [0, 4, "PER"]],
        [{"start": 0, "end": 4, "type": "PER"}, {"start": 14, "end": 18, "label": "LOC"}],
        {"PER": {"Anna": [[0, 4]]}, "LOC": {"Rome": [[14, 18]]}},
    ],
)
def test_all_shapes_of_spans_mean_the_same(value: Any) -> None:
    assert read_entities(value, TEXT, FormatConfig()) == ([ANNA, ROME], 0)


def test_inclusive_ends_are_moved_behind_the_last_character() -> None:
    value = {"PER": {"Anna": [[0, 3]]}, "LOC": {"Rome": [[14, 17]]}}
    inclusive = FormatConfig(span_end="inclusive")
    assert read_entities(value, TEXT, inclusive) == ([ANNA, ROME], 0)


@pytest.mark.parametrize("empty", [[], {}, {"PER": {}}])
def test_a_text_may_have_no_entities(empty: Any) -> None:
    assert read_entities(empty, TEXT, FormatConfig()) == ([], 0)


@pytest.mark.parametrize(
    ("value", "span_end", "message", "remedy"),
    [
        ([[14, 19, "LOC"]], "exclusive", "outside the text, which has 18", "count characters"),
        ([[-1, 4, "PER"]], "exclusive", "outside the text", "count characters"),
        ([[14, 18, "LOC"]], "inclusive", "outside the text", "span_end=exclusive"),
        ([[4, 0, "PER"]], "exclusive", "ends before it starts", "count characters"),
        ([[4, 4, "PER"]], "exclusive", "ends before it starts", "span_end=inclusive"),
        ({"PER": {"Anna": [[0, 3]]}}, "exclusive", "'Ann' in the text", "span_end=inclusive"),
        ({"PER": {"Anna": [[0, 4]]}}, "inclusive", "'Anna ' in the text", "span_end=exclusive"),
        ({"PER": {"Otto": [[0, 4]]}}, "exclusive", "the file says 'Otto'", "count characters"),
        ([[0, 4.5, "PER"]], "exclusive", "whole numbers", "correct"),
        ([[0, 4, None]], "exclusive", "type must be a string", "correct"),
        ([[0, 4]], "exclusive", r"list of \[start, end, type\]", "data.columns.entities"),
        ("PER", "exclusive", r"list of \[start, end, type\]", "data.columns.entities"),
        ({"PER": [[0, 4]]}, "exclusive", r"list of \[start", "data.columns.entities"),
        ({"PER": {"Anna": [0, 4]}}, "exclusive", r"list of \[start", "data.columns.entities"),
        ([[0, 4, "PER"], [3, 9, "LOC"]], "exclusive", "overlap", "overlapping_entities=longest"),
    ],
)
def test_spans_that_break_a_rule_name_it(
    value: Any, span_end: Any, message: str, remedy: str
) -> None:
    with pytest.raises(RuleError, match=message) as caught:
        read_entities(value, TEXT, FormatConfig(span_end=span_end))
    assert remedy in caught.value.remedy


def test_of_overlapping_entities_the_longest_can_be_kept() -> None:
    value = [[0, 4, "PER"], [0, 10, "WORK"], [14, 18, "LOC"], [14, 18, "LOC"]]
    longest = FormatConfig(overlapping_entities="longest")
    assert read_entities(value, TEXT, longest) == ([Entity(0, 10, "WORK"), ROME], 1)


def tagged(tags: str, scheme: str, *, mend: bool = False, separator: str = "") -> Any:
    return entities_of_tags(
        list("abcdefgh"[: len(tags.split())]),
        tags.split(),
        scheme=scheme,
        separator=separator,
        mend=mend,
    )


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("B-X I-X O B-Y B-X", "BIO"),
        ("B-X E-X O S-Y S-X", "BIOES"),
        ("B-X E-X O S-Y S-X", "BMES"),
    ],
)
def test_every_scheme_says_where_entities_are(tags: str, scheme: str) -> None:
    expected = [Entity(0, 2, "X"), Entity(3, 4, "Y"), Entity(4, 5, "X")]
    assert tagged(tags, scheme) == ("abcde", expected, False)
    text, spaced, _ = tagged(tags, scheme, separator=" ")
    assert text == "a b c d e"
    assert [text[one.start : one.end] for one in spaced] == ["a b", "d", "e"]


def test_a_type_may_hold_a_hyphen() -> None:
    assert tagged("B-X-Y I-X-Y", "BIO")[1] == [Entity(0, 2, "X-Y")]


@pytest.mark.parametrize(
    ("tags", "scheme", "place", "message", "remedy"),
    [
        ("O I-X", "BIO", 1, "follows 'O', but an entity must begin with B-X", "correct the tag"),
        ("I-X", "BIO", 0, "stands first", "correct the tag"),
        ("B-X I-Y", "BIO", 1, "must begin with B-Y", "correct the tag"),
        ("B-X M-X E-X", "BIO", 1, "not of the scheme BIO", "tagging_scheme=BMES"),
        ("B-X I-X E-X", "BIO", 2, "not of the scheme BIO", "tagging_scheme=BIOES"),
        ("B-X I-X O", "BMES", 1, "not of the scheme BMES", "tagging_scheme=BIO"),
        ("B-X M-X E-X", "BIOES", 1, "not of the scheme BIOES", "tagging_scheme=BMES"),
        ("O B-X O", "BMES", 2, "must end with E-X", "tagging_scheme=BIO"),
        ("B-X M-X", "BMES", 1, "ends with the tag 'M-X'", "broken_tags=mend"),
        ("O E-X", "BMES", 1, "must begin with B-X", "broken_tags=mend"),
        ("B-X M-Y E-Y", "BMES", 1, "must end with E-X", "broken_tags=mend"),
        ("X", "BIO", 0, "not of the scheme", "correct the tag"),
        ("B-", "BIO", 0, "not of the scheme", "correct the tag"),
    ],
)
def test_broken_tags_name_the_line_and_the_remedy(
    tags: str, scheme: str, place: int, message: str, remedy: str
) -> None:
    with pytest.raises(RuleError, match=message) as caught:
        tagged(tags, scheme)
    assert caught.value.shift == place
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("tags", "scheme", "spans"),
    [
        ("O I-X I-X", "BIO", [(1, 3, "X")]),
        ("B-X I-Y", "BIO", [(0, 1, "X"), (1, 2, "Y")]),
        ("M-X E-X B-Y", "BMES", [(0, 2, "X"), (2, 3, "Y")]),
        ("B-X O E-X", "BMES", [(0, 1, "X"), (2, 3, "X")]),
    ],
)
def test_broken_tags_can_be_mended(
    tags: str, scheme: str, spans: list[tuple[int, int, str]]
) -> None:
    _, entities, mended = tagged(tags, scheme, mend=True)
    assert entities == [Entity(*span) for span in spans]
    assert mended


def test_tokens_and_tags_must_pair() -> None:
    with pytest.raises(RuleError, match="2 tokens have 1 tags"):
        entities_of_tags(["a", "b"], ["O"], scheme="BIO", separator=" ")
    with pytest.raises(RuleError, match="must be a string such as B-PER, got 3"):
        entities_of_tags(["a"], [3], scheme="BIO", separator=" ")
    with pytest.raises(RuleError, match="a token must be a string"):
        entities_of_tags([None], ["O"], scheme="BIO", separator=" ")


WORDS = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=8)


@given(words=WORDS, data=st.data(), scheme=st.sampled_from(["BIO", "BIOES", "BMES"]))
def test_tags_written_from_spans_are_read_back(
    words: list[str], data: st.DataObject, scheme: str
) -> None:
    tags: list[str] = []
    spans: list[tuple[int, int]] = []
    while len(tags) < len(words):
        length = data.draw(st.integers(0, min(3, len(words) - len(tags))))
        if length == 0:
            tags.append("O")
            continue
        spans.append((len(tags), len(tags) + length))
        inside = "M" if scheme == "BMES" else "I"
        closed = "S" if length == 1 else "B" + inside * (length - 2) + "E"
        letters = "B" + "I" * (length - 1) if scheme == "BIO" else closed
        tags += [f"{letter}-X" for letter in letters]
    text, entities, mended = entities_of_tags(words, tags, scheme=scheme, separator=" ")
    assert not mended
    assert [text[one.start : one.end] for one in entities] == [
        " ".join(words[start:end]) for start, end in spans
    ]
