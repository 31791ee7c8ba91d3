"""The best trial beside the default configuration: is it better, and can so few seeds say so?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pipeline.config.base import Section
from pipeline.data.quality.finding import count_of
from pipeline.sweep.definition.metrics import COSTS
from pipeline.sweep.definition.settings import Direction
from pipeline.sweep.report.words import alike, number

POWER = 0.8
"""Chance to find a difference of the observed size with `seeds_needed` seeds."""
MOST_SEEDS = 10_000
"""Where the search for a number of seeds ends."""

_PARTS = 400

Interval = tuple[float, float]


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
    mean = _mean(differences)
    tested = len(seeds) > 1 and not is_default and not _all_equal(differences, ours + theirs)
    p_value = _paired_p(differences) if tested else None
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
        best_mean=_mean(ours),
        best_interval=mean_interval(ours, confidence),
        default_mean=_mean(theirs),
        default_interval=mean_interval(theirs, confidence),
        difference=mean,
        difference_interval=mean_interval(differences, confidence) if tested else None,
        p_value=p_value,
        significant=significant,
        seeds_needed=seeds_needed(differences, confidence) if tested and not significant else None,
        verdict="",
    )
    return found.model_copy(update={"verdict": _verdict(found)})


def mean_interval(values: Sequence[float], confidence: float) -> Interval | None:
    """Student's interval of the mean; None for fewer than two values, no width without spread."""
    if len(values) < 2:
        return None
    from scipy import stats

    mean, error = _mean_and_error(values)
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * error
    return mean - half, mean + half


def seeds_needed(
    differences: Sequence[float], confidence: float, power: float = POWER
) -> int | None:
    """How many seeds would find the observed mean difference, given its observed spread.

    The power of the two-sided paired t-test, from the noncentral t distribution (Cohen, 1988,
    section 2.5). An estimate: mean and spread are themselves known from few seeds.

    Returns:
        The smallest number of seeds, at least 2; None if it is above 10,000 or no number does.
    """
    mean, error = _mean_and_error(differences)
    spread = error * math.sqrt(len(differences))
    if mean == 0 or spread == 0:
        return None
    effect = abs(mean) / spread
    if _power(MOST_SEEDS, effect, confidence) < power:
        return None
    low, high = 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(middle, effect, confidence) >= power else (middle, high)
    return high


def _power(seeds: int, effect: float, confidence: float) -> float:
    """Chance of a significant result of the right sign.

    The noncentral t distribution as a mean over the estimated spread: scipy's own is NaN in places.

    Args:
        seeds: At least 2.
        effect: Mean difference in standard deviations of the differences.
        confidence: One minus the level.
    """
    import numpy as np
    from scipy import stats

    degrees = seeds - 1
    critical = stats.t.ppf((1 + confidence) / 2, degrees)
    middles = (np.arange(_PARTS) + 0.5) / _PARTS
    spreads = np.sqrt(stats.chi2.ppf(middles, degrees) / degrees)
    return float(stats.norm.cdf(effect * math.sqrt(seeds) - critical * spreads).mean())


def _paired_p(differences: Sequence[float]) -> float:
    from scipy import stats

    mean, error = _mean_and_error(differences)
    return float(2 * stats.t.sf(abs(mean) / error, len(differences) - 1))


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error."""
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


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
