"""Missed and wrong labels of sets, with their scores and thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, ClassVar

import pyarrow as pa

from pipeline.evaluation.cases.base import (
    Case,
    Cases,
    Shown,
    losses,
    not_right,
    score_bars,
    shown_loss,
)
from pipeline.evaluation.context import Context
from pipeline.metrics.thresholds import DEFAULT

MOST_OTHERS = 2
"""Labels that are neither in the set nor predicted, but nearest to it."""


class SetCases(Cases):
    """Rows with another set of labels than predicted, by loss."""

    needs: ClassVar[frozenset[str]] = frozenset({"prediction", "scores"})
    key: ClassVar[str] = (
        '<p class="key"><span><mark class="right">found</mark></span>'
        '<span><mark class="missed">missed</mark></span>'
        '<span><mark class="wrong">wrong</mark></span>'
        '<span class="faint">a line across a bar: from there on the label is predicted</span></p>'
    )
    css: ClassVar[str] = (
        ".bars .bar i { display: block; width: 2px; height: 1.3em; margin: -1.05em 0 -.25em; "
        "background: var(--ink); print-color-adjust: exact; "
        "-webkit-print-color-adjust: exact; }\n.case h3 mark { font-weight: 600; }\n"
    )

    def __init__(self, table: pa.Table, context: Context) -> None:
        assert context.target is not None
        self._table = table
        self._target = context.target.name
        self._names = context.label_names
        self._thresholds = context.state.get("thresholds") or [DEFAULT] * len(self._names)

    def shown(self) -> Shown:
        """The wrong rows, the highest loss first."""
        pairs = zip(
            self._table[self._target].to_pylist(),
            self._table["prediction"].to_pylist(),
            strict=True,
        )
        wrong = [row for row, (one, other) in enumerate(pairs) if set(one) != set(other)]
        by_row = losses(self._table)
        wrong.sort(key=lambda row: -by_row[row])
        return Shown(wrong, not_right(len(wrong), self._table.num_rows), "by loss")

    def case(self, row: Mapping[str, Any], inputs: str) -> Case:
        """Every label that is in the set or predicted, and those that nearly were, with bars."""
        wanted, given = set(row[self._target]), set(row["prediction"])
        marks = [
            f'<mark class="{css}">{escape(name)}</mark>'
            for css, names in (
                ("missed", wanted - given),
                ("wrong", given - wanted),
                ("right", wanted & given),
            )
            for name in sorted(names)
        ]
        ranked = sorted(
            zip(row["scores"], self._thresholds, self._names, strict=True), reverse=True
        )
        others = [one for one in ranked if one[2] not in wanted | given][:MOST_OTHERS]
        bars = score_bars(
            (
                f"{name}{_role(name, wanted, given)}",
                score,
                f'<i style="margin-left:{threshold:.1%}"></i>',
            )
            for score, threshold, name in ranked
            if name in wanted | given or (score, threshold, name) in others
        )
        return Case(" ".join(marks), shown_loss(row), inputs + bars)


def _role(name: str, wanted: set[str], given: set[str]) -> str:
    if name in wanted:
        return " (found)" if name in given else " (missed)"
    return " (wrong)" if name in given else ""
