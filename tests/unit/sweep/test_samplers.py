from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from pipeline.errors import UserError
from pipeline.sweep.definition.parameters import (
    ChoiceParameter,
    FloatParameter,
    IntParameter,
    Parameter,
)
from pipeline.sweep.definition.settings import PrunerSettings, SamplerSettings
from pipeline.sweep.study.pruners import make_pruner
from pipeline.sweep.study.samplers import make_sampler
from pipeline.sweep.study.space import Space, combinations, exhausted, suggest
from pipeline.sweep.study.storage import load, load_or_create, open_storage
from tests.unit.sweep.storage_processes import grpc_proxy

CONTINUOUS: dict[str, Parameter] = {
    "lr": FloatParameter(type="float", low=1e-5, high=1e-2, log=True),
    "layers": IntParameter(type="int", low=1, high=8),
    "kind": ChoiceParameter(type="choice", choices=("linear", "cosine")),
    "decay": FloatParameter(type="float", low=0.0, high=0.1),
}
CONDITIONAL: dict[str, Parameter] = {
    **CONTINUOUS,
    "cycles": FloatParameter(type="float", low=0.5, high=2.0, when={"kind": "cosine"}),
}
FINITE: dict[str, Parameter] = {
    "zeta": ChoiceParameter(type="choice", choices=([1], [2])),
    "alpha": IntParameter(type="int", low=0, high=4, step=2),
    "mid": FloatParameter(type="float", low=0.0, high=0.3, step=0.1),
}
BRANCHING: dict[str, Parameter] = {
    **FINITE,
    "beta": IntParameter(type="int", low=1, high=3, when={"alpha": [2, 4]}),
}
CASES = [
    *((kind, CONTINUOUS) for kind in ("tpe", "gp", "cma-es", "random", "nsga-ii", "qmc")),
    *((kind, CONDITIONAL) for kind in ("tpe", "gp", "cma-es", "random", "nsga-ii", "qmc")),
    ("grid", FINITE),
    ("brute_force", BRANCHING),
]


class Search:
    """A study in a journal, opened anew as a resumed command does it."""

    def __init__(self, journal: Path, kind: str, space: Space, **settings: Any) -> None:
        self.journal = journal
        self.space = space
        self.settings = SamplerSettings.model_validate(
            {"kind": kind, "n_startup_trials": 3, "population_size": 3, **settings}
        )
        self.open()

    def open(self) -> None:
        self.study = load_or_create(open_storage(None, self.journal), "study", ["minimize"])
        self.study.sampler = self.sampler()

    def sampler(self) -> optuna.samplers.BaseSampler:
        conditional = any(parameter.when for parameter in self.space.values())
        return make_sampler(self.settings, self.space, conditional=conditional, num_objectives=1)

    def trial(self) -> dict[str, Any]:
        trial = self.study.ask()
        values = suggest(trial, self.space)
        self.study.tell(trial, loss(values))
        return values


def loss(values: dict[str, Any]) -> float:
    numbers = [float(value) for value in values.values() if isinstance(value, (int, float))]
    return sum((number - 0.5) ** 2 for number in numbers)


@pytest.mark.parametrize(("kind", "space"), CASES)
def test_an_interrupted_study_draws_what_an_uninterrupted_one_does(
    tmp_path: Path, kind: str, space: Space
) -> None:
    straight = Search(tmp_path / "straight", kind, space)
    expected = [straight.trial() for _ in range(14)]

    search = Search(tmp_path / "interrupted", kind, space)
    found = []
    for number in range(14):
        if number % 4 == 3:
            trial = search.study.ask()
            suggest(trial, dict(list(space.items())[:2]))
            search.open()  # the command was killed when it had chosen two parameters
            search.study._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
        found.append(search.trial())
    assert found == expected


