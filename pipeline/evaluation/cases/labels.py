"""Wrong labels, with the scores of others."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, ClassVar

import pyarrow as pa

from pipeline.evaluation.cases.base import Case, Cases, Shown, not_right, score_bars
from pipeline.evaluation.context import Context

MOST_OTHERS = 3


class LabelCases(Cases):
    """Rows with another label than predicted, the most confident first."""

    needs: ClassVar[frozenset[str]] = frozenset({"prediction", "score", "scores"})

    def __init__(self, table: pa.Table, context: Context) -> None:
        assert context.target is not None
        self._table = table
        self._target = context.target.name
        self._names = context.label_names

    def shown(self) -> Shown:
        """The wrong rows, by the score of the wrong label."""
        actual = self._table[self._target].to_pylist()
        predicted = self._table["prediction"].to_pylist()
        wrong = [row for row in range(len(actual)) if actual[row] != predicted[row]]
        scores = self._table["score"].to_pylist()
        wrong.sort(key=lambda row: -scores[row])
        return Shown(wrong, not_right(len(wrong), len(actual)), "the most confident first")

    def case(self, row: Mapping[str, Any], inputs: str) -> Case:
        """The most likely labels and the actual one, with bars."""
        actual = row[self._target]
        scores = sorted(zip(row["scores"], self._names, strict=True), reverse=True)
        listed = scores[: MOST_OTHERS + 1]
        listed += [one for one in scores if one[1] == actual and one not in listed]
        bars = score_bars(
            (f"{name} (actual)" if name == actual else name, score, "") for score, name in listed
        )
        return Case(
            f'{escape(row["prediction"])} <span class="side">instead of {escape(actual)}</span>',
            f"{row['score']:.1%} sure",
            inputs + bars,
        )
