"""Predicted numbers beside the right ones."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, log10
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from pipeline.evaluation.cases.base import Case, Cases, Shown
from pipeline.evaluation.context import Context


class NumberCases(Cases):
    """All rows, the largest error first: numbers are near, seldom equal."""

    heading: ClassVar[str] = "Largest errors"
    none: ClassVar[str] = "No error."
    key: ClassVar[str] = (
        '<p class="key"><span><b class="actual"></b> actual</span>'
        '<span><b class="predicted"></b> predicted</span></p>'
    )
    css: ClassVar[str] = """
.range { position: relative; height: 1.4rem; margin: .5rem 0 0; }
.range::before { content: ""; position: absolute; left: 0; right: 0; top: 50%; height: 2px;
  margin-top: -1px; background: var(--line); }
.range u { position: absolute; top: 50%; height: 2px; margin-top: -1px; background: var(--error); }
.actual, .predicted { display: inline-block; width: .9rem; height: .9rem; border-radius: 50%;
  border: 2px solid var(--ok); background: var(--card); vertical-align: -.1em; }
.predicted { border-color: var(--error); border-radius: 2px; background: var(--error);
  transform: rotate(45deg) scale(.75); }
.range b { position: absolute; top: 50%; margin: -.45rem 0 0 -.45rem; }
.range u, .range b { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.ends { display: flex; justify-content: space-between; font-variant-numeric: tabular-nums; }
"""

    def __init__(self, table: pa.Table, context: Context) -> None:
        assert context.target is not None
        self._target = context.target.name
        self._actual = table[self._target].to_numpy().astype(np.float64)
        self._predicted = table["prediction"].to_numpy().astype(np.float64)
        both = np.concatenate([self._actual, self._predicted])
        self._low = float(both.min()) if len(both) else 0.0
        self._high = float(both.max()) if len(both) else 0.0
        self._places = decimals(self._high - self._low)

    def shown(self) -> Shown:
        """All rows with an error, the largest first."""
        errors = np.abs(self._predicted - self._actual)
        order = np.argsort(-errors, kind="stable")
        rows = order[errors[order] > 0].tolist()
        if not rows:
            return Shown([], f"{len(errors):,} rows, all of them exactly right", "")
        summary = (
            f"{len(errors):,} rows; the error is {self._written(errors.mean())} on average "
            f"and {self._written(errors.max())} at most"
        )
        return Shown(rows, summary, "the largest errors first")

    def case(self, row: Mapping[str, Any], inputs: str) -> Case:
        """Both numbers, and where they lie between the lowest and the highest of all rows."""
        actual, predicted = row[self._target], row["prediction"]
        one, other = sorted((self._place(actual), self._place(predicted)))
        words = f"{self._written(predicted)} predicted, {self._written(actual)} actual"
        line = (
            f'<div class="range" role="img" aria-label="{words}">'
            f'<u style="left:{one:.1%};right:{1 - other:.1%}"></u>'
            f'<b class="actual" style="left:{self._place(actual):.1%}"></b>'
            f'<b class="predicted" style="left:{self._place(predicted):.1%}"></b></div>'
            f'<p class="faint ends"><span>{self._written(self._low)}</span>'
            f"<span>{self._written(self._high)}</span></p>"
        )
        return Case(
            f'{self._written(predicted)} <span class="side">instead of '
            f"{self._written(actual)}</span>",
            f"{predicted - actual:+,.{self._places}f}",
            inputs + line,
        )

    def _place(self, number: float) -> float:
        return (number - self._low) / ((self._high - self._low) or 1.0)

    def _written(self, number: float) -> str:
        return f"{number:,.{self._places}f}"


def decimals(span: float) -> int:
    """Decimal places with which numbers that are spread so far are worth writing, 0 to 12."""
    return min(max(2 - floor(log10(span)), 0), 12) if span > 0 else 2
