"""A comparison on the terminal: the verdict first, then what stands behind it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from pipeline.comparison.result import (
    Comparison,
    Cost,
    Difference,
    Disagreement,
    Estimate,
    Example,
    Group,
    Slice,
)
from pipeline.comparison.verdicts import p_text
from pipeline.console import moment, out
from pipeline.data.quality.finding import count_of
from pipeline.reports.words import ABSENT, capital, duration

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_MOST_SETTINGS = 25
_MOST_SLICES = 8
_FEW_SLICES = 3
"""Slices shown where none differs surely."""
_MOST_EXAMPLES = 3
_LONGEST_NAME = 20
_WIDE = 90
_TEXT_LINES = 3


def print_comparison(found: Comparison, *, hint: bool) -> None:
    """Prints a comparison; readable from 80 columns on, and plain in a pipe.

    Args:
        found: The comparison.
        hint: Whether to say that there is a report too.
    """
    for sentence in _verdicts(found):
        out.print(sentence, markup=False, style="bold")
    way = "" if found.higher_is_better else ", lower is better"
    out.print(
        f"({found.metric}{way}; {found.dataset}, {count_of(found.num_rows, 'test example')}, "
        f"experiment {found.experiment})",
        markup=False,
    )
    out.print()
    for part in _parts(found):
        out.print(part)
    for note in found.notes:
        out.print(f"• {note}", markup=False)
    if hint:
        out.print(
            "• --html report.html writes all of this with learning curves, every slice and more "
            "examples.",
            markup=False,
        )


def _verdicts(found: Comparison) -> list[str]:
    """The first metric against the reference, then what is sure of the other pairs."""
    main = [one for one in found.differences if one.metric == found.metric]
    reference = found.groups[0].label
    others = [one for one in found.pairs if one.reference != reference and one.significant]
    return [capital(one.verdict) for one in (*main, *others)]


def _parts(found: Comparison) -> Iterable[RenderableType]:
    yield _groups(found.groups)
    yield _metrics(found)
    yield from _by_seed(found)
    if found.settings:
        rows = [
            (one.name, *(one.values[group.label] for group in found.groups))
            for one in found.settings[:_MOST_SETTINGS]
        ]
        table = _by_group("what differs", rows, found, "left")
        hidden = len(found.settings) - len(rows)
        table.caption = f"and {hidden} more" if hidden else None
        yield table
    if found.costs:
        yield _by_group("cost", [_cost(one, found) for one in found.costs], found, "right")
    if found.slices:
        yield _slices(found)
    for one in found.disagreements:
        yield from _disagreement(one, found)


def _groups(groups: Sequence[Group]) -> Table:
    table = _table("", "run", "seeds", "started", "id")
    for group in groups:
        members = group.members
        newest = max(member.started for member in members)
        table.add_row(
            group.label,
            _plain(group.name),
            ", ".join(str(member.seed) for member in members),
            moment(newest),
            ", ".join(member.run_id[:8] for member in members),
        )
    return table


def _metrics(found: Comparison) -> Table:
    """Each metric of each group below each other, so that any number of groups has room."""
    table = _table("metric", "", "value", _interval_title(found), "diff.", "", "p")
    for number in (2, 3, 4, 5, 6):
        table.columns[number].justify = "right"
    known = {(one.metric, one.other): one for one in found.differences}
    for metric in found.metrics:
        names = iter(_name_lines(metric))
        for group in found.groups:
            one = known.get((metric, group.label))
            last = group is found.groups[-1]
            table.add_row(
                next(names, ""),
                group.label,
                _number(group.metrics[metric].value),
                _bounds(group.metrics[metric]),
                *(("", "", "") if one is None else _difference_cells(one, found)),
                end_section=last and len(found.groups) > 2,
            )
    return table


def _by_seed(found: Comparison) -> Iterable[RenderableType]:
    """The first metric of each run, where a group has several."""
    several = [group for group in found.groups if len(group.members) > 1]
    if not several:
        return
    table = _table(f"{found.metric} by seed", "")
    for group in several:
        values = zip(group.members, group.by_seed[found.metric], strict=True)
        table.add_row(
            group.label, ", ".join(f"{member.seed}: {_number(value)}" for member, value in values)
        )
    yield table


def _name_lines(metric: str) -> tuple[str, ...]:
    """A metric's name; of a long one in a narrow terminal two lines, as every metric has two."""
    if len(metric) <= _LONGEST_NAME or out.width >= _WIDE:
        return (metric,)
    cut = metric.rfind("_", 0, _LONGEST_NAME) + 1
    return (metric[:cut], metric[cut:]) if cut else (metric,)


