"""Small wordings of a sweep's report."""

from __future__ import annotations

from typing import Any

from pipeline.reports.words import metric
from pipeline.sweep.definition.metrics import COSTS
from pipeline.sweep.definition.settings import Direction
from pipeline.sweep.study.records import decode, encode
from pipeline.sweep.words import parameter


def shown(value: Any) -> str:
    """A parameter's value; equal mappings look alike, whatever the order of their keys."""
    return parameter(decode(encode(value)))


def with_unit(value: float, name: str) -> str:
    """The value of a metric with its unit, if it has one."""
    unit = COSTS[name].unit if name in COSTS else ""
    return f"{metric(value)} {unit}".rstrip()


def better(direction: Direction) -> str:
    """Which way is better."""
    return "higher is better" if direction == "maximize" else "lower is better"