@pytest.mark.parametrize("kind", ["tpe", "gp", "cma-es", "nsga-ii", "qmc"])
def test_a_trial_taken_up_later_keeps_what_was_drawn_for_it(tmp_path: Path, kind: str) -> None:
    search = Search(tmp_path / "study", kind, CONTINUOUS)
    for _ in range(5):
        search.trial()
    begun = search.study.ask()
    suggest(begun, {"lr": CONTINUOUS["lr"]})
    drawn = dict(begun.relative_params)
    assert {"lr", "decay"} & drawn.keys()
    search.open()
    for _ in range(5):
        search.trial()
    search.study._storage.set_trial_state_values(begun._trial_id, TrialState.WAITING)
    taken = search.study.ask()
    assert taken.number == begun.number
    assert suggest(taken, CONTINUOUS).items() >= drawn.items()


@pytest.mark.parametrize(("kind", "space"), CASES)
def test_no_sampler_warns_or_prints(
    tmp_path: Path, kind: str, space: Space, capfd: pytest.CaptureFixture[str]
) -> None:
    if kind == "gp":
        pytest.importorskip("greenlet", reason="without it Optuna advises to install it")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search = Search(tmp_path / "study", kind, space)
        for _ in range(8):
            trial = search.study.ask()
            values = suggest(trial, space)
            trial.set_constraint("latency", loss(values) - 10.0)
            search.study.tell(trial, loss(values))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", ["tpe", "random", "qmc", "gp", "nsga-ii", "cma-es"])
def test_another_seed_draws_other_values(tmp_path: Path, kind: str) -> None:
    drawn = [
        Search(tmp_path / f"s{seed}", kind, CONTINUOUS, seed=seed).trial()["lr"]
        for seed in range(3)
    ]
    assert len(set(drawn)) == 3


@pytest.mark.parametrize(("kind", "space"), [("grid", FINITE), ("brute_force", BRANCHING)])
def test_a_finite_space_is_tried_exactly_once(tmp_path: Path, kind: str, space: Space) -> None:
    search = Search(tmp_path / "study", kind, space)
    total = combinations(space)
    assert total == {"grid": 24, "brute_force": 8 + 16 * 3}[kind]
    tried: list[dict[str, Any]] = []
    while not exhausted(space, tried):
        if len(tried) % 10 == 9:
            search.open()
        tried.append(search.trial())
    assert len(tried) == total
    assert search.trial() in tried, "afterwards points repeat instead of ending in an exception"


def test_points_of_running_trials_are_not_drawn_again(tmp_path: Path) -> None:
    search = Search(tmp_path / "study", "grid", FINITE)
    running = [search.study.ask() for _ in range(24)]
    drawn = [suggest(trial, FINITE) for trial in running]
    assert exhausted(FINITE, drawn)


def test_initial_points_are_part_of_the_grid(tmp_path: Path) -> None:
    search = Search(tmp_path / "study", "grid", FINITE)
    search.study.enqueue_trial({"zeta": "json:[2]", "alpha": 4, "mid": 0.1})
    search.study.enqueue_trial({"alpha": 0})
    tried = [search.trial() for _ in range(24)]
    assert tried[0] == {"zeta": [2], "alpha": 4, "mid": 0.1}
    assert tried[1]["alpha"] == 0
    assert exhausted(FINITE, tried)


def test_the_grid_is_walked_in_random_order(tmp_path: Path) -> None:
    search = Search(tmp_path / "study", "grid", FINITE)
    first = [search.trial() for _ in range(6)]
    assert len({values["mid"] for values in first}) > 1
    assert len({values["alpha"] for values in first}) > 1


@pytest.mark.parametrize(("kind", "space"), [("brute_force", BRANCHING), ("tpe", CONDITIONAL)])
def test_a_storage_that_loses_the_order_of_parameters_is_no_hindrance(
    tmp_path: Path, kind: str, space: Space
) -> None:
    settings = SamplerSettings.model_validate({"kind": kind, "n_startup_trials": 3})
    with grpc_proxy(tmp_path) as url:
        study = load_or_create(open_storage(url, tmp_path), "remote", ["minimize"])
        study.sampler = make_sampler(settings, space, conditional=True, num_objectives=1)
        tried = []
        for _ in range(12):
            trial = study.ask()
            tried.append(suggest(trial, space))
            study.tell(trial, loss(tried[-1]))
    assert len({str(values) for values in tried}) == 12
    local = Search(tmp_path / "local", kind, space)
    assert tried == [local.trial() for _ in range(12)]


