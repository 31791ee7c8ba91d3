"""What a difference means, in a sentence that a person can quote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.comparison.result import Difference, Estimate
from pipeline.comparison.testing import Uncorrected
from pipeline.data.quality.finding import count_of
from pipeline.reports.words import alike
from pipeline.statistics.multiplicity import holm

_UNBOUNDED = ("loss", "perplexity")
_MOST_DECIMALS = 4


@dataclass(frozen=True)
class Scene:
    """What all differences of a comparison have in common.

    Attributes:
        num_rows: Test examples.
        seeds: How many seeds each group has, by its label.
        confidence: Coverage of the intervals; one minus it is the level.
        points: The metrics whose differences are told in percentage points.
    """

    num_rows: int
    seeds: dict[str, int]
    confidence: float
    points: frozenset[str]


def conclude(tested: Sequence[Uncorrected], scene: Scene) -> tuple[Difference, ...]:
    """Corrects the p-values of what was compared together, and says what follows.

    Holm, S. (1979): with one comparison nothing changes.

    Args:
        tested: Comparisons that are made together; a question to which one answer is sought.
        scene: What they have in common.
    """
    tested = [_within(one, scene) for one in tested]
    adjusted = holm([one.p_value for one in tested])
    together = sum(p_value is not None for p_value in adjusted)
    return tuple(
        _concluded(one, p_value, together, scene)
        for one, p_value in zip(tested, adjusted, strict=True)
    )


def in_points(metric: str, values: Sequence[float]) -> bool:
    """Whether a metric's differences are told in percentage points: it is a share of one.

    Args:
        metric: Its name; losses are no shares even where they are small.
        values: All of its values; undefined ones (NaN) do not count.
    """
    known = [value for value in values if not math.isnan(value)]
    return all(0 <= value <= 1 for value in known) and not any(
        word in metric for word in _UNBOUNDED
    )


def natural_range(metric: str, share: bool) -> tuple[float, float]:
    """Between which values a metric lies, so that no interval says more.

    Args:
        metric: Its name.
        share: Whether it is a share of one, as `in_points` tells; Matthews' correlation passes for
            one but can be negative.
    """
    if not share:
        return (
            (0.0, math.inf) if any(word in metric for word in _UNBOUNDED) else (-math.inf, math.inf)
        )
    return (-1.0, 1.0) if metric == "mcc" else (0.0, 1.0)


def p_text(p_value: float, level: float) -> str:
    """For example `p = 0.012`, `p < 0.001`; never rounded across the level."""
    if p_value < 0.001:
        return "p < 0.001"
    digits = 2
    while digits < 6 and (float(f"{p_value:.{digits}g}") < level) != (p_value < level):
        digits += 1
    return f"p = {p_value:.{digits}g}"


def _within(one: Uncorrected, scene: Scene) -> Uncorrected:
    """Without the part of the interval that no two values of the metric can be apart."""
    low, high = natural_range(one.spec.name, one.spec.name in scene.points)
    reach = high - low
    if one.estimate.low is None or one.estimate.high is None or not math.isfinite(reach):
        return one
    bounds = max(one.estimate.low, -reach), min(one.estimate.high, reach)
    return replace(one, estimate=Estimate(one.estimate.value, *bounds))


def _concluded(one: Uncorrected, adjusted: float | None, together: int, scene: Scene) -> Difference:
    significant = adjusted is not None and adjusted < 1 - scene.confidence
    known = not significant and one.problem is None and not one.same
    return Difference(
        metric=one.spec.name,
        reference=one.reference,
        other=one.other,
        estimate=one.estimate,
        gain=one.gain,
        p_value=one.p_value,
        p_adjusted=adjusted,
        method=one.method,
        significant=significant,
        examples_needed=one.examples_needed if known else None,
        seeds_needed=one.seeds_needed if known else None,
        verdict=_verdict(one, adjusted, together, significant, scene),
    )


def _verdict(
    one: Uncorrected, adjusted: float | None, together: int, significant: bool, scene: Scene
) -> str:
    examples = count_of(scene.num_rows, "example")
    if one.problem is not None:
        return f"{one.other} and {one.reference} cannot be compared: {one.problem}"
    if one.same:
        return f"{one.other} and {one.reference}: the predictions are the same on all {examples}"
    if one.gain == 0:
        varies = one.estimate.low != one.estimate.high
        return (
            f"no difference between {one.other} and {one.reference}: the values are equal"
            f"{_evidence(one, adjusted, together, scene) if varies else ' in all resamples too'}"
        )
    ahead, behind = (one.other, one.reference) if one.gain > 0 else (one.reference, one.other)
    amount = _amount(one, scene)
    if significant:
        return (
            f"{ahead} is better than {behind} by {amount}"
            f"{_evidence(one, adjusted, together, scene)}"
        )
    seeds = _seeds(one, scene)
    return (
        f"no difference that {examples}{seeds} can show{_needed(one, scene)} "
        f"({ahead} is ahead of {behind} by {amount}{_evidence(one, adjusted, together, scene)})"
    )


def _seeds(one: Uncorrected, scene: Scene) -> str:
    counts = [scene.seeds[one.reference], scene.seeds[one.other]]
    if counts == [1, 1]:
        return ""
    if counts[0] == counts[1]:
        return f" and {counts[0]} seeds of each"
    return f" and {counts[0]} + {counts[1]} seeds"


def _needed(one: Uncorrected, scene: Scene) -> str:
    parts = []
    if one.examples_needed is not None and one.examples_needed > scene.num_rows:
        parts.append(f"{_about(one.examples_needed)} examples")
    most = max(scene.seeds[one.reference], scene.seeds[one.other])
    if one.seeds_needed is not None and one.seeds_needed > most:
        parts.append(f"{_about(one.seeds_needed)} seeds of each")
    if not parts:
        return ""
    if len(parts) == 1 and most == 1:
        parts = [part.removesuffix(" examples") for part in parts]
    return f"; about {' or '.join(parts)} would be needed"


def _about(number: int) -> str:
    """Two digits that count: it is an estimate."""
    digits = max(len(str(number)) - 2, 0)
    return f"{math.ceil(number / 10**digits) * 10**digits:,}"


def _amount(one: Uncorrected, scene: Scene) -> str:
    (size, *_) = _numbers(one, scene)
    unit = " points" if one.spec.name in scene.points else ""
    return f"{size}{unit}"


def _evidence(one: Uncorrected, adjusted: float | None, together: int, scene: Scene) -> str:
    """Interval and p-value, seen from the better side."""
    _, *bounds = _numbers(one, scene)
    text = ""
    if bounds:
        text = f", {scene.confidence * 100:g} % interval {bounds[0]} to {bounds[1]}"
    if adjusted is None:
        return text
    word = "adjusted " if together > 1 else ""
    return f"{text}, {word}{p_text(adjusted, 1 - scene.confidence)}"


def _numbers(one: Uncorrected, scene: Scene) -> list[str]:
    """The size of the difference and its bounds with the sign of the better side."""
    value, low, high = one.estimate.value, one.estimate.low, one.estimate.high
    scale = 100.0 if one.spec.name in scene.points else 1.0
    numbers = [value]
    if low is not None and high is not None:
        numbers += [low, high] if value >= 0 else [high, low]
    sign = -1.0 if value < 0 else 1.0
    return _rounded([sign * scale * number for number in numbers])


def _rounded(numbers: Sequence[float]) -> list[str]:
    """Two digits that count of the difference or its interval, and one at least of each."""
    size, reach = abs(numbers[0]), (max(numbers) - min(numbers)) / 2
    if max(size, reach) == 0:
        return ["0" for _ in numbers]
    decimals = max(_decimals(max(size, reach), 2), _decimals(size, 1), 1)
    if decimals > _MOST_DECIMALS:
        return [_plain(text) for text in alike(numbers)]
    return [_plain(f"{number:,.{decimals}f}") for number in numbers]


def _decimals(number: float, digits: int) -> int:
    """Decimals that show so many digits that count; none of zero."""
    return digits - 1 - math.floor(math.log10(number)) if number else 0


def _plain(text: str) -> str:
    """Without the sign of a zero."""
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text
