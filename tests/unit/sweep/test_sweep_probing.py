from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from pipeline.sweep.definition.parameters import Parameter
from pipeline.sweep.definition.probing import Probed, draw, probe
from tests.sweep_project import LR, choice, copy_project, write_sweep


@pytest.fixture
def project(tmp_path: Path, repository: Path) -> Path:
    return copy_project(repository, tmp_path)


def tried(root: Path, *arguments: str, **settings: Any) -> Probed:
    return probe(write_sweep(root, *arguments, **settings), root, threads=1)


def problems(root: Path, **settings: Any) -> dict[str, str]:
    """Key to message of everything that trying finds wrong."""
    return {problem.key: str(problem) for problem in tried(root, **settings).problems}


def test_every_choice_has_to_be_valid_somewhere(project: Path) -> None:
    found = problems(
        project,
        space={"trainer.precision": choice("fp32", "fp8", "bf16", "int8"), "optimizer.lr": LR},
    )
    (message,) = found.values()
    assert "trainer.precision=fp8" in message
    assert "fp32, bf16" in message


def test_the_cause_is_named_once_and_not_at_every_parameter(project: Path) -> None:
    found = problems(
        project,
        space={"optimizer.lr": LR, "model.dropout": choice(1.5, 2.0), "method": choice("full")},
    )
    assert set(found) == {"space.model.dropout"}


def test_a_value_that_needs_another_is_found_a_place(project: Path) -> None:
    space = {
        "model": choice("minilm", "lstm"),
        "method": choice("full", "frozen_prefix", "head"),
        "method.frozen_layers": {
            "type": "int",
            "low": 1,
            "high": 5,
            "when": {"method": "frozen_prefix"},
        },
    }
    found = tried(project, space=space)
    (warning,) = found.warnings
    assert "random points" in warning
    assert "starts from random" in warning


def test_deep_conditions_are_met(project: Path) -> None:
    space = {
        "model": choice("minilm", "lstm", "bert_scratch", "gpt2_scratch"),
        "method": choice("full", "head", model="minilm"),
        "optimizer": choice("adamw", "sgd", method=["full"], model=["minilm"]),
        "optimizer.momentum": {
            "type": "float",
            "low": 0.0,
            "high": 2.0,
            "when": {"optimizer": "sgd"},
        },
    }
    found = problems(project, space=space, overrides=["method=full"])
    assert set(found) == {"space.optimizer.momentum"}
    assert "optimizer.momentum=2" in found["space.optimizer.momentum"]


def test_conditions_that_exclude_each_other_are_found(project: Path) -> None:
    space = {
        "method": choice("full", "head"),
        "optimizer": choice("adamw", "sgd", method="full"),
        "optimizer.momentum": choice(0.5, 0.9, method="head", optimizer="sgd"),
    }
    found = problems(project, space=space)
    assert "never hold together" in found["space.optimizer.momentum"]


def test_a_derived_value_that_fails_is_reported_once(project: Path) -> None:
    found = problems(project, derived={"optimizer.head_lr": "10 * optimizer.rate"})
    assert set(found) == {"derived.optimizer.head_lr"}


def test_initial_points_are_composed(project: Path) -> None:
    space = {
        "method": choice("full", "frozen_prefix"),
        "method.frozen_layers": choice(1, 2, method="frozen_prefix"),
        "model": choice("minilm", "lstm"),
    }
    initial = [
        {"method": "full"},
        {"model": "lstm", "method": "frozen_prefix"},
        {"method": "full", "method.frozen_layers": 1},
        {"method.frozen_layers": 2},
    ]
    found = problems(project, space=space, initial=initial)
    assert set(found) == {"initial.1", "initial.2"}
    assert "random ones" in found["initial.1"]
    assert "method.frozen_layers does not exist" in found["initial.2"]


def test_values_beyond_the_budget_are_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.sweep.definition.probing.BUDGET", 1)
    (warning,) = tried(project, space={"trainer.max_epochs": choice(1, 2, 3)}).warnings
    assert warning.startswith("2 values were not tried, among them trainer.max_epochs=2")


@pytest.mark.parametrize(
    "values",
    [
        {"type": "float", "low": 0.1, "high": 1.0},
        {"type": "float", "low": 1e-6, "high": 1.0, "log": True},
        {"type": "float", "low": 0.0, "high": 0.35, "step": 0.1},
        {"type": "int", "low": 3, "high": 10, "step": 3},
        {"type": "int", "low": 1, "high": 10**12, "log": True},
        {"type": "int", "low": 0, "high": 10**12},
        {"type": "choice", "choices": [None, "a", [1, 2], {"b": 3}]},
    ],
)
def test_random_points_lie_in_the_space(values: dict[str, Any]) -> None:
    adapter: TypeAdapter[Parameter] = TypeAdapter(Parameter)
    parameter = adapter.validate_python(values, strict=False)
    generator = random.Random(3)
    drawn = [draw({"x": parameter}, generator)["x"] for _ in range(200)]
    assert all(parameter.contains(value) for value in drawn)
    if values["type"] == "choice":
        assert all(value in drawn for value in parameter.choices)  # type: ignore[union-attr]


def test_given_values_stay_and_what_they_exclude_is_left_out() -> None:
    adapter: TypeAdapter[dict[str, Parameter]] = TypeAdapter(dict[str, Parameter])
    space = adapter.validate_python(
        {"a": choice("x", "y"), "b": choice(1, 2, a="x"), "c": choice(5, 6)}, strict=False
    )
    generator = random.Random(0)
    assert draw(space, generator, {"a": "x", "b": 2, "c": 6}) == {"a": "x", "b": 2, "c": 6}
    assert set(draw(space, generator, {"a": "y", "b": 2})) == {"a", "c"}