def test_pruner_hyperband_does_not_hide_trials_from_the_grid(tmp_path: Path) -> None:
    search = Search(tmp_path / "study", "grid", FINITE)
    search.study.pruner = make_pruner(PrunerSettings(kind="hyperband"), validations=9)
    for _ in range(24):
        trial = search.study.ask()
        suggest(trial, FINITE)
        trial.report(float(trial.number), 1)
        pruned = trial.should_prune()
        search.study.tell(trial, None if pruned else 1.0, TrialState.PRUNED if pruned else None)
    states = Counter(trial.state for trial in search.study.trials)
    assert states[TrialState.PRUNED] > 0
    assert states[TrialState.COMPLETE] > 0
    assert len({str(trial.params) for trial in search.study.trials}) == 24


def test_qmc_spreads_points_evenly_from_the_first_trial_on(tmp_path: Path) -> None:
    search = Search(tmp_path / "study", "qmc", CONDITIONAL)
    drawn = [search.trial()["decay"] for _ in range(16)]
    cells = Counter(int(value / 0.1 * 16) for value in drawn)
    assert cells == Counter(range(16)), "one point in each sixteenth"


def test_cma_es_keeps_to_parameters_that_all_trials_have(tmp_path: Path) -> None:
    search = Search(tmp_path / "study", "cma-es", CONDITIONAL)
    for _ in range(12):
        search.study.enqueue_trial({"kind": "cosine"})
    for _ in range(40):
        search.trial()
    generations = [trial.system_attrs.get("cmawm:generation", -1) for trial in search.study.trials]
    assert generations[-1] > generations[14] >= 0, "the distribution goes on being improved"


@pytest.mark.parametrize("kind", ["tpe", "gp", "cma-es"])
def test_a_model_of_the_space_finds_better_points_than_chance(tmp_path: Path, kind: str) -> None:
    space: dict[str, Parameter] = {
        name: FloatParameter(type="float", low=0.0, high=4.0) for name in ("a", "b")
    }
    found = {}
    for name in (kind, "random"):
        search = Search(tmp_path / name, name, space)
        losses = [loss(search.trial()) for _ in range(30)]
        found[name] = sum(losses[-10:]) / 10
    assert found[kind] < found["random"] / 2


@pytest.mark.parametrize("kind", ["tpe", "gp", "nsga-ii", "random", "qmc"])
@pytest.mark.parametrize("space", [CONTINUOUS, CONDITIONAL])
def test_several_objectives_are_sampled(tmp_path: Path, kind: str, space: Space) -> None:
    settings = SamplerSettings.model_validate(
        {"kind": kind, "n_startup_trials": 3, "population_size": 4}
    )
    study = load_or_create(open_storage(None, tmp_path / "j"), "several", ["maximize", "minimize"])
    study.sampler = make_sampler(
        settings, space, conditional=space is CONDITIONAL, num_objectives=2
    )
    for _ in range(10):
        trial = study.ask()
        values = suggest(trial, space)
        study.tell(trial, [values["decay"], loss(values)])
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_cma_es_refuses_several_objectives() -> None:
    with pytest.raises(UserError, match="one objective, but the sweep has 2"):
        make_sampler(
            SamplerSettings(kind="cma-es"), CONTINUOUS, conditional=False, num_objectives=2
        )


def test_a_trial_of_a_process_that_died_can_be_told_by_another(tmp_path: Path) -> None:
    for kind in ("tpe", "cma-es", "nsga-ii", "grid"):
        space = FINITE if kind == "grid" else CONTINUOUS
        search = Search(tmp_path / kind, kind, space)
        suggest(search.study.ask(), space)
        search.open()
        search.study.tell(0, state=TrialState.FAIL)
        assert load(search.study._storage, "study").trials[0].state == TrialState.FAIL
