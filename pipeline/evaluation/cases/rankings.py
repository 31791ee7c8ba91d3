"""Rankings: for each query its items in the order that a model gave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from pipeline.evaluation.cases.base import Case, Cases, Shown, cut
from pipeline.evaluation.cases.inputs import shown_inputs
from pipeline.evaluation.cases.numbers import decimals
from pipeline.evaluation.context import Context
from pipeline.metrics.ranking_lists import query_values
from pipeline.tasks.base import Column, IntArray
from pipeline.tasks.columns import input_columns

MOST_ITEMS = 10
"""Places from the top that are shown, and below them the relevant items."""
LONGEST_ITEM = 400
"""Characters of an item that are shown."""
_ENOUGH = 1 - 1e-9


class RankingCases(Cases):
    """Queries whose items are not in the best order, the worst order first.

    What all rows of a query share, such as its text, stands above them; what differs is the item.
    Queries without a relevant item have no best order and are left out.
    """

    heading: ClassVar[str] = "Rankings"
    none: ClassVar[str] = "The items of every query are in the best order."
    key: ClassVar[str] = (
        '<p class="key"><span><mark class="right">✓ relevant</mark></span>'
        '<span><mark class="missed">↑ relevant, below a less relevant one</mark></span>'
        '<span><mark class="wrong">↓ above a more relevant one</mark></span>'
        '<span class="faint">bar: the score, from the lowest of the query to its highest</span></p>'
    )
    css: ClassVar[str] = """
.ranked { list-style: none; margin: .6rem 0 .2rem; padding: 0; }
.ranked li { display: grid; grid-template-columns: 2.6rem 1fr auto; column-gap: .6rem;
  border-top: 1px solid var(--line); padding: .35rem 0 .35rem .5rem;
  border-left: 3px solid transparent; }
.ranked li.right { border-left-color: var(--ok); } .ranked li.missed { border-left: 3px dashed
  var(--warning); } .ranked li.wrong { border-left: 3px double var(--error); }
.ranked li.rest { display: block; color: var(--faint); font-size: .875rem; }
.ranked .place { font-variant-numeric: tabular-nums; color: var(--faint); text-align: right; }
.ranked p, .ranked .text { margin: 0; font-size: 1rem; overflow-wrap: anywhere;
  white-space: pre-wrap; }