def _difference_cells(one: Difference, found: Comparison) -> tuple[str, str, str]:
    p_value = ABSENT if one.p_adjusted is None else p_text(one.p_adjusted, 1 - found.confidence)
    mark = "*" if one.significant else ""
    return (
        _signed(one.estimate.value),
        _bounds(one.estimate, signed=True),
        p_value.removeprefix("p ").removeprefix("= ") + mark,
    )


def _by_group(
    title: str,
    rows: Iterable[Sequence[str]],
    found: Comparison,
    justify: Literal["left", "right"],
) -> Table:
    table = _table(title, *(group.label for group in found.groups))
    for column in table.columns[1:]:
        column.justify = justify
        column.overflow = "fold"
    for name, *texts in rows:
        table.add_row(_plain(name), *map(_plain, texts))
    return table


def _cost(one: Cost, found: Comparison) -> list[str]:
    return [one.name, *(_amount(one.values.get(group.label), one.unit) for group in found.groups)]


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return ABSENT
    if unit == "s":
        return duration(value)
    size = abs(value)
    text = f"{value:,.0f}" if size >= 100 or value == int(value) else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def _slices(found: Comparison) -> Table:
    """The slices that differ most surely."""
    several = len(found.groups) > 2
    table = _table(
        "slice", "", "examples", *(("pair",) if several else ()), "diff.",
        _interval_title(found), "p",
    )  # fmt: skip
    for column in table.columns[2:]:
        column.justify = "right"
    ranked = sorted(found.slices, key=_sureness)
    sure = sum(one.significant for one in ranked)
    shown = ranked[: _MOST_SLICES if sure else _FEW_SLICES]
    for one in shown:
        p_value = ABSENT
        if one.p_adjusted is not None:
            p_value = p_text(one.p_adjusted, 1 - found.confidence).removeprefix("p ")
        table.add_row(
            _plain(one.dimension),
            _plain(one.value),
            f"{one.rows:,}",
            *((f"{one.other} − {one.reference}",) if several else ()),
            _signed(one.estimate.value),
            _bounds(one.estimate, signed=True),
            p_value.removeprefix("= ") + ("*" if one.significant else ""),
        )
    hidden = len(ranked) - len(shown)
    table.caption = (
        f"{found.metric} in {count_of(len(ranked), 'slice')}, p adjusted for all of them (Holm): "
        + (f"{sure} differ surely" if sure else "none differs surely")
        + (f"; {hidden} more not shown" if hidden > 0 else "")
    )
    return table


def _sureness(one: Slice) -> tuple[float, float]:
    return (1.0 if one.p_adjusted is None else one.p_adjusted, -abs(one.estimate.value))


def _disagreement(one: Disagreement, found: Comparison) -> Iterable[RenderableType]:
    for better, worse, count, examples in (
        (one.other, one.reference, one.num_other_better, one.other_better),
        (one.reference, one.other, one.num_reference_better, one.reference_better),
    ):
        shown = examples[:_MOST_EXAMPLES]
        first = f", {len(shown)} of them:" if count > len(shown) > 0 else ":" if shown else "."
        number = count_of(count, "example") if count else "none"
        yield _bold(f"{better} is more right than {worse} on {number} of {found.num_rows:,}{first}")
        several = {group.label for group in found.groups if len(group.members) > 1}
        for example in shown:
            yield _example(example, (one.reference, one.other), several)
        yield ""


def _example(example: Example, labels: Sequence[str], several: set[str]) -> Table:
    """One example; of several seeds the first one's prediction and how right they all are."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    width = max(out.width - 12, 20)
    text = " ".join(example.text.split())
    most = _TEXT_LINES * width
    table.add_row(example.row_id, Text(text if len(text) <= most else f"{text[: most - 1]}…"))
    table.add_row("right", Text(example.reference))
    for label in labels:
        mean = f", {example.scores[label]:.0%} right over its seeds" if label in several else ""
        table.add_row(label, Text(f"{example.predictions[label]}{mean}"))
    return table


def _table(*titles: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
        collapse_padding=True,
        caption_justify="left",
    )
    for title in titles:
        table.add_column(title, overflow="fold")
    return table


def _bold(text: str) -> RenderableType:
    from rich.text import Text

    return Text(text, style="bold")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _interval_title(found: Comparison) -> str:
    return f"{found.confidence * 100:g} % interval"


def _number(value: float) -> str:
    if math.isnan(value):
        return ABSENT
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:,.1f}"


def _signed(value: float) -> str:
    if math.isnan(value):
        return ABSENT
    decimals = 3 if abs(value) >= 0.0005 or value == 0 else 5
    text = f"{value:+.{decimals}f}"
    return text if text.strip("+-0.") else text[1:]


def _bounds(one: Estimate, *, signed: bool = False) -> str:
    if one.low is None or one.high is None:
        return ABSENT
    low, high = (_signed(bound) for bound in (one.low, one.high))
    if not signed:
        low, high = _number(one.low), _number(one.high)
    return f"{low} … {high.removeprefix('+')}"
