"""The best trial beside the default configuration: is it better, and can so few seeds say so?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pipeline.config.base import Section
from pipeline.data.quality.finding import count_of
from pipeline.reports.words import alike, number
from pipeline.statistics.student import Interval, mean, mean_interval, paired_p, seeds_needed
from pipeline.sweep.definition.metrics import COSTS
from pipeline.sweep.definition.settings import Direction


class Comparison(Section):
    """Both trained on the same fresh seeds, so that the selection among trials flatters neither."""

    metric: str
    """What is compared, on validation data."""
    direction: Direction
    """Which way is better."""
    confidence: float
    """Coverage of the intervals; one minus it is the level of the test."""
    trial: int | None
    """Number of the best trial."""
    is_default: bool
    """Whether the best trial is the default configuration itself."""
    best: dict[int, float]
    """Values of the best trial, by seed; only seeds that have a value of both."""
    default: dict[int, float]
    """Values of the default configuration, of the same seeds."""
    left_out: tuple[int, ...]
    """Seeds without a defined value of both."""
    best_mean: float | None
    """Mean over the seeds; None without any."""
    best_interval: Interval | None
    """Student's interval of that mean; None with fewer than two seeds."""
    default_mean: float | None
    """The same of the default."""
    default_interval: Interval | None
    """The same of the default."""
    difference: float | None
    """Mean difference; positive where the best trial is better, whatever the direction."""
    difference_interval: Interval | None
    """Its interval; None with fewer than two seeds, or if all differences are equal."""
    p_value: float | None
    """Of the two-sided paired t-test; None where there is no interval of the difference."""
    significant: bool
    """Whether the p-value is below one minus the confidence."""
    seeds_needed: int | None
    """Seeds with which the test would find such a difference in 80 of 100 cases; None where it
    was found, where there is no test, or if it would take more than 10,000."""
    verdict: str
    """All this in a sentence, without capital and full stop."""

    @property
    def n(self) -> int:
        """Seeds that have a value of both."""
        return len(self.best)

    @property
    def differences(self) -> dict[int, float]:
        """By seed; positive where the best trial is better."""
        sign = 1.0 if self.direction == "maximize" else -1.0
        return {seed: sign * (value - self.default[seed]) for seed, value in self.best.items()}


def compare(
    metric: str,
    direction: Direction,
    best: Mapping[int, float],
    default: Mapping[int, float],
    confidence: float,
    *,
    trial: int | None = None,
    is_default: bool = False,
) -> Comparison:
    """Compares two configurations that were trained on the same seeds.

    Seeds that only one of them has, or whose value is not finite, are left out. Equal differences
    on all seeds have no spread to test against: they get no p-value and are not significant.

    Args:
        metric: What is compared.
        direction: Which way is better.
        best: Values of the best trial, by seed.
        default: Values of the default configuration, by seed.
        confidence: Coverage of the intervals, for example 0.95.
        trial: Number of the best trial, for the verdict.
        is_default: Whether both are the same configuration.
    """
    every = sorted(set(best) | set(default))
    seeds = [s for s in every if math.isfinite(best.get(s, math.nan) + default.get(s, math.nan))]
    ours, theirs = [float(best[s]) for s in seeds], [float(default[s]) for s in seeds]
    sign = 1.0 if direction == "maximize" else -1.0
    differences = [sign * (a - b) for a, b in zip(ours, theirs, strict=True)]
    tested = len(seeds) > 1 and not is_default and not _all_equal(differences, ours + theirs)
    p_value = paired_p(differences) if tested else None
    significant = p_value is not None and p_value < 1 - confidence
    found = Comparison(
        metric=metric,
        direction=direction,
        confidence=confidence,
        trial=trial,
        is_default=is_default,
        best=dict(zip(seeds, ours, strict=True)),
        default=dict(zip(seeds, theirs, strict=True)),
        left_out=tuple(seed for seed in every if seed not in seeds),
        best_mean=mean(ours),
        best_interval=mean_interval(ours, confidence),
        default_mean=mean(theirs),
        default_interval=mean_interval(theirs, confidence),
        difference=mean(differences),
        difference_interval=mean_interval(differences, confidence) if tested else None,
        p_value=p_value,
        significant=significant,
        seeds_needed=seeds_needed(differences, confidence) if tested and not significant else None,
        verdict="",
    )
    return found.model_copy(update={"verdict": _verdict(found)})


def _all_equal(differences: Sequence[float], values: Sequence[float]) -> bool:
    """Whether differences vary by no more than the rounding of the values they come from."""
    return max(differences) - min(differences) <= 1e-12 * max(map(abs, values))


def _verdict(found: Comparison) -> str:
    name = "the best trial" if found.trial is None else f"trial {found.trial}"
    if found.is_default:
        return f"{name} is the default configuration itself: the default was not beaten"
    if found.p_value is not None and found.difference_interval is not None:
        text = _tested(name, found, found.difference_interval, found.p_value)
    elif found.n > 1:
        text = _without_spread(name, found)
    elif found.n == 1:
        text = (
            f"{name} has {_amount(number(found.best_mean), found.metric)} and the default "
            f"{number(found.default_mean)}, but one seed allows no interval and no test"
        )
    else:
        text = f"{name} cannot be compared with the default: no seed has a value of both"
    if not found.left_out:
        return text
    return f"{text}; {count_of(len(found.left_out), 'seed')} without a value of both left out"


def _tested(name: str, found: Comparison, bounds: Interval, p_value: float) -> str:
    assert found.difference is not None
    size, low, high = alike((abs(found.difference), *bounds))
    p_text = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"
    interval = f"{found.confidence * 100:g} % interval {low} to {high}, {p_text}"
    amount, seeds = _amount(size, found.metric), count_of(found.n, "seed")
    if found.significant:
        side = "better" if found.difference > 0 else "worse"
        return f"{name} is {side} than the default by {amount} ({interval}, {seeds})"
    if found.difference == 0:
        return f"no difference: the means of {seeds} are equal ({interval})"
    needed = "more than 10,000" if found.seeds_needed is None else f"about {found.seeds_needed:,}"
    side = "ahead of" if found.difference > 0 else "behind"
    return (
        f"no difference that {seeds} can show; {needed} would be needed "
        f"({name} is {side} the default by {amount}, {interval})"
    )


def _without_spread(name: str, found: Comparison) -> str:
    assert found.difference is not None
    seeds = count_of(found.n, "seed")
    if abs(found.difference) <= 1e-12 * max(map(abs, found.best.values())):
        return f"no difference: {name} and the default have the same {found.metric} on {seeds}"
    side = "better" if found.difference > 0 else "worse"
    amount = _amount(alike([abs(found.difference)])[0], found.metric)
    return (
        f"{name} is {side} than the default by {amount} on each of {seeds}; without any spread "
        "between seeds there is no interval and no test"
    )


def _amount(text: str, metric: str) -> str:
    unit = COSTS[metric].unit if metric in COSTS else ""
    return f"{text} {unit} ({metric})" if unit else f"{text} {metric}"
