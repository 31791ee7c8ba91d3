"""The most confident mistakes as one HTML file, readable on a phone, in the dark and on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.data.quality.frame import document

LONGEST_TEXT = 1_500
MOST_OTHERS = 3
MARKS = """
mark { color: inherit; border-radius: 3px; padding: 0 .15em; background: none;
  box-decoration-break: clone; -webkit-box-decoration-break: clone;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
mark.right { border-bottom: 3px solid var(--ok); }
mark.missed { border-bottom: 3px dashed var(--warning); }
mark.wrong { border-bottom: 3px double var(--error); }
mark small { color: var(--faint); font-size: .75em; margin-left: .25em; }
.case { --tone: var(--error); } .case .text { font-size: 1.05rem; margin: .4rem 0;
  overflow-wrap: anywhere; white-space: pre-wrap; }
.case h3 { flex-wrap: wrap; } .side { font-weight: 500; color: var(--faint); }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: .6rem 0; }
"""


def mistakes_page(table: pa.Table, label_names: Sequence[str], *, title: str, most: int) -> str:
    """A self-contained page of wrong predictions, the most confident first.

    Labels are ordered by the score of the wrong label, entities by the loss of their row.

    Args:
        table: From `tables.readable_predictions`.
        label_names: Names by label id, in the order of `scores`.
        title: What was evaluated.
        most: How many are shown.
    """
    is_entities = "predicted_entities" in table.column_names
    wrong = _wrong_entities(table) if is_entities else _wrong_labels(table)
    shown = wrong[:most]
    cases = table.take(pa.array(shown, pa.int64())).to_pylist()
    articles = [
        _entity_case(case) if is_entities else _label_case(case, label_names) for case in cases
    ]
    share = len(wrong) / table.num_rows
    order = "by loss" if is_entities else "the most confident first"
    summary = f"{len(wrong):,} of {table.num_rows:,} rows ({share:.1%}) are not right"
    body = [
        f"<h1>Mistakes: {escape(title)}</h1>",
        f'<p class="faint">{summary}. Shown: {len(shown):,}, {order}.</p>',
        _KEY if is_entities and articles else "",
        *articles,
        "" if articles else '<p class="verdict ok"><span class="sign">✓</span> No mistake.</p>',
    ]
    return document(f"Mistakes: {title}", "".join(body), MARKS)


_KEY = (
    '<p class="key"><span><mark class="right">found</mark></span>'
    '<span><mark class="missed">missed</mark></span>'
    '<span><mark class="wrong">wrongly marked</mark></span></p>'
)


def _wrong_labels(table: pa.Table) -> list[int]:
    actual, predicted = table["label"].to_pylist(), table["prediction"].to_pylist()
    scores = table["score"].to_pylist()
    wrong = [row for row in range(table.num_rows) if actual[row] != predicted[row]]
    return sorted(wrong, key=lambda row: -scores[row])


def _wrong_entities(table: pa.Table) -> list[int]:
    pairs = zip(table["entities"].to_pylist(), table["predicted_entities"].to_pylist(), strict=True)
    losses = table["loss"].to_numpy() if "loss" in table.column_names else np.zeros(len(table))
    wrong = [row for row, (gold, found) in enumerate(pairs) if _spans(gold) != _spans(found)]
    return sorted(wrong, key=lambda row: -losses[row])


def _label_case(case: Mapping[str, Any], label_names: Sequence[str]) -> str:
    scores = sorted(zip(case["scores"], label_names, strict=True), reverse=True)
    listed = [(score, name) for score, name in scores[: MOST_OTHERS + 1]]
    actual = next(one for one in scores if one[1] == case["label"])
    if actual not in listed:
        listed.append(actual)
    bars = "".join(
        f'<tr><th scope="row">{escape(name)}{" (actual)" if name == case["label"] else ""}</th>'
        f'<td class="bar"><span style="width:{score:.1%}"></span></td>'
        f'<td class="number">{score:.1%}</td></tr>'
        for score, name in listed
    )
    return _article(
        case,
        f'{escape(case["prediction"])} <span class="side">instead of {escape(case["label"])}'
        f"</span>",
        f"{case['score']:.1%} sure",
        f'<p class="text">{escape(_cut(case["text"]))}</p><table class="bars">{bars}</table>',
    )


def _entity_case(case: Mapping[str, Any]) -> str:
    gold, found = _spans(case["entities"]), _spans(case["predicted_entities"])
    loss = f"loss {case['loss']:.3f}" if "loss" in case else ""
    counts = ", ".join(
        f"{count} {word}"
        for count, word in (
            (len(gold - found), "missed"),
            (len(found - gold), "wrongly marked"),
            (len(gold & found), "found"),
        )
        if count
    )
    lines = [f'<p class="text">{_marked(case["text"], gold & found, gold - found, "missed")}</p>']
    if found - gold:
        lines.append('<p class="faint">The model marked:</p>')
        marked = _marked(case["text"], gold & found, found - gold, "wrong")
        lines.append(f'<p class="text">{marked}</p>')
    return _article(case, escape(counts), loss, "".join(lines))


def _article(case: Mapping[str, Any], heading: str, value: str, body: str) -> str:
    return (
        f'<article class="case"><h3>{heading}<span class="value">{escape(value)}</span></h3>{body}'
        f'<p class="faint">{escape(str(case["id"]))}</p></article>'
    )


Span = tuple[int, int, str]


def _spans(entities: Sequence[Mapping[str, Any]] | None) -> set[Span]:
    return {(one["start"], one["end"], one["type"]) for one in entities or ()}


def _marked(text: str, right: set[Span], others: set[Span], kind: str) -> str:
    """The text with marks around entities; one that begins inside another is left out."""
    pieces, place = [], 0
    spans = [(span, "right") for span in right] + [(span, kind) for span in others]
    for (start, end, name), css in sorted(spans):
        if start < place:
            continue
        pieces.append(escape(text[place:start]))
        pieces.append(
            f'<mark class="{css}">{escape(text[start:end])}<small>{escape(name)}</small></mark>'
        )
        place = end
    return "".join(pieces) + escape(text[place:])


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]} …"
