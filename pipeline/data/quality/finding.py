"""One thing that was looked for in the data, what was found, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.config.data import Threshold

Severity = Literal["ok", "info", "warning", "error"]
Kind = Literal["share", "ratio", "count"]

ORDER: tuple[Severity, ...] = ("error", "warning", "info", "ok")
"""Severities, the gravest first."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: The check's name; with a threshold, its key in `data.quality`.
        title: What was looked for, in a few words.
        severity: How grave it is.
        value: The number that thresholds are compared with.
        kind: How to read it: a share between 0 and 1, a ratio, or a count.
        warn: Above this value it is a warning; None is never.
        error: Above this value it is an error; None is never.
        message: What was found, as a sentence.
        advice: What to do about it; empty where nothing is to be done.
        by_split: The value for each split, where it was computed for each.
        examples: A few cases, to look at.
    """

    check: str
    title: str
    severity: Severity
    value: float
    kind: Kind
    message: str
    advice: str = ""
    warn: float | None = None
    error: float | None = None
    by_split: dict[str, float] | None = None
    examples: tuple[dict[str, Any], ...] = ()

    @property
    def shown_value(self) -> str:
        """The value as a person reads it."""
        return show(self.value, self.kind)


def show(value: float, kind: Kind) -> str:
    """A value as a person reads it: a share in percent, a ratio with its sign, a count."""
    if kind == "share":
        percent = 100 * value
        return "0 %" if value == 0 else "< 0.01 %" if percent < 0.01 else f"{percent:.3g} %"
    return f"{value:.3g}×" if kind == "ratio" else f"{value:,.0f}"


def count_of(number: int, noun: str) -> str:
    """A number with its noun: "1 row", "2,000 rows"; "1 entity", "2 entities"."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"


def judge(value: float, threshold: Threshold) -> Severity:
    """The severity of a value: above `error`, above `warn`, or neither; without both, a notice."""
    if threshold.error is not None and value > threshold.error:
        return "error"
    if threshold.warn is not None and value > threshold.warn:
        return "warning"
    unwatched = threshold.warn is None and threshold.error is None
    return "info" if unwatched and value > 0 else "ok"


def finding(
    check: str,
    title: str,
    value: float,
    threshold: Threshold,
    *,
    message: str,
    advice: str,
    kind: Kind = "share",
    by_split: dict[str, float] | None = None,
    examples: Sequence[dict[str, Any]] = (),
) -> Finding:
    """Makes the finding of a check that has a threshold in the config."""
    return Finding(
        check=check,
        title=title,
        severity=judge(value, threshold),
        value=value,
        kind=kind,
        message=message,
        advice=advice if value > 0 else "",
        warn=threshold.warn,
        error=threshold.error,
        by_split=by_split,
        examples=tuple(examples),
    )
