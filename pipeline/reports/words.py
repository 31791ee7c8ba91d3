"""Small wordings that reports, tables and lines of the terminal share."""

from __future__ import annotations

import math
from collections.abc import Iterable

ABSENT = "–"
"""What stands where a value does not exist."""


def metric(value: float) -> str:
    """A metric or cost: four decimals for shares, whole numbers where they are large."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.2f}"
    return f"{value:.4f}" if size >= 0.001 or size == 0 else f"{value:.3g}"


def number(value: float | None) -> str:
    """A metric, or a dash where it is missing."""
    return ABSENT if value is None else metric(value)


def alike(values: Iterable[float]) -> list[str]:
    """Numbers that stand together, all with as many decimals as tell them apart.

    The largest gets two significant digits, and each that is not zero at least one, up to
    seven decimals.
    """
    known = list(values)
    sizes = [abs(value) for value in known if value and math.isfinite(value)]
    if not sizes:
        return [metric(value) for value in known]
    decimals = max(1 - math.floor(math.log10(max(sizes))), -math.floor(math.log10(min(sizes))), 0)
    if decimals > 7:
        return [f"{value:.2g}" for value in known]
    return [f"{value:,.{decimals}f}" for value in known]


def duration(seconds: float) -> str:
    """A time as a person says it, for example `12 s`, `3 min 05 s`, `1 h 02 min`, `2 d 03 h`."""
    whole = round(seconds)
    if seconds < 10 and whole != seconds:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours < 24:
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours:02d} h"


def capital(sentence: str) -> str:
    """A sentence with a capital letter and a full stop."""
    return f"{sentence[:1].upper()}{sentence[1:].rstrip('.')}."


def listed(words: Iterable[str]) -> str:
    """For example `a, b and c`."""
    known = list(words)
    return " and ".join([", ".join(known[:-1]), known[-1]]) if len(known) > 1 else "".join(known)