.ranked .facts { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.ranked .facts mark { display: block; }
.ranked .strip { display: block; height: 3px; margin-top: .3rem; background: var(--line); }
.ranked .strip i { display: block; height: 3px; background: var(--bar); }
.ranked .strip, .ranked .strip i { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
@media (max-width: 36rem) { .ranked li { grid-template-columns: 2.2rem 1fr; }
  .ranked .facts { grid-column: 2; display: flex; gap: 1rem; } .ranked .facts mark {
  display: inline; } }
"""

    def __init__(self, table: pa.Table, context: Context) -> None:
        assert context.target is not None
        assert context.units is not None
        self._table = table
        self._columns = context.columns
        self._target = context.target.name
        self._relevance = table[self._target].to_numpy().astype(np.float64)
        self._scores = table["prediction"].to_numpy().astype(np.float64)
        self._places = decimals(float(np.ptp(self._scores))) if len(self._scores) else 2
        by_unit = np.lexsort((-self._scores, context.units))
        ends = np.flatnonzero(np.diff(context.units[by_unit])) + 1
        self._lists: list[IntArray] = np.split(by_unit, ends) if len(by_unit) else []
        self._cutoff = max(context.state.get("cutoffs") or [max(map(len, self._lists), default=1)])
        self._ndcg, self._mrr = (
            query_values(self._relevance, self._scores, context.units, [self._cutoff])[name]
            for name in (f"ndcg_at_{self._cutoff}", "mrr")
        )
        self._numbers: dict[str, int] = {}

    def shown(self) -> Shown:
        """A row of each query whose order is not the best, by NDCG, then by the first relevant."""
        judged = ~np.isnan(self._ndcg)
        order = np.lexsort((self._mrr, self._ndcg))
        worse = [int(query) for query in order if judged[query] and self._ndcg[query] < _ENOUGH]
        rows = [int(self._lists[query].min()) for query in worse]
        self._numbers = {
            self._key(row): query
            for row, query in zip(
                self._table.take(pa.array(rows, pa.int64())).to_pylist(), worse, strict=True
            )
        }
        total, left = int(judged.sum()), int((~judged).sum())
        summary = (
            f"{len(worse):,} of {total:,} queries with a relevant item are not in the best order; "
            f"NDCG@{self._cutoff} is {self._ndcg[judged].mean() if total else 0:.3f} on average"
        )
        if left:
            summary += f". {left:,} queries have no relevant item and are left out"
        return Shown(rows, summary, "the worst order first")

    def case(self, row: Mapping[str, Any], inputs: str) -> Case:  # noqa: ARG002
        """The query, and its items in the predicted order."""
        query = self._numbers[self._key(row)]
        rows = self._lists[query]
        lines = self._table.take(pa.array(rows)).to_pylist()
        shared, own = _divided(input_columns(self._columns), lines)
        relevant = np.flatnonzero(self._relevance[rows] > 0)
        place = self._place(rows, int(relevant[0]))
        heading = (
            f'first relevant item at place {place} <span class="side">of {len(rows):,}, '
            f"{len(relevant):,} relevant</span>"
        )
        others = [column for column in self._columns if column.is_target][1:]
        above = "".join(
            f'<p class="faint">{escape(f"{one.name}: {row[one.name]}")}</p>' for one in others
        )
        return Case(
            heading,
            f"NDCG@{self._cutoff} {self._ndcg[query]:.3f}",
            f"{above}{shown_inputs(row, shared)}{self._items(rows, lines, own)}",
        )

    def _items(
        self, rows: IntArray, lines: Sequence[Mapping[str, Any]], columns: tuple[Column, ...]
    ) -> str:
        """The first items, and below them the relevant ones, with how many lie between."""
        parts, skipped = [], 0
        for place, line in enumerate(lines):
            if place >= MOST_ITEMS and not self._relevance[rows[place]] > 0:
                skipped += 1
                continue
            parts += [_rest(skipped)] if skipped else []
            parts.append(self._item(rows, place, line, columns))
            skipped = 0
        parts += [_rest(skipped)] if skipped else []
        return f'<ol class="ranked">{"".join(parts)}</ol>'

    def _item(
        self, rows: IntArray, place: int, line: Mapping[str, Any], columns: tuple[Column, ...]
    ) -> str:
        scores, relevance = self._scores[rows], self._relevance[rows]
        own = relevance[place]
        above, below = scores > scores[place], scores < scores[place]
        if own > relevance[above].min(initial=own):
            css, sign = "missed", "↑ "
        elif own < relevance[below].max(initial=own):
            css, sign = "wrong", "↓ "
        else:
            css, sign = ("right", "✓ ") if own > 0 else ("", "")
        share = (scores[place] - scores.min()) / (float(np.ptp(scores)) or 1.0)
        mark = f'<mark class="{css}">{sign}{escape(self._target)} {own:g}</mark>'
        texts = shown_inputs(
            {
                name: cut(value, LONGEST_ITEM) if isinstance(value, str) else value
                for name, value in line.items()
            },
            columns,
        )
        return (
            f'<li class="{css}"><span class="place">{self._place(rows, place)}</span>'
            f'<div>{texts}<span class="strip"><i style="width:{share:.1%}"></i></span></div>'
            f'<span class="facts">{scores[place]:,.{self._places}f}{mark}</span></li>'
        )

    def _place(self, rows: IntArray, place: int) -> str:
        """From 1 on; that of items with equal scores is a range."""
        scores = self._scores[rows]
        first = int((scores > scores[place]).sum()) + 1
        last = int((scores >= scores[place]).sum())
        return f"{first:,}" if first == last else f"{first:,}–{last:,}"

    def _key(self, row: Mapping[str, Any]) -> str:
        """What tells rows of different queries apart."""
        return repr([row["id"], *(row[column.name] for column in self._columns)])


def _divided(
    columns: tuple[Column, ...], lines: Sequence[Mapping[str, Any]]
) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """The inputs that all rows of a query share, and those of the items; the last is an item's."""
    shared = tuple(
        column
        for column in columns[:-1]
        if all(line[column.name] == lines[0][column.name] for line in lines)
    )
    return shared, tuple(column for column in columns if column not in shared)


def _rest(count: int) -> str:
    return f'<li class="rest">… {count:,} other{"s" if count > 1 else ""} …</li>'
