"""`python -m pipeline runs show`: where a run came from, and what came out of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import lasting_root
from pipeline.config.compose import compose
from pipeline.console import out
from pipeline.lineage.result_facts import headline, metric_rows, result_facts
from pipeline.lineage.source_facts import Fact, source_facts
from pipeline.reports.words import ABSENT
from pipeline.tracking.reading import RunReader

if TYPE_CHECKING:
    from rich.table import Table

_LABEL_WIDTH = 10


def show_run(word: str, root: Path) -> None:
    """Prints all that leads back from a run, and its results.

    Args:
        word: A run by id, beginning of an id, name or key.
        root: The project's root.

    Raises:
        UserError: If the configuration does not track, or the word means no run or several.
        EnvironmentProblem: If the store does not answer.
    """
    reader = RunReader(compose([], root).tracking, lasting_root(root))
    record = reader.find(word)
    out.print(record.name, style="bold", markup=False)
    facts = [("run", record.run_id), ("", headline(record)), ("experiment", record.experiment)]
    out.print(_facts(facts))
    # In one piece, however long, so that a terminal can follow it.
    page = f"{'page':{_LABEL_WIDTH}}  {reader.page(record)}"
    out.print(page, markup=False, soft_wrap=True)
    if reader.ui_command is not None:
        out.print(_facts([("", f"served by `{reader.ui_command}`")]))
    out.print("\nwhere it came from", style="bold")
    out.print(_facts(source_facts(reader, record)))
    out.print("\nwhat came out of it", style="bold")
    rows = metric_rows(record.metrics)
    if rows:
        out.print(_metrics(rows))
    out.print(_facts(result_facts(reader, record)))


def _facts(facts: Iterable[Fact]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=_LABEL_WIDTH)
    table.add_column(overflow="fold")
    for label, text in facts:
        table.add_row(Text(label, "cyan"), Text(text))
    return table


def _metrics(rows: Sequence[tuple[str, str, str]]) -> Table:
    """Without a column for a split on which nothing was measured."""
    from rich.table import Table
    from rich.text import Text

    names = ("metric", "test", "validation")
    shown = [column for column in range(3) if any(row[column] != ABSENT for row in rows)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="cyan")
    for column in shown:
        table.add_column(names[column], no_wrap=column > 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[column]) for column in shown))
    return table
