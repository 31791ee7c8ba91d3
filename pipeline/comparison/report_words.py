"""How the HTML report writes numbers of a comparison."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from typing import TypeGuard

from pipeline.comparison.result import Comparison, Difference, Estimate, Group
from pipeline.comparison.verdicts import p_text
from pipeline.reports.html import Html, plain
from pipeline.reports.words import ABSENT, duration, metric

MINUS = "\N{MINUS SIGN}"


def badge(comparison: Comparison, label: str) -> Html:
    """A group's letter in the group's colour."""
    place = [group.label for group in comparison.groups].index(label)
    return Html(f'<b class="badge colour-{place % 6}">{plain(label)}</b>')


def group_of(comparison: Comparison, label: str) -> Group:
    """The group with a label."""
    return next(group for group in comparison.groups if group.label == label)


def minus(text: str) -> str:
    """Numbers with the sign that is as long as a plus."""
    return text.replace("-", MINUS)


def known(value: float | None) -> TypeGuard[float]:
    """Whether there is a number."""
    return value is not None and math.isfinite(value)


def decimals(estimates: Sequence[Estimate]) -> int:
    """Decimals with which values stand together: the narrowest interval decides, 3 to 6.

    Half an interval's width keeps two significant digits.
    """
    halves = [
        (one.high - one.low) / 2
        for one in estimates
        if one.low is not None and one.high is not None and one.high > one.low
    ]
    smallest = min((half for half in halves if math.isfinite(half)), default=0.01)
    return min(max(1 - math.floor(math.log10(smallest)), 3), 6)


def value_text(value: float | None, digits: int) -> str:
    """A metric's value, or a dash."""
    if not known(value):
        return ABSENT
    text = f"{value:,.{digits}f}" if abs(value) < 1000 else metric(value)
    return minus(text if text.strip("-0.") else text.lstrip("-"))


def interval_text(estimate: Estimate, digits: int) -> str:
    """For example `0.781 to 0.824`; empty without bounds."""
    if not known(estimate.low) or not known(estimate.high):
        return ""
    return f"{value_text(estimate.low, digits)} to {value_text(estimate.high, digits)}"


def signed_text(value: float | None, digits: int) -> str:
    """A difference with its sign, or a dash."""
    text = value_text(value, digits)
    return f"+{text}" if known(value) and value > 0 and text.strip("0.") else text


def p_cell(value: float | None, level: float) -> str:
    """A p-value without its letter, or a dash."""
    if not known(value):
        return ABSENT
    text = p_text(value, level).removeprefix("p ").removeprefix("= ")
    return text.replace("< ", "<\N{NO-BREAK SPACE}")


def outcome(difference: Difference) -> tuple[str, str]:
    """A word for what was shown, and its tone."""
    if not known(difference.estimate.value):
        return "unknown", "faint"
    if not difference.significant:
        return "not shown", "faint"
    return ("better", "ok") if difference.gain > 0 else ("worse", "error")


def level_of(comparison: Comparison) -> float:
    """The level of the tests."""
    return 1 - comparison.confidence


def by(dimension: str) -> str:
    """A heading of parts, for example `by length`, `f1 by label`."""
    return dimension if " by " in dimension else f"by {dimension}"


def percent(share: float) -> str:
    """For example `95 %`."""
    return f"{round(100 * share, 4):g} %"


def cost_text(value: float | None, unit: str) -> str:
    """A cost with its unit: times as a person says them, large counts in millions."""
    if not known(value):
        return ABSENT
    if unit == "s":
        return duration(value)
    if unit:
        return f"{value:,.0f} {unit}" if value >= 1000 else f"{value:.3g} {unit}"
    if value < 1e6:
        return f"{value:,.0f}"
    scale, word = (1e9, "billion") if value >= 1e9 else (1e6, "million")
    return f"{value / scale:.3g} {word}" if value < 1000 * scale else f"{value / scale:,.0f} {word}"


def ratio_text(value: float | None, reference: float | None) -> str:
    """How many times the reference; empty where that says nothing."""
    if value is None or reference is None or not reference or not known(value / reference):
        return ""
    return (
        f"{value / reference:.2f} ×" if value < 100 * reference else f"{value / reference:,.0f} ×"
    )


def moment(seconds: float) -> str:
    """A time of Unix as a date, in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
