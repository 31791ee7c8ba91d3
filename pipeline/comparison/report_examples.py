"""The examples on which groups differ, in the HTML report."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.comparison.report_words import badge, known, percent
from pipeline.comparison.result import Comparison, Disagreement, Example
from pipeline.data.quality.finding import count_of
from pipeline.reports.html import Html, faint, fold, plain, together

LONGEST_TEXT = 1_200


def disagreements(comparison: Comparison) -> Html:
    """For each group the examples that it gets right and the reference wrong, and the reverse."""
    return together(
        Html(
            _direction(comparison, one, one.other, one.num_other_better, one.other_better)
            + _direction(
                comparison, one, one.reference, one.num_reference_better, one.reference_better
            )
        )
        for one in comparison.disagreements
    )


def _direction(
    comparison: Comparison,
    found: Disagreement,
    better: str,
    count: int,
    examples: Sequence[Example],
) -> Html:
    worse = found.reference if better == found.other else found.other
    first, second = badge(comparison, better), badge(comparison, worse)
    words = f"{first} is more right than {second}"
    if all((one.scores.get(better), one.scores.get(worse)) == (1.0, 0.0) for one in examples):
        words = f"{first} is right and {second} wrong"
    title = Html(f"{words} on {count_of(count, 'example')}")
    if not examples:
        return Html(f'<p class="faint">{title}.</p>')
    rest = count - len(examples)
    more = [faint(f"Shown are {len(examples):,}, the largest differences first.")] if rest else []
    cards = [_card(comparison, example, found) for example in examples]
    return fold(title, together([*more, *cards]))


def _card(comparison: Comparison, example: Example, found: Disagreement) -> Html:
    labels = [found.reference, found.other]
    labels += [group.label for group in comparison.groups if group.label not in labels]
    answers = "".join(
        f"<dt>{badge(comparison, label)}</dt><dd>{_answer(example, label)}</dd>"
        for label in labels
        if label in example.predictions
    )
    right = plain(_cut(example.reference))
    return Html(
        f'<article class="example"><p class="text">{plain(_cut(example.text))}</p>'
        f'<dl><dt class="faint">right answer</dt><dd>{right}</dd>{answers}</dl>'
        f'<p class="faint">{plain(example.row_id)}</p></article>'
    )


def _answer(example: Example, label: str) -> Html:
    score = example.scores.get(label)
    sign, tone, word = "", "faint", ""
    if known(score):
        sign, tone, word = (
            ("✓", "ok", "right")
            if score >= 1
            else ("✕", "error", "wrong")
            if score <= 0
            else ("≈", "warning", f"{percent(round(score, 2))} right")
        )
    mark = f'<span class="mark {tone}" title="{word}">{sign}</span> ' if sign else ""
    partly = f' <small class="faint">{word}</small>' if sign == "≈" else ""
    return Html(f"{mark}{plain(_cut(example.predictions[label]))}{partly}")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} …"
