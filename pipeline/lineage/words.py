"""Short wordings of a run's facts, which the list and the single run share."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from pipeline.reports.words import ABSENT, metric
from pipeline.tracking.reading import RunRecord

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def ago(seconds: float, now: float | None = None) -> str:
    """A moment as a person says it: `3 min ago` today, otherwise the day.

    Args:
        seconds: Unix time.
        now: Likewise; by default this moment.
    """
    passed = (time.time() if now is None else now) - seconds
    if passed < _MINUTE:
        return "just now"
    if passed < _HOUR:
        return f"{passed / _MINUTE:.0f} min ago"
    if passed < _DAY:
        return f"{passed / _HOUR:.0f} h ago"
    return time.strftime("%Y-%m-%d", time.localtime(seconds))


def moment(seconds: float) -> str:
    """A moment in local time, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def status(record: RunRecord) -> str:
    """How a run ended, in the sweep's words where it has any: for example `pruned`."""
    state = record.tags.get("trial_state")
    return state if state and record.status != "RUNNING" else record.status.lower()


def revision(record: RunRecord) -> str:
    """The beginning of the commit, with `+` for uncommitted changes; a dash where unknown."""
    commit = record.tags.get("git.revision")
    if commit is None:
        return ABSENT
    return commit[:7] + ("+" if record.tags.get("git.dirty") == "true" else "")


def interval(metrics: Mapping[str, float], name: str, *, short: bool = False) -> str | None:
    """A metric with its interval if it has one, for example `0.9430 (0.9100 … 0.9710)`.

    Args:
        metrics: All metrics of the run.
        name: The metric.
        short: Whether three decimals have to do, as in `0.943 (0.910–0.971)`.

    Returns:
        None if the run does not have it.
    """
    if name not in metrics:
        return None
    value, low, high = metrics[name], metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    tell = "{:.3f}".format if short else metric
    if low is None or high is None:
        return tell(value)
    return f"{tell(value)} ({tell(low)}{'–' if short else ' … '}{tell(high)})"


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean of at least one value."""
    return sum(values) / len(values)
