"""How the pictures of a report place the values of parameters on axes from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pipeline.reports.typeface import font_families
from pipeline.sweep.definition.parameters import ChoiceParameter, ConditionalParameter
from pipeline.sweep.report.words import shown
from pipeline.sweep.study.records import StudyRecord, TrialRecord

GOLDEN, SILVER = 0.618034, 0.414214
"""Multiples, modulo one, are spread evenly: points of one choice do not hide each other."""
LONGEST_LABEL = 20


@dataclass(frozen=True)
class Scale:
    """Where the values of a parameter lie on an axis from 0 to 1.

    Attributes:
        kind: Evenly spread, by logarithm, or one place a choice.
        low: Smallest value of a number.
        high: Largest value of a number.
        labels: By text of a choice what is drawn for it, in order.
    """

    kind: Literal["linear", "log", "choice"]
    low: float = 0.0
    high: float = 1.0
    labels: Mapping[str, str] | None = None

    def position(self, value: Any) -> float:
        """The place of a value; NaN for one that is missing or not on the axis."""
        if self.labels is not None:
            places = {text: place for place, text in enumerate(self.labels)}
            text = shown(value)
            return (places[text] + 0.5) / len(places) if text in places else math.nan
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return math.nan
        if self.low == self.high:
            return 0.5
        low, high, place = (
            (math.log(v) if v > 0 else math.nan) if self.kind == "log" else float(v)
            for v in (self.low, self.high, value)
        )
        return (place - low) / (high - low)

    def jittered(self, value: Any, trial: int, ratio: float = GOLDEN) -> float:
        """The place of a trial's point: beside others of the same choice, not upon them."""
        place = self.position(value)
        if self.labels is None:
            return place
        return place + ((trial * ratio) % 1 - 0.5) * 0.6 / len(self.labels)

    def ticks(self) -> list[tuple[float, str]]:
        """Places and labels: choices, powers of ten, or round numbers; at least one."""
        from matplotlib.ticker import MaxNLocator

        if self.labels is not None:
            return [((n + 0.5) / len(self.labels), s) for n, s in enumerate(self.labels.values())]
        if self.low == self.high:
            return [(0.5, _tick(self.low))]
        if self.kind == "linear":
            found = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high)
            slack = 1e-9 * (self.high - self.low)
            values = [v for v in found if self.low - slack <= v <= self.high + slack]
        else:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            stride = max(math.ceil((last - first + 1) / 4), 1)
            values = [10.0**power for power in range(first, last + 1, stride)]
            if len(values) < 2:
                values = [self.low, math.sqrt(self.low * self.high), self.high]
        return [(self.position(float(value)), _tick(float(value))) for value in values]


def scale_of(parameter: ConditionalParameter | None, values: Sequence[Any]) -> Scale:
    """The scale of a parameter.

    Args:
        parameter: What the search space says of it; None if it says nothing.
        values: Values that trials have; where the space says nothing, they alone make the scale.
    """
    numbers = [float(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if isinstance(parameter, ChoiceParameter) or len(numbers) < len(values) or not values:
        choices = parameter.values() if isinstance(parameter, ChoiceParameter) else []
        texts = list(dict.fromkeys(shown(value) for value in [*choices, *values]))
        return Scale("choice", labels=dict(zip(texts, choice_labels(texts), strict=True)))
    low, high = (parameter.extremes() if parameter else None) or (min(numbers), max(numbers))
    kind: Literal["linear", "log"] = "log" if getattr(parameter, "log", False) else "linear"
    return Scale(kind, min(float(low), *numbers), max(float(high), *numbers))


def choice_labels(texts: Sequence[str]) -> list[str]:
    """What is drawn for choices: their texts, or `choice n` for all that are long or unwritable.

    Words may be cut, where they stay different; lists and mappings look all alike when cut.
    """
    _, drawable = font_families(texts)
    cut = [
        text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…" for text in texts
    ]
    return [
        label
        if drawable[text] == text
        and cut.count(label) == 1
        and (label == text or text[0] not in "[{")
        else f"choice {place}"
        for place, (text, label) in enumerate(zip(texts, cut, strict=True), start=1)
    ]


@dataclass(frozen=True)
class View:
    """A study as the pictures see it.

    Attributes:
        record: The study.
        importances: By objective, of each parameter; empty where they are unknown.
        scales: Of each parameter that a trial has, in order of the space.
        trouble: Why the importances could not be computed, if that failed.
    """

    record: StudyRecord
    importances: tuple[Mapping[str, float], ...]
    scales: Mapping[str, Scale]
    trouble: str = ""

    @cached_property
    def measured(self) -> list[TrialRecord]:
        """Trials with finite values of all objectives, feasible or not."""
        ended = self.record.of("complete", "infeasible")
        return [trial for trial in ended if all(map(math.isfinite, trial.values))]

    @cached_property
    def chosen(self) -> set[int]:
        """Numbers of the best trial, or of those on the Pareto front."""
        ranked = self.record.ranked
        return {t.number for t in (ranked if self.record.is_multi_objective else ranked[:1])}

    def varied(self, most: int) -> list[str]:
        """Parameters with at least two values among the measured trials, the most important first.

        Args:
            most: How many at most.
        """
        spread = {
            name: len({shown(params_of(t).get(name)) for t in self.measured if has(t, name)})
            for name in self.scales
        }
        weight = self.importances[0] if self.importances else {}
        names = [name for name in self.scales if spread[name] > 1]
        return sorted(names, key=lambda name: -weight.get(name, 0.0))[:most]

    def best_label(self) -> str:
        """What the chosen trials are called in a legend."""
        return "Pareto front" if self.record.is_multi_objective else "best trial"


def params_of(trial: TrialRecord) -> dict[str, Any]:
    """A trial's searched values; empty before it has any."""
    return trial.params or {}


def has(trial: TrialRecord, *names: str) -> bool:
    """Whether parameters exist in a trial: one with an unmet condition does not."""
    return all(name in params_of(trial) for name in names)


def view_of(record: StudyRecord) -> View:
    """Prepares what all pictures need, as yet without importances."""
    space = record.facts.settings.space
    values: dict[str, list[Any]] = {name: [] for name in space}
    for trial in record.trials:
        for name, value in params_of(trial).items():
            values.setdefault(name, []).append(value)
    scales = {n: scale_of(space.get(n), known) for n, known in values.items() if known}
    return View(record, (), scales)


def _tick(value: float) -> str:
    return shown(int(value)) if value == int(value) and abs(value) < 1e6 else f"{value:.3g}"
