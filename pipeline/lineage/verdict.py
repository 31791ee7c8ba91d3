"""The verdict on a reproduction, and how it is printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.lineage.checking import Check
from pipeline.lineage.origin import Origin
from pipeline.reports.words import listed

if TYPE_CHECKING:
    from rich.table import Table

DATA = "data"
"""The check without which there are no others: it is no result."""

_WORDS = {True: ("equal", "green"), False: ("differs", "red"), None: ("unknown", "yellow")}


@dataclass(frozen=True)
class Verdict:
    """What a reproduction found.

    Attributes:
        origin: The run.
        checks: What was compared.
        machine: How this machine differs from the run's.
    """

    origin: Origin
    checks: tuple[Check, ...]
    machine: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether all results that the run recorded, one at least, came out the same."""
        found = [check.equal for check in self.checks if check.name != DATA]
        return True in found and False not in found

    @property
    def in_words(self) -> str:
        """For example `not equal: weights and metrics`."""
        if self.is_equal:
            unknown = [check.name for check in self.checks if check.equal is None]
            rest = f"; not recorded: {listed(unknown)}" if unknown else ""
            return f"equal, bit for bit{rest}"
        differing = [check.name for check in self.checks if check.equal is False]
        if not differing:
            return "unknown: the run recorded nothing to compare with"
        where = " on another kind of machine" if self.machine else ""
        return f"not equal{where}: {listed(differing)}"


def verdict_table(verdict: Verdict) -> Table:
    """A line for each thing compared, then the machine, what is not known, and the verdict."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in verdict.checks:
        word, colour = _WORDS[check.equal]
        table.add_row(Text(check.name), Text(word, colour), Text(check.text))
    if verdict.machine:
        for number, text in enumerate(verdict.machine):
            head = ("machine", "differs") if number == 0 else ("", "")
            table.add_row(Text(head[0]), Text(head[1], "yellow"), Text(text))
        if not verdict.is_equal:
            table.add_row("", "", Text("bits may differ between kinds of machines and versions"))
    else:
        same = "processor, threads and library versions are the run's"
        table.add_row(Text("machine"), Text("same", "green"), Text(same))
    for note in verdict.origin.notes:
        table.add_row(Text("note"), "", Text(note))
    colour = "bold green" if verdict.is_equal else "bold red"
    table.add_row(Text("verdict", "bold"), "", Text(verdict.in_words, colour))
    return table
