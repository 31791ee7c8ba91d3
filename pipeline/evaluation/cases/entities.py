"""Missed and wrongly marked entities, marked in their text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, ClassVar

import pyarrow as pa

from pipeline.evaluation.cases.base import (
    Case,
    Cases,
    Shown,
    losses,
    not_right,
    shown_loss,
)
from pipeline.evaluation.context import Context
from pipeline.tasks.columns import text_columns

Span = tuple[int, int, str]


class EntityCases(Cases):
    """Rows whose entities are not all found, or with others than theirs, by loss."""

    needs: ClassVar[frozenset[str]] = frozenset({"predicted_entities"})
    key: ClassVar[str] = (
        '<p class="key"><span><mark class="right">found</mark></span>'
        '<span><mark class="missed">missed</mark></span>'
        '<span><mark class="wrong">wrongly marked</mark></span></p>'
    )

    def __init__(self, table: pa.Table, context: Context) -> None:
        assert context.target is not None
        self._table = table
        self._target = context.target.name
        self._text = text_columns(context.columns)[0]

    def shown(self) -> Shown:
        """The wrong rows, the highest loss first."""
        pairs = zip(self._table[self._target].to_pylist(), self._predicted(), strict=True)
        wrong = [row for row, (gold, found) in enumerate(pairs) if _spans(gold) != _spans(found)]
        by_row = losses(self._table)
        wrong.sort(key=lambda row: -by_row[row])
        return Shown(wrong, not_right(len(wrong), self._table.num_rows), "by loss")

    def case(self, row: Mapping[str, Any], inputs: str) -> Case:  # noqa: ARG002
        """The text with marks: what is right and missed, then what the model marked."""
        gold, found = _spans(row[self._target]), _spans(row["predicted_entities"])
        text = row[self._text]
        counts = ", ".join(
            f"{count} {word}"
            for count, word in (
                (len(gold - found), "missed"),
                (len(found - gold), "wrongly marked"),
                (len(gold & found), "found"),
            )
            if count
        )
        lines = [f'<p class="text">{_marked(text, gold & found, gold - found, "missed")}</p>']
        if found - gold:
            lines.append('<p class="faint">The model marked:</p>')
            marked = _marked(text, gold & found, found - gold, "wrong")
            lines.append(f'<p class="text">{marked}</p>')
        return Case(escape(counts), shown_loss(row), "".join(lines))

    def _predicted(self) -> Sequence[Any]:
        found: Sequence[Any] = self._table["predicted_entities"].to_pylist()
        return found


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
