"""Numbers and times in words."""

from __future__ import annotations

import pytest

from pipeline.reports.words import alike, capital, duration, listed, metric


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (0.42, "0.4 s"),
        (12.3, "12 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (3720, "1 h 02 min"),
        (86_399, "1 d 00 h"),
        (183_600, "2 d 03 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.943, "0.9430"),
        (0.0, "0.0000"),
        (0.00012, "0.00012"),
        (12.3456, "12.35"),
        (22.7e6, "22,700,000"),
    ],
)
def test_metrics_line_up(value: float, words: str) -> None:
    assert metric(value) == words


def test_numbers_that_stand_together_have_the_same_decimals() -> None:
    assert alike([0.0131, 0.0042, 0.0219]) == ["0.013", "0.004", "0.022"]
    assert alike([0.0004, -0.02, 0.02]) == ["0.0004", "-0.0200", "0.0200"]
    assert alike([0.0, 0.0]) == ["0.0000", "0.0000"]


def test_words_become_sentences() -> None:
    assert capital("the seeds show nothing") == "The seeds show nothing."
    assert capital("Done.") == "Done."
    assert [listed([]), listed("a"), listed("ab"), listed("abc")] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
