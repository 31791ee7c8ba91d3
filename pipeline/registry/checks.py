"""The gate's checks of the test metric: each holds one figure against one limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pipeline.comparison.result import Comparison, Difference
from pipeline.config.schema import GateConfig
from pipeline.reports.words import ABSENT, metric

Verdict = Literal["passed", "failed", "not checked"]


@dataclass(frozen=True)
class Check:
    """One line of the gate.

    Attributes:
        name: What is looked at.
        limit: What is asked for; where nothing is, the key that would.
        value: What was found; a dash where nothing was.
        verdict: Whether that is enough.
        reason: Why it failed or was not checked, in words; empty where it passed.
    """

    name: str
    limit: str
    value: str
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class Measured:
    """What a run says of its test metric.

    Attributes:
        metric: Its name.
        higher_is_better: Which way it is better.
        value: None of a run that was not evaluated.
    """

    metric: str
    higher_is_better: bool
    value: float | None


def value_check(gate: GateConfig, measured: Measured) -> Check:
    """Whether the test metric is there, and good enough in itself."""
    name, value, limit = f"test {measured.metric}", measured.value, gate.worst_value
    side = "at least" if measured.higher_is_better else "at most"
    asked = ABSENT if limit is None else f"{side} {metric(limit)}"
    if value is None:
        reason = f"the run has no test/{measured.metric}: run evaluate with its configuration"
        return Check(name, asked, ABSENT, "failed", reason)
    if limit is None:
        return unchecked(name, metric(value), "worst_value")
    enough = value >= limit if measured.higher_is_better else value <= limit
    return checked(name, asked, metric(value), enough, "worst_value")


def champion_checks(gate: GateConfig, comparison: Comparison) -> Iterator[Check]:
    """Whether the candidate is as good as the champion on the same test examples.

    Args:
        gate: The gate.
        comparison: The candidate's group against the champion's, with the gate's confidence.
    """
    difference = next(one for one in comparison.differences if one.metric == comparison.metric)
    yield _significance(gate, difference)
    if gate.max_drop is None:
        yield unchecked("drop", _drop(-difference.gain), "max_drop")
    else:
        asked = f"at most {metric(gate.max_drop)}"
        enough = -difference.gain <= gate.max_drop
        yield checked("drop", asked, _drop(-difference.gain), enough, "max_drop")
    low, high = difference.estimate.low, difference.estimate.high
    worst = None if low is None or high is None else -low if comparison.higher_is_better else high
    shown = ABSENT if worst is None else _drop(worst)
    name = "drop that is not excluded"
    if gate.margin is None:
        yield unchecked(name, shown, "margin")
    else:
        enough = worst is not None and worst < gate.margin
        yield checked(name, f"below {metric(gate.margin)}", shown, enough, "margin")


def _significance(gate: GateConfig, difference: Difference) -> Check:
    level = f"{1 - gate.confidence:.3g}"
    name, asked = f"{difference.metric} against the champion", f"not worse at p < {level}"
    found = _signed(difference.estimate.value)
    if difference.p_value is None:
        reason = f"whether it is worse cannot be tested: {difference.verdict}"
        return Check(name, asked, found, "failed", reason)
    found = f"{found}, p = {difference.p_value:.2g}"
    if difference.gain < 0 and difference.p_value < 1 - gate.confidence:
        reason = (
            f"the candidate is significantly worse by the {difference.method}; "
            f"gate.confidence is {gate.confidence:g}"
        )
        return Check(name, asked, found, "failed", reason)
    return Check(name, asked, found, "passed")


def checked(name: str, asked: str, shown: str, enough: bool, key: str) -> Check:
    """A check whose limit stands in the gate's key."""
    if enough:
        return Check(name, asked, shown, "passed")
    return Check(name, asked, shown, "failed", f"gate.{key} asks for {asked}, found {shown}")


def unchecked(name: str, shown: str, key: str) -> Check:
    """A figure that the gate's key sets no limit to."""
    return Check(name, f"no gate.{key}", shown, "not checked", f"gate.{key} is not set")


def _drop(value: float) -> str:
    return "none" if value <= 0 else metric(value)


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else '−'}{metric(abs(value))}"
