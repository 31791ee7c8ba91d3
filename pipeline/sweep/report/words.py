"""Small wordings that the comparison and the report share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from pipeline.sweep.definition.metrics import COSTS
from pipeline.sweep.definition.settings import Direction
from pipeline.sweep.study.records import decode, encode
from pipeline.sweep.words import metric, parameter

ABSENT = "–"
"""What stands where a value does not exist."""


def shown(value: Any) -> str:
    """A parameter's value; equal mappings look alike, whatever the order of their keys."""
    return parameter(decode(encode(value)))


def number(value: float | None) -> str:
    """A metric, or a dash where it is missing."""
    return ABSENT if value is None else metric(value)


def with_unit(value: float, name: str) -> str:
    """The value of a metric with its unit, if it has one."""
    unit = COSTS[name].unit if name in COSTS else ""
    return f"{metric(value)} {unit}".rstrip()


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


def better(direction: Direction) -> str:
    """Which way is better."""
    return "higher is better" if direction == "maximize" else "lower is better"


def capital(sentence: str) -> str:
    """A sentence with a capital letter and a full stop."""
    return f"{sentence[:1].upper()}{sentence[1:].rstrip('.')}."


def listed(words: Iterable[str]) -> str:
    """For example `a, b and c`."""
    known = list(words)
    return " and ".join([", ".join(known[:-1]), known[-1]]) if len(known) > 1 else "".join(known)
