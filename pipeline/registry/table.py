"""The gate's report as a table for the terminal and in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.registry.gate import GateReport

if TYPE_CHECKING:
    from rich.table import Table

_STYLES = {"passed": "green", "failed": "bold red", "not checked": "dim"}


def gate_table(report: GateReport, title: str) -> Table:
    """A line for each check."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"gate: {title}"), title_justify="left")
    for column in ("check", "limit", "value", "verdict"):
        table.add_column(column)
    for check in report.checks:
        verdict = Text(check.verdict, style=_STYLES[check.verdict])
        table.add_row(Text(check.name), Text(check.limit), Text(check.value), verdict)
    return table


def gate_markdown(report: GateReport) -> str:
    """The same in Markdown, with the reasons of what failed."""
    lines = ["| check | limit | value | verdict |", "|---|---|---|---|"]
    lines += [
        f"| {check.name} | {check.limit} | {check.value} | {check.verdict} |"
        for check in report.checks
    ]
    reasons = [f"- {check.name}: {check.reason}" for check in report.failures]
    verdict = [] if report.verdict is None else ["", f"{report.verdict}"]
    return "\n".join([*lines, *verdict, *(["", *reasons] if reasons else [])])
