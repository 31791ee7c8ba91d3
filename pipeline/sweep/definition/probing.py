"""Tries points of a search space: is every value part of some valid configuration?"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config.schema import GROUPS
from pipeline.errors import ConfigError, Problem
from pipeline.sweep.definition.composition import compose_trial
from pipeline.sweep.definition.loading import Sweep
from pipeline.sweep.definition.parameters import (
    ChoiceParameter,
    ConditionalParameter,
    FloatParameter,
    IntParameter,
)

BUDGET = 60
"""Points after which no further value is tried."""
NEIGHBOURS = 4
"""Valid points in whose place a value is tried, if it failed beside other new ones."""
TURNS = 6
"""Points with a value after that, in which all choices take turns."""
DRAWS = 50
"""Draws after which a parameter that appears in none counts as one that never exists."""
RANDOM_POINTS = 8
"""Points drawn at random, to see how many of a study's trials would be valid."""

Space = Mapping[str, ConditionalParameter]
Point = dict[str, Any]
_Pair = tuple[str, Any]


@dataclass(frozen=True)
class Probed:
    """What trying found.

    Attributes:
        problems: Values that no point makes valid, and initial points that are not.
        warnings: That some random points are not valid, or that some values were not tried.
    """

    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]


def probe(sweep: Sweep, root: Path, *, threads: int, without: Collection[str] = ()) -> Probed:
    """Composes points of a sweep's space. The same sweep is always tried at the same points.

    Args:
        sweep: The sweep.
        root: The project's root.
        threads: CPU threads of a trial.
        without: Entries of the sweep that are known to be wrong, such as `space.optimizer.lrr`;
            parameters that depend on them are not tried either.
    """
    if any(name.startswith("derived.") for name in without):
        return Probed((), ())
    prober = _Prober(sweep, root, threads)
    for name in without:
        prober.leave_out(name.removeprefix("space."))
    return prober.run()


def draw(space: Space, generator: random.Random, fixed: Mapping[str, Any] | None = None) -> Point:
    """A random point; parameters whose condition does not hold are left out of it.

    Args:
        space: The parameters, each below those its condition names.
        generator: Where chance comes from.
        fixed: Values that are given; those of parameters that do not exist are left out too.
    """
    given = fixed or {}
    point: Point = {}
    for name, parameter in space.items():
        if parameter.exists(point):
            point[name] = given[name] if name in given else _value(parameter, generator)
    return point


def _value(parameter: ConditionalParameter, generator: random.Random) -> Any:
    if isinstance(parameter, IntParameter) and not parameter.log:
        return generator.randrange(parameter.low, parameter.high + 1, parameter.step)
    if isinstance(parameter, FloatParameter) and parameter.step is not None:
        count = math.floor((parameter.high - parameter.low) / parameter.step + 1e-9)
        return round(parameter.low + generator.randint(0, count) * parameter.step, 12)
    if isinstance(parameter, (IntParameter, FloatParameter)):
        low, high = parameter.low, parameter.high
        drawn = (
            math.exp(generator.uniform(math.log(low), math.log(high)))
            if parameter.log
            else generator.uniform(low, high)
        )
        drawn = min(max(drawn, low), high)
        return round(drawn) if isinstance(parameter, IntParameter) else drawn
    return generator.choice(parameter.values())


