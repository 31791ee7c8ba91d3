from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.cleaning.characters import Lowercase, Unicode, Whitespace
from pipeline.data.cleaning.step import AlignedStep
from pipeline.export.origins import trace

STEPS: list[AlignedStep] = [Unicode("NFKC"), Whitespace(), Lowercase()]


@pytest.mark.parametrize(
    ("given_text", "cleaned", "found"),
    [
        ("  Anna \t Berg won", "anna berg", "Anna \t Berg"),
        ("the ﬁnal of\nＡＢ", "ab", "ＡＢ"),
        ("the ﬁnal", "final", "ﬁnal"),
        ("İzmir won", "izmir", None),
        ("won", "won", "won"),
    ],
)
def test_a_span_is_found_again_in_the_given_text(
    given_text: str, cleaned: str, found: str | None
) -> None:
    traced = trace(given_text, STEPS)
    place = traced.text.find(cleaned)
    if found is None:  # a dotted capital i becomes two characters, so the plain word is not there
        assert place < 0
        return
    start, end = traced.span(place, place + len(cleaned))
    assert given_text[start:end] == found


@given(st.text(max_size=40))
def test_tracing_cleans_as_the_steps_do_and_stays_in_order(text: str) -> None:
    traced = trace(text, STEPS)
    cleaned = text
    for step in STEPS:
        cleaned = step.apply(cleaned)
    assert traced.text == cleaned
    assert len(traced.starts) == len(traced.ends) == len(cleaned)
    assert list(traced.starts) == sorted(traced.starts)
    assert list(traced.ends) == sorted(traced.ends)
    for place in range(len(cleaned)):
        start, end = traced.span(place, place + 1)
        assert 0 <= start <= end <= len(text)


def test_without_steps_every_character_stands_for_itself() -> None:
    traced = trace("won", [])
    assert (traced.starts, traced.ends) == ((0, 1, 2), (1, 2, 3))


def test_an_inserted_piece_lies_behind_the_character_before() -> None:
    class Spaced:
        def apply(self, text: str) -> str:
            return " ".join(text)

        def pieces(self, text: str) -> list[tuple[int, int, str]]:
            found: list[tuple[int, int, str]] = []
            for place, letter in enumerate(text):
                found += [(place, place, " ")] * (place > 0) + [(place, place + 1, letter)]
            return found

    traced = trace("abc", [Spaced()])
    assert traced.text == "a b c"
    assert traced.span(2, 5) == (1, 3)
    assert traced.span(1, 2) == (1, 1)
