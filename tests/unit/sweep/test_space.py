from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from pipeline.sweep.definition.parameters import (
    ChoiceParameter,
    FloatParameter,
    IntParameter,
    Parameter,
)
from pipeline.sweep.study.space import combinations, completions, distribution, exhausted, suggest
from pipeline.sweep.study.storage import load, load_or_create, open_storage

METHOD = ChoiceParameter(type="choice", choices=("full", "frozen_prefix", "head"))
FROZEN = IntParameter(type="int", low=1, high=5, when={"method": "frozen_prefix"})
BETAS = ChoiceParameter(type="choice", choices=([0.9, 0.99], [0.9, 0.999], None))
DROPOUT = FloatParameter(type="float", low=0.0, high=0.3, step=0.1)
UNEVEN = FloatParameter(type="float", low=0.0, high=0.35, step=0.1)
LR = FloatParameter(type="float", low=1e-5, high=1e-3, log=True)

CONDITIONAL: dict[str, Parameter] = {
    "method": METHOD,
    "method.frozen_layers": FROZEN,
    "model.dropout": DROPOUT,
    "optimizer.betas": BETAS.model_copy(update={"when": {"method": ["full", "head"]}}),
}


def points(space: dict[str, Parameter]) -> list[dict[str, Any]]:
    """All points, by trying all combinations of values and dropping what does not exist."""
    found = []
    for values in itertools.product(*(parameter.values() for parameter in space.values())):
        point: dict[str, Any] = {}
        for (name, parameter), value in zip(space.items(), values, strict=True):
            if parameter.exists(point):
                point[name] = value
        if point not in found:
            found.append(point)
    return found


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        (LR, FloatDistribution(1e-5, 1e-3, log=True)),
        (DROPOUT, FloatDistribution(0.0, 0.3, step=0.1)),
        (UNEVEN, FloatDistribution(0.0, 0.3, step=0.1)),
        (IntParameter(type="int", low=1, high=9, step=3), IntDistribution(1, 7, step=3)),
        (IntParameter(type="int", low=1, high=64, log=True), IntDistribution(1, 64, log=True)),
        (METHOD, CategoricalDistribution(("full", "frozen_prefix", "head"))),
        (BETAS, CategoricalDistribution(("json:[0.9, 0.99]", "json:[0.9, 0.999]", None))),
    ],
)
def test_a_parameter_becomes_a_distribution_without_corrections(
    parameter: Parameter, expected: optuna.distributions.BaseDistribution
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert distribution(parameter) == expected


@pytest.mark.parametrize(
    "parameter",
    [
        DROPOUT,
        FloatParameter(type="float", low=1e-5, high=1e-3, step=1e-5),
        FloatParameter(type="float", low=-1.0, high=1.0, step=0.3),
        IntParameter(type="int", low=-7, high=9, step=4),
    ],
)
def test_each_value_of_a_finite_parameter_lies_in_its_distribution(parameter: Parameter) -> None:
    kind = distribution(parameter)
    values = parameter.values()
    assert all(kind._contains(kind.to_internal_repr(value)) for value in values)
    assert isinstance(kind, (FloatDistribution, IntDistribution))
    assert values[-1] == kind.high


def test_a_trial_has_only_the_parameters_whose_condition_holds(tmp_path: Path) -> None:
    study = load_or_create(open_storage(None, tmp_path / "j"), "conditions", ["minimize"])
    seen = []
    for method in ("full", "frozen_prefix", "head"):
        study.enqueue_trial({"method": method})
        trial = study.ask()
        values = suggest(trial, CONDITIONAL)
        assert list(values) == list(trial.params)
        assert ("method.frozen_layers" in values) == (method == "frozen_prefix")
        assert ("optimizer.betas" in values) == (method != "frozen_prefix")
        seen.append(values["method"])
    assert seen == ["full", "frozen_prefix", "head"]


def test_lists_and_mappings_come_back_from_the_storage_as_they_were(tmp_path: Path) -> None:
    space: dict[str, Parameter] = {
        "optimizer.betas": ChoiceParameter(type="choice", choices=([0.9, 0.98],)),
        "task.options": ChoiceParameter(type="choice", choices=({"a": 1, "b": [True]},)),
    }
    journal = tmp_path / "study.journal"
    first = suggest(load_or_create(open_storage(None, journal), "s", ["minimize"]).ask(), space)
    study = load(open_storage(None, journal), "s")
    study._storage.set_trial_state_values(
        study.trials[0]._trial_id, optuna.trial.TrialState.WAITING
    )
    assert first == suggest(study.ask(), space)
    assert first == {"optimizer.betas": [0.9, 0.98], "task.options": {"a": 1, "b": [True]}}


def test_a_whole_number_as_initial_point_of_a_float_stays_a_float(tmp_path: Path) -> None:
    study = load_or_create(open_storage(None, tmp_path / "j"), "types", ["minimize"])
    study.enqueue_trial({"x": 1})
    value = suggest(study.ask(), {"x": FloatParameter(type="float", low=0.0, high=2.0)})["x"]
    assert isinstance(value, float)


def test_combinations_are_counted_with_their_conditions() -> None:
    assert combinations({"model.dropout": DROPOUT, "optimizer.betas": BETAS}) == 12
    assert combinations(CONDITIONAL) == len(points(CONDITIONAL)) == 12 + 20 + 12


def test_a_range_without_step_has_no_number_of_combinations() -> None:
    assert combinations({"method": METHOD, "optimizer.lr": LR}) is None


def test_a_large_space_is_counted_without_being_walked() -> None:
    wide = {f"p{n}": IntParameter(type="int", low=1, high=10**9) for n in range(10)}
    assert combinations(wide) == 10**90


def test_completions_agree_with_what_is_chosen() -> None:
    assert completions(CONDITIONAL, {"method": "frozen_prefix"}) == 20
    assert completions(CONDITIONAL, {"method": "frozen_prefix", "method.frozen_layers": 2}) == 4
    assert completions(CONDITIONAL, {"method": "head", "model.dropout": 0.1}) == 3


def test_a_space_is_exhausted_when_each_point_was_tried_once() -> None:
    everything = points(CONDITIONAL)
    assert exhausted(CONDITIONAL, [*everything, everything[0]])
    assert not exhausted(CONDITIONAL, [*everything[1:], everything[1]])


def test_points_between_steps_and_unfinished_ones_do_not_count() -> None:
    space: dict[str, Parameter] = {"a": DROPOUT, "b": IntParameter(type="int", low=0, high=0)}
    tried = [{"a": value, "b": 0} for value in (0.0, 0.1, 0.2)]
    assert not exhausted(space, [*tried, {"a": 0.15, "b": 0}, {"a": 0.3}])
    assert exhausted(space, [*tried, {"a": 0.1 * 3, "b": 0}])


def test_an_infinite_space_is_never_exhausted() -> None:
    assert not exhausted({"optimizer.lr": LR}, [{"optimizer.lr": 1e-4}] * 100)
