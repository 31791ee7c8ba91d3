"""Short wordings of a run's facts, which the list and the single run share."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from pipeline.reports.words import ABSENT, metric
from pipeline.tracking.reading import RunRecord

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_SEED = re.compile(r"-seed\d+(?=-[0-9a-f]+$|$)")


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

    Of a group of seeds it is the mean, with the interval of the mean.

    Args:
        metrics: All metrics of the run.
        name: The metric, for example `test/accuracy`.
        short: Whether three decimals have to do, as in `0.943 (0.910–0.971)`.

    Returns:
        None if the run does not have it.
    """
    value = metrics.get(name)
    if value is None:
        name = f"group/{name}"
        value = metrics.get(f"{name}_mean")
    if value is None:
        return None
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    tell = "{:.3f}".format if short else metric
    if low is None or high is None:
        return tell(value)
    return f"{tell(value)} ({tell(low)}{'–' if short else ' … '}{tell(high)})"


def number(value: float) -> str:
    """A count as such, and anything else as a metric."""
    return f"{value:,.0f}" if value.is_integer() and abs(value) != 1 else metric(value)


def seed_of(record: RunRecord) -> str:
    """The seed a run was trained with; empty where it has none."""
    return record.tags.get("seed") or record.params.get("seed", "")


def name_of(record: RunRecord, parent: RunRecord | None = None) -> str:
    """A run's name without its seed; empty if that is the name of what it is nested in."""
    name = _SEED.sub("", record.name) if seed_of(record) else record.name
    return "" if parent is not None and name == parent.name else name
