"""The tables of a comparison's HTML report."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.comparison.report_words import (
    badge,
    cost_text,
    moment,
    ratio_text,
)
from pipeline.comparison.result import (
    Comparison,
    Cost,
    Group,
    Setting,
)
from pipeline.reports.html import Cell, Html, faint, fold, link, number, plain, table, together
from pipeline.reports.words import ABSENT

MOST_SETTINGS = 12
"""Settings that are shown before the rest is folded away."""
LONGEST_VALUE = 300


def groups_table(comparison: Comparison) -> Html:
    """Which runs are compared."""
    head = [Cell(plain(name)) for name in ("group", "runs", "revision")]
    rows = [
        [
            named(comparison, group),
            _runs(group),
            Cell(_revisions(group)),
        ]
        for group in comparison.groups
    ]
    return table(head, rows, "groups")


def named(comparison: Comparison, group: Group) -> Cell:
    """A group with its letter; a phone shows the letter alone where numbers follow."""
    name = f'<span class="long">{plain(group.name)}</span>'
    return Cell(Html(f"{badge(comparison, group.label)} {name}"), "name")


def _runs(group: Group) -> Cell:
    runs = together(
        Html(f"<span>seed {member.seed} <code>{link(member.run_id[:8], member.url)}</code></span> ")
        for member in group.members
    )
    begun = dict.fromkeys(moment(member.started) for member in group.members)
    first, last = next(iter(begun)), next(reversed(begun))
    span = first if first == last else f"{first.removesuffix(' UTC')} to {last}"
    return Cell(Html(f"{runs}<small>{span}</small>"), "runs")


def _revisions(group: Group) -> Html:
    texts = dict.fromkeys(
        f"{member.revision[:10]}{' + changes' if member.dirty else ''}"
        for member in group.members
        if member.revision
    )
    return Html("<br>".join(f"<code>{plain(text)}</code>" for text in texts) or ABSENT)


def settings_table(comparison: Comparison) -> Html:
    """The settings that differ, most of a long list folded away."""
    settings = comparison.settings
    if not settings:
        return faint("The configurations do not differ.")
    shown = _settings(comparison, settings[:MOST_SETTINGS])
    rest = settings[MOST_SETTINGS:]
    if not rest:
        return shown
    return together(
        [shown, fold(plain(f"{len(rest):,} more settings"), _settings(comparison, rest))]
    )


def _settings(comparison: Comparison, settings: Iterable[Setting]) -> Html:
    reference, *_ = labels = [group.label for group in comparison.groups]
    head = [Cell(plain("setting")), *(Cell(badge(comparison, label)) for label in labels)]
    rows = []
    for setting in settings:
        values = [setting.values.get(label, ABSENT) for label in labels]
        cells = [
            Cell(plain(_cut(value)), "faint" if label != reference and value == values[0] else "")
            for label, value in zip(labels, values, strict=True)
        ]
        rows.append([Cell(breakable(setting.name)), *cells])
    return table(head, rows, "settings")


def breakable(name: str) -> Html:
    """A name that may be broken after its dots and underscores."""
    return Html(plain(name).replace(".", ".<wbr>").replace("_", "_<wbr>"))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} …"


def costs_table(comparison: Comparison) -> Html:
    """What each group cost, and how many times the reference that is."""
    reference, *_ = labels = [group.label for group in comparison.groups]
    head = [Cell(plain("cost")), *(Cell(badge(comparison, label), "number") for label in labels)]

    def cells(cost: Cost) -> list[Cell]:
        before = cost.values.get(reference)
        return [
            number(
                cost_text(cost.values.get(label), cost.unit),
                "" if label == reference else ratio_text(cost.values.get(label), before),
            )
            for label in labels
        ]

    return table(
        head, [[Cell(plain(cost.name)), *cells(cost)] for cost in comparison.costs], "costs"
    )