class _Prober:
    def __init__(self, sweep: Sweep, root: Path, threads: int) -> None:
        self._sweep = sweep
        self._root = root
        self._threads = threads
        self._generator = random.Random(0)  # noqa: S311
        self._space: dict[str, ConditionalParameter] = dict(sweep.settings.space)
        self._untried = [(key, value) for key, p in self._space.items() for value in p.extremes()]
        self._tried = 0
        self._valid: list[Point] = []
        self._failed: dict[str, list[tuple[_Pair, Problem]]] = {}

    def leave_out(self, name: str) -> None:
        """Tries a parameter no longer, nor those that depend on it."""
        self._space.pop(name, None)
        for other, parameter in list(self._space.items()):
            if any(key not in self._space for key in parameter.when):
                del self._space[other]
        self._untried = [pair for pair in self._untried if pair[0] in self._space]

    def run(self) -> Probed:
        """Tries values, then initial points, then random ones if all is well so far."""
        while self._untried and self._tried < BUDGET:
            self._try(*self._untried[0])
        problems = [_summary(failed, self._sweep) for failed in self._failed.values()]
        if len(self._space) == len(self._sweep.settings.space):
            problems += self._try_initial()
        if problems or not self._space:
            return Probed(tuple(problems), ())
        warnings = self._try_random()
        if self._untried:
            shown = ", ".join(_assignment(*pair) for pair in self._untried[:5])
            warnings.append(f"{len(self._untried)} values were not tried, among them {shown}")
        return Probed((), tuple(warnings))

    def _try(self, name: str, value: Any) -> None:
        """Looks for a valid point with a value, and takes note if there is none."""
        causes: list[Problem] = []
        for point in self._candidates(name, value):
            if name not in point:
                self._note(name, value, Problem(name, "its conditions never hold together"))
                return
            causes = self._causes(point)
            if not causes:
                self._valid.append(point)
                self._untried = [pair for pair in self._untried if not _holds(point, *pair)]
                return
            for cause in causes:
                if cause.key.startswith("derived."):
                    self._note(name, value, cause)
                elif _is_own(cause, point):
                    self._note(cause.key, point[cause.key], cause)
            if not self._is_untried(name, value):
                return
        shared = [cause for cause in causes if not _is_own(cause, point)]
        self._note(name, value, (shared or causes)[0])

    def _candidates(self, name: str, value: Any) -> Iterator[Point]:
        """Points with a value: with others untried, like valid ones, and with choices in turn."""
        yield self._point_with(name, value, dict(reversed(self._untried)))
        for base in self._valid[: -NEIGHBOURS - 1 : -1]:
            yield self._point_with(name, value, base)
        choices = {
            key: self._generator.sample(parameter.choices, len(parameter.choices))
            for key, parameter in self._space.items()
            if isinstance(parameter, ChoiceParameter)
        }
        for turn in range(TURNS):
            base = {key: values[turn % len(values)] for key, values in choices.items()}
            yield self._point_with(name, value, base)

    def _point_with(self, name: str, value: Any, base: Mapping[str, Any]) -> Point:
        """A point near another in which a parameter has a value.

        Without the parameter if its conditions seem never to hold.
        """
        point: Point = {}
        for _ in range(DRAWS):
            fixed = {**base, **dict(self._requirements(name)), name: value}
            point = draw(self._space, self._generator, fixed)
            if name in point:
                break
        return point

    def _requirements(self, name: str) -> Iterator[_Pair]:
        """Values of other parameters with which a parameter exists."""
        for other, allowed in self._space[name].when.items():
            several = isinstance(allowed, (list, tuple))
            yield from self._requirements(other)
            yield other, self._generator.choice(allowed) if several else allowed

    def _causes(self, point: Point) -> list[Problem]:
        """Why a point is not valid; nothing if it is."""
        self._tried += 1
        try:
            compose_trial(self._sweep, point, self._root, threads=self._threads)
        except ConfigError as error:
            return list(error.problems)
        return []

    def _note(self, name: str, value: Any, cause: Problem) -> None:
        """Takes note that a value is never valid; a parameter without any left is left out."""
        if not self._is_untried(name, value):
            return
        group = name if cause.key == name else f"{cause.key}: {cause.message}"
        self._failed.setdefault(group, []).append(((name, value), cause))
        self._untried = [pair for pair in self._untried if not _holds({name: value}, *pair)]
        failed = [pair for found in self._failed.values() for pair, _ in found if pair[0] == name]
        if len(failed) == len(self._space[name].extremes()):
            self.leave_out(name)

    def _is_untried(self, name: str, value: Any) -> bool:
        return any(_holds({name: value}, *pair) for pair in self._untried)

    def _try_initial(self) -> list[Problem]:
        problems = []
        for number, given in enumerate(self._sweep.settings.initial):
            key = f"initial.{number}"
            source = self._sweep.source_of(key)
            drawn = [draw(self._space, self._generator, given) for _ in range(DRAWS)]
            points = [*(point for point in drawn if given.keys() <= point.keys())][:TURNS]
            if not points:
                unused = ", ".join(name for name in given if name not in drawn[0])
                message = f"{unused} does not exist beside the other values"
                problems.append(Problem(key, message, source, "see `when` of the parameter"))
                continue
            for point in points:
                causes = self._causes(point)
                if not causes:
                    break
            else:
                message = f"never a valid configuration: {causes[0].key}: {causes[0].message}"
                problems.append(Problem(key, message, source, causes[0].remedy))
        return problems

    def _try_random(self) -> list[str]:
        points = [draw(self._space, self._generator) for _ in range(RANDOM_POINTS)]
        failed = [(point, causes) for point in points if (causes := self._causes(point))]
        if not failed:
            return []
        point, causes = failed[0]
        shown = ", ".join(_assignment(name, value) for name, value in point.items())
        return [
            f"{len(failed)} of {len(points)} random points of the space are no valid "
            f"configuration, and such trials fail; for example {shown}: {causes[0].message}. "
            "Conditions (`when`) keep them out"
        ]


def _is_own(cause: Problem, point: Point) -> bool:
    """Whether a value is at fault by itself, whatever the others are."""
    return cause.key in point and cause.key not in GROUPS


def _holds(point: Mapping[str, Any], name: str, value: Any) -> bool:
    return name in point and type(point[name]) is type(value) and bool(point[name] == value)


def _summary(failed: Sequence[tuple[_Pair, Problem]], sweep: Sweep) -> Problem:
    """One problem for all values that failed for the same cause."""
    (name, _), cause = failed[0]
    if cause.key.startswith("derived."):
        return cause
    values = ", ".join(_assignment(*pair) for pair, _ in failed[:5])
    values += f" and {len(failed) - 5} more" if len(failed) > 5 else ""
    key = f"space.{name}"
    reason = cause.message if cause.key == name else f"{cause.key}: {cause.message}"
    message = f"no valid configuration has {values}: {reason}"
    return Problem(key, message, sweep.source_of(key), cause.remedy)


def _assignment(name: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{name}={value:.6g}"
    return f"{name}={value if isinstance(value, str) else json.dumps(value)}"
