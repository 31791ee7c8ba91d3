"""A search space as Optuna sees it, and the points of a finite one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.sweep.definition.parameters import ChoiceParameter, IntParameter, Parameter
from pipeline.sweep.study.records import decode, encode

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import BaseTrial

Space = Mapping[str, Parameter]
Point = tuple[tuple[str, int], ...]
"""The parameters that exist at a point, in the space's order, and the index of each one's value."""


def distribution(parameter: Parameter) -> BaseDistribution:
    """The parameter as Optuna stores it; lists and mappings among choices become marked text.

    The upper end of a range with a step is its last value, which Optuna would otherwise correct
    with a warning.
    """
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(parameter, ChoiceParameter):
        return CategoricalDistribution([encode(choice) for choice in parameter.choices])
    if isinstance(parameter, IntParameter):
        return IntDistribution(
            parameter.low, _last_int(parameter), log=parameter.log, step=parameter.step
        )
    high = parameter.high if parameter.step is None else parameter.values()[-1]
    return FloatDistribution(parameter.low, high, log=parameter.log, step=parameter.step)


def suggest(trial: BaseTrial, space: Space) -> dict[str, Any]:
    """Chooses a value for each parameter that exists in this trial, in the space's order.

    Values that the trial has already, because it was begun before, stay.

    Returns:
        The values by parameter; those whose condition does not hold are left out.
    """
    chosen: dict[str, Any] = {}
    for name, parameter in space.items():
        if not parameter.exists(chosen):
            continue
        if isinstance(parameter, ChoiceParameter):
            choices = [encode(choice) for choice in parameter.choices]
            chosen[name] = decode(trial.suggest_categorical(name, choices))
        elif isinstance(parameter, IntParameter):
            chosen[name] = int(
                trial.suggest_int(
                    name,
                    parameter.low,
                    _last_int(parameter),
                    step=parameter.step,
                    log=parameter.log,
                )
            )
        else:
            high = parameter.high if parameter.step is None else parameter.values()[-1]
            chosen[name] = float(
                trial.suggest_float(
                    name, parameter.low, high, step=parameter.step, log=parameter.log
                )
            )
    return chosen


def combinations(space: Space) -> int | None:
    """The number of points, conditions respected; None if a parameter has infinitely many values.

    Costs no more than the combinations of the parameters that conditions name.
    """
    if not all(parameter.is_finite for parameter in space.values()):
        return None
    return completions(space, {})


def completions(space: Space, chosen: Mapping[str, Any]) -> int:
    """The number of points of a finite space that agree with values chosen so far.

    Args:
        space: The space.
        chosen: Values of its first existing parameters, in order without a gap.
    """
    named = {name for parameter in space.values() for name in parameter.when}
    items = list(space.items())

    def count(position: int, values: Mapping[str, Any]) -> int:
        if position == len(items):
            return 1
        name, parameter = items[position]
        if name in chosen or not parameter.exists(values):
            return count(position + 1, values)
        if name in named:
            return sum(count(position + 1, {**values, name: v}) for v in parameter.values())
        return size(parameter) * count(position + 1, values)

    return count(0, chosen)


def size(parameter: Parameter) -> int:
    """The number of values of a finite parameter."""
    if isinstance(parameter, IntParameter):
        return (parameter.high - parameter.low) // parameter.step + 1
    return len(parameter.values())


def locate(space: Space, params: Mapping[str, Any]) -> Point | None:
    """The point of a finite space that a trial's values make.

    Args:
        space: The space.
        params: The values, decoded, in any order.

    Returns:
        The point; None where a value is missing, or lies between two steps.
    """
    point: list[tuple[str, int]] = []
    for name, parameter in space.items():
        if not parameter.exists(params):
            continue
        if name not in params or (index := index_of(parameter, params[name])) is None:
            return None
        point.append((name, index))
    return tuple(point)


def index_of(parameter: Parameter, value: Any) -> int | None:
    """Where a value stands among those of a finite parameter; None if it is none of them."""
    if isinstance(parameter, ChoiceParameter):
        places = [n for n, choice in enumerate(parameter.choices) if _same(choice, value)]
        return places[0] if places else None
    assert parameter.step is not None
    place = (value - parameter.low) / parameter.step
    index = round(place)
    return index if abs(place - index) < 1e-6 and 0 <= index < size(parameter) else None


def exhausted(space: Space, tried: Iterable[Mapping[str, Any]]) -> bool:
    """Whether every point of a space has been tried; never for an infinite one.

    Points tried twice count once, and points between two steps (initial ones) not at all.

    Args:
        space: The space.
        tried: The decoded values of each trial that has begun.
    """
    total = combinations(space)
    if total is None:
        return False
    return len({point for params in tried if (point := locate(space, params))}) >= total


def _same(choice: Any, value: Any) -> bool:
    return type(choice) is type(value) and bool(choice == value)


def _last_int(parameter: IntParameter) -> int:
    return parameter.high - (parameter.high - parameter.low) % parameter.step
