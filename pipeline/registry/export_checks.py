"""The gate's checks of what will be served: is it the trained model, quick and small enough?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.config.schema import GateConfig
from pipeline.registry.checks import Check, checked, unchecked
from pipeline.reports.words import ABSENT

Report = Mapping[str, Any]


class _MissingError(Exception):
    """The report lacks a figure; the message says why and what to do."""


@dataclass(frozen=True)
class _Figure:
    """A figure of export's report.

    Attributes:
        name: In words.
        key: The gate's key with its limit.
        read: Finds it in the report.
        show: Writes it with its unit.
    """

    name: str
    key: str
    read: Callable[[Report, GateConfig], float]
    show: Callable[[float], str]

    @property
    def is_floor(self) -> bool:
        """Whether the limit is the smallest value, not the largest."""
        return self.key.startswith("min_")


def export_checks(gate: GateConfig, report: Report | None) -> Iterator[Check]:
    """Holds the figures of `gate.runtime` against the gate's limits.

    Args:
        gate: The gate.
        report: Export's report as JSON holds it; None of a run that was not exported.
    """
    for figure in _FIGURES:
        name = f"{figure.name} of {gate.runtime}"
        limit: float | None = getattr(gate, figure.key)
        value, problem = _found(figure, gate, report)
        shown = ABSENT if value is None else figure.show(value)
        if limit is None:
            yield unchecked(name, shown, figure.key)
            continue
        asked = f"at {'least' if figure.is_floor else 'most'} {figure.show(limit)}"
        if value is None:
            yield Check(name, asked, shown, "failed", problem)
        else:
            enough = value >= limit if figure.is_floor else value <= limit
            yield checked(name, asked, shown, enough, figure.key)


def _found(figure: _Figure, gate: GateConfig, report: Report | None) -> tuple[float | None, str]:
    if report is None:
        return None, "the run was not exported: run export with its configuration"
    try:
        return figure.read(report, gate), ""
    except _MissingError as problem:
        return None, str(problem)


def _agreement(report: Report, gate: GateConfig) -> float:
    if gate.runtime == "pytorch":
        return 1.0
    return float(_model(report, gate)["parity"]["prediction_agreement"])


def _logit_difference(report: Report, gate: GateConfig) -> float:
    if gate.runtime == "pytorch":
        return 0.0
    return float(_model(report, gate)["parity"]["max_abs_difference"])


def _megabytes(report: Report, gate: GateConfig) -> float:
    if gate.runtime == "pytorch":
        return float(report["pytorch_bytes"]) / 1e6
    return float(_model(report, gate)["num_bytes"]) / 1e6


def _milliseconds(report: Report, gate: GateConfig) -> float:
    timed = {timing["batch_size"]: timing["runtimes"] for timing in report["timings"]}
    size = gate.latency_batch_size
    if size not in timed:
        sizes = ", ".join(map(str, timed)) or "none"
        raise _MissingError(
            f"export timed batches of {sizes}, not of {size}: set gate.latency_batch_size to one "
            f"of these, or add {size} to export.latency_batch_sizes and export again"
        )
    if gate.runtime not in timed[size]:
        raise _not_exported(report, gate)
    return float(timed[size][gate.runtime]["p50_ms"])


def _model(report: Report, gate: GateConfig) -> Mapping[str, Any]:
    if gate.runtime not in report["models"]:
        raise _not_exported(report, gate)
    model: Mapping[str, Any] = report["models"][gate.runtime]
    return model


def _not_exported(report: Report, gate: GateConfig) -> _MissingError:
    made = ", ".join(report["models"]) or "nothing"
    return _MissingError(
        f"the run exported {made}: add {gate.runtime} to export.formats and export again, or set "
        "gate.runtime to what will be served"
    )


_FIGURES = (
    _Figure(
        "agreement", "min_prediction_agreement", _agreement, lambda value: f"{100 * value:.4g} %"
    ),
    _Figure(
        "logit difference", "max_abs_difference", _logit_difference, lambda value: f"{value:.2g}"
    ),
    _Figure("latency", "max_latency_ms", _milliseconds, lambda value: f"{value:.4g} ms"),
    _Figure("size", "max_size_mb", _megabytes, lambda value: f"{value:.4g} MB"),
)
