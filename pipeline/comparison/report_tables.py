"""The tables of a comparison's HTML report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pipeline.comparison.report_words import (
    badge,
    cost_text,
    decimals,
    interval_text,
    level_of,
    moment,
    outcome,
    p_text,
    percent,
    ratio_text,
    signed_text,
    value_text,
)
from pipeline.comparison.result import (
    Comparison,
    Cost,
    Difference,
    Estimate,
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
            _name(comparison, group),
            _runs(group),
            Cell(_revisions(group)),
        ]
        for group in comparison.groups
    ]
    return table(head, rows, "groups")


def _name(comparison: Comparison, group: Group) -> Cell:
    name = f'<span class="long">{plain(group.name)}</span>'
    return Cell(Html(f"{badge(comparison, group.label)} {name}"), "name")


def _runs(group: Group) -> Cell:
    runs = together(
        Html(f"<span>seed {member.seed} <code>{link(member.run_id[:8], member.url)}</code></span> ")
        for member in group.members
    )
    begun = dict.fromkeys(moment(member.started) for member in group.members)
    first, last = next(iter(begun)), next(reversed(begun))
    span = first if first == last else f"{first} to {last}"
    return Cell(Html(f"{runs}<small>{span}</small>"), "runs")


def _revisions(group: Group) -> Html:
    texts = dict.fromkeys(
        f"{member.revision[:10]}{' + changes' if member.dirty else ''}"
        for member in group.members
        if member.revision
    )
    return Html("<br>".join(f"<code>{plain(text)}</code>" for text in texts) or ABSENT)


def metrics_table(comparison: Comparison) -> Html:
    """Every metric of every group, with its difference from the reference and the test's result."""
    wide = len(comparison.groups) > 2
    return _metrics_of_many(comparison) if wide else _metrics_of_two(comparison)


def _metrics_of_two(comparison: Comparison) -> Html:
    first, second = comparison.groups
    found = {one.metric: one for one in comparison.differences}
    head = [
        Cell(plain("metric")),
        *(Cell(badge(comparison, group.label), "number") for group in comparison.groups),
        Cell(plain(f"{second.label} − {first.label}"), "number"),
        Cell(plain("p"), "number"),
        Cell(plain(second.label)),
    ]
    rows = []
    for metric in comparison.metrics:
        values = [group.metrics.get(metric) for group in (first, second)]
        rows.append(
            [Cell(_breakable(metric)), *_values(values), *_tested(comparison, found.get(metric))]
        )
    return table(head, rows, "metrics two")


def _metrics_of_many(comparison: Comparison) -> Html:
    reference = comparison.groups[0]
    found = {(one.metric, one.other): one for one in comparison.differences}
    head = [
        Cell(plain("metric and group")),
        Cell(plain("value"), "number"),
        Cell(plain(f"− {reference.label}"), "number"),
        Cell(plain("p"), "number"),
        Cell(plain("adjusted p"), "number"),
        Cell(plain("")),
    ]
    rows: list[list[Cell]] = []
    for metric in comparison.metrics:
        rows.append([Cell(_breakable(metric))])
        values = _values([group.metrics.get(metric) for group in comparison.groups])
        for group, value in zip(comparison.groups, values, strict=True):
            rest = [Cell(plain("reference"), "faint"), *[Cell(plain(""))] * 3]
            if group is not reference:
                rest = _tested(comparison, found.get((metric, group.label)), adjusted=True)
            rows.append([_name(comparison, group), value, *rest])
    return table(head, rows, "metrics")


def _values(estimates: Sequence[Estimate | None]) -> list[Cell]:
    digits = decimals([one for one in estimates if one is not None])
    return [
        number(ABSENT)
        if one is None
        else number(value_text(one.value, digits), interval_text(one, digits))
        for one in estimates
    ]


def _tested(
    comparison: Comparison, difference: Difference | None, *, adjusted: bool = False
) -> list[Cell]:
    if difference is None:
        return [number(ABSENT), *[number(ABSENT)] * (1 + adjusted), Cell(plain(""))]
    level = level_of(comparison)
    word, tone = outcome(difference)
    alike = [one.estimate for one in comparison.differences if one.metric == difference.metric]
    cells = [
        _signed(difference.estimate, decimals(alike), shown=difference.significant),
        number(p_text(difference.p_value, level)),
    ]
    if adjusted:
        cells.append(number(p_text(difference.p_adjusted, level)))
    return [*cells, Cell(plain(word), f"outcome {tone}")]


def _signed(estimate: Estimate, digits: int, *, shown: bool) -> Cell:
    strong = "strong" if shown else ""
    return number(signed_text(estimate.value, digits), interval_text(estimate, digits), strong)


def pairs_table(comparison: Comparison) -> Html:
    """Every group against every other: the row's value minus the column's."""
    found = {(one.other, one.reference): one for one in comparison.pairs}
    labels = [group.label for group in comparison.groups]
    head = [Cell(plain("")), *(Cell(badge(comparison, label), "number") for label in labels)]
    rows = [
        [
            _name(comparison, group),
            *(_pair(comparison, found, group.label, column) for column in labels),
        ]
        for group in comparison.groups
    ]
    return table(head, rows, "pairs")


def _pair(
    comparison: Comparison, found: dict[tuple[str, str], Difference], row: str, column: str
) -> Cell:
    forward, backward = found.get((row, column)), found.get((column, row))
    difference = forward or backward
    if difference is None:
        return number("" if row == column else ABSENT)
    value = difference.estimate.value
    digits = decimals([one.estimate for one in comparison.pairs])
    text = signed_text(value if forward else -value, digits)
    gain = difference.gain if forward else -difference.gain
    tone = (" better" if gain > 0 else " worse") if difference.significant else ""
    p_value = p_text(difference.p_adjusted, level_of(comparison))
    below = "" if p_value == ABSENT else f"p {p_value}" if "<" in p_value else f"p = {p_value}"
    return number(text, below, f"pair{tone}")


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
        rows.append([Cell(_breakable(setting.name)), *cells])
    return table(head, rows, "settings")


def _breakable(name: str) -> Html:
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


def slices_table(comparison: Comparison, other: str) -> Html:
    """The metric of the reference and one other group in every part of the examples."""
    reference = comparison.groups[0].label
    head = [
        Cell(plain("part of the examples")),
        Cell(plain("examples"), "number"),
        Cell(badge(comparison, reference), "number"),
        Cell(badge(comparison, other), "number"),
        Cell(plain(f"{other} − {reference}"), "number"),
        Cell(plain("adjusted p"), "number"),
    ]
    rows: list[list[Cell]] = []
    dimension = None
    parts = [one for one in comparison.slices if one.other == other]
    digits = min(decimals([part.estimate for part in parts]), 3)
    for part in parts:
        if part.dimension != dimension:
            rows.append([Cell(plain(f"by {part.dimension}"))])
            dimension = part.dimension
        rows.append(
            [
                Cell(plain(part.value)),
                number(f"{part.rows:,}"),
                *(number(value_text(part.values.get(label), 3)) for label in (reference, other)),
                _signed(part.estimate, digits, shown=part.significant),
                number(p_text(part.p_adjusted, level_of(comparison))),
            ]
        )
    return table(head, rows, "slices")


def confidence_words(comparison: Comparison) -> str:
    """What the small numbers below others are."""
    return f"Small numbers are {percent(comparison.confidence)} intervals."
