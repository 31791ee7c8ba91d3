"""What shows the rows that a model got wrong, for one kind of target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar, Protocol

import pyarrow as pa

from pipeline.evaluation.context import Context

LONGEST_TEXT = 1_500
"""Characters of a text that are shown."""


@dataclass(frozen=True)
class Shown:
    """Which rows are worth looking at.

    Attributes:
        rows: Their numbers, the one to look at first at the head.
        summary: How many there are, in words, plain text.
        order: In which order they come, in words.
    """

    rows: Sequence[int]
    summary: str
    order: str


@dataclass(frozen=True)
class Case:
    """One row as HTML.

    Attributes:
        heading: What went wrong, in one line of HTML.
        value: How wrong it is, in a few words, plain text.
        body: HTML: the inputs, the right answer and the given one.
    """

    heading: str
    value: str
    body: str


class Cases(Protocol):
    """Shows the mistakes of models with one kind of target.

    A renderer for another kind subclasses this and is named in `registry.py`.

    Args:
        table: Raw columns and predictions of all rows, from `tables.readable_predictions`.
        context: The task's columns, label names and state.
    """

    heading: ClassVar[str] = "Mistakes"
    """Heading of the page."""
    none: ClassVar[str] = "No mistake."
    """What the page says where no row is worth looking at."""
    key: ClassVar[str] = ""
    """HTML above the cases that explains marks."""
    css: ClassVar[str] = ""
    """More of a style sheet."""
    needs: ClassVar[frozenset[str]] = frozenset({"prediction"})
    """Columns of predictions without which there is nothing to show."""

    def __init__(self, table: pa.Table, context: Context) -> None: ...

    def shown(self) -> Shown:
        """The rows to look at, all of them; the page shows the first ones."""
        ...

    def case(self, row: Mapping[str, Any], inputs: str) -> Case:
        """Shows a row.

        Args:
            row: The table's line.
            inputs: HTML of the row's inputs, as `inputs.py` shows them; belongs into the body,
                unless the renderer shows the inputs itself.
        """
        ...


def not_right(wrong: int, total: int) -> str:
    """How many rows are wrong, in words."""
    return f"{wrong:,} of {total:,} rows ({wrong / max(total, 1):.1%}) are not right"


def losses(table: pa.Table) -> Sequence[float]:
    """The loss of each row; zeros where it is not known."""
    return table["loss"].to_pylist() if "loss" in table.column_names else [0.0] * table.num_rows


def shown_loss(row: Mapping[str, Any]) -> str:
    """The row's loss in words; empty where it is not known."""
    return f"loss {row['loss']:.3f}" if "loss" in row else ""


def cut(text: str, most: int = LONGEST_TEXT) -> str:
    """A text, cut where it is longer than so many characters."""
    return text if len(text) <= most else f"{text[:most]} …"


def score_bars(scores: Iterable[tuple[str, float, str]]) -> str:
    """A table of bars.

    Args:
        scores: For each line its name, a share from 0 to 1, and more HTML to lie on the bar.
    """
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        f'<td class="bar"><span style="width:{score:.1%}"></span>{more}</td>'
        f'<td class="number">{score:.1%}</td></tr>'
        for name, score, more in scores
    )
    return f'<table class="bars">{lines}</table>'
