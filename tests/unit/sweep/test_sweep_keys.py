from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.config.compose import compose
from pipeline.config.overrides import to_grammar
from pipeline.errors import ConfigError
from pipeline.sweep.definition.checking import check_sweep
from pipeline.sweep.definition.keys import cleaning_problem, key_problems
from pipeline.tasks import text_classification
from tests.sweep_project import LR, choice, copy_project, write_sweep

DUPLICATES = {"step": "deduplicate"}
SPACES = {"step": "whitespace"}


@pytest.fixture
def project(tmp_path: Path, repository: Path) -> Path:
    return copy_project(repository, tmp_path)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("optimizer.lrr", "did you mean 'optimizer.lr'?"),
        ("lr", "did you mean 'optimizer.lr'?"),
        ("optimizr", "did you mean 'optimizer'?"),
        ("optimizer.num_layers", "did you mean 'model.architecture.num_layers'?"),
        ("optimizer.lr.low", "did you mean 'optimizer.lr'?"),
        ("scheduler.zzz", "allowed: scheduler.kind, scheduler.num_warmup_steps,"),
        ("task.options.label_smothing", "did you mean 'task.options.label_smoothing'?"),
        ("scheduler.kind.x", "did you mean 'scheduler.kind'?"),
        ("model.dropout.zzz", "did you mean 'model.dropout'?"),
        ("seed", "seeds: 3"),
        ("experiment", "`model`"),
        ("data", "data.cleaning"),
        ("data.split.seed", "data.cleaning"),
        ("data.files.all.path", "data.cleaning"),
        ("data.max_rows", "data.cleaning"),
        ("task.kind", "task.options"),
        ("task.primary_metric", "task.options"),
        ("tracking.enabled", "changes no trial's result"),
        ("evaluation.seed", "changes no trial's result"),
        ("export.opset", "changes no trial's result"),
        ("model.name", "search the config group: `model`"),
    ],
)
def test_a_key_that_cannot_be_searched_is_refused_with_a_remedy(
    project: Path, key: str, words: str
) -> None:
    sweep = write_sweep(project, space={"optimizer.lr": LR, key: choice(1, 2)})
    (problem,) = key_problems(sweep, project, text_classification.Options)
    assert problem.key == f"space.{key}"
    assert words in str(problem)
    assert problem.source == "sweeps/mine.yaml"


@pytest.mark.parametrize("key", ["seed", "optimizer.lrr", "model", "data.max_rows"])
def test_derived_keys_obey_the_same_rules(project: Path, key: str) -> None:
    sweep = write_sweep(project, derived={key: "trainer.max_epochs"})
    (problem,) = key_problems(sweep, project, text_classification.Options)
    assert problem.key == f"derived.{key}"


@pytest.mark.parametrize(
    ("key", "choices"),
    [
        ("optimizer.head_lr", [None, 1e-3]),
        ("task.options", [{"label_smoothing": 0.1}]),
        ("task.options.class_weights", ["uniform", "balanced"]),
        ("model.architecture.num_layers", [1, 2]),
        ("model.checkpoint.sha256.config", ["0"]),
        ("data.cleaning", [[]]),
        ("trainer", ["default"]),
    ],
)
def test_other_keys_may_be_searched(project: Path, key: str, choices: list[Any]) -> None:
    sweep = write_sweep(project, space={key: choice(*choices)})
    assert key_problems(sweep, project, text_classification.Options) == []


@pytest.mark.parametrize(
    ("own", "choices", "is_fair"),
    [
        ([], [[], [SPACES], [{"step": "html"}, SPACES]], True),
        ([], [[], [SPACES, DUPLICATES]], False),
        (
            [SPACES, DUPLICATES],
            [[SPACES, DUPLICATES], [SPACES, DUPLICATES, {"step": "html"}]],
            True,
        ),
        ([SPACES, DUPLICATES], [[SPACES, {**DUPLICATES, "ignore_case": False}]], True),
        ([SPACES, DUPLICATES], [[SPACES, {**DUPLICATES, "ignore_case": True}]], False),
        ([SPACES, DUPLICATES], [[DUPLICATES]], False),
    ],
)
def test_cleaning_must_not_change_which_rows_there_are(
    project: Path, own: list[Any], choices: list[Any], is_fair: bool
) -> None:
    sweep = write_sweep(project, space={"data.cleaning": choice(*choices)})
    default = compose([f"data.cleaning={to_grammar(own)}"], project).data
    problem = cleaning_problem(sweep, default)
    assert (problem is None) == is_fair
    assert problem is None or "other rows" in problem.message


def test_cleaning_moves_rows_that_are_divided_by_hash(project: Path) -> None:
    sweep = write_sweep(project, space={"data.cleaning": choice([], [SPACES])})
    hashed = ["data=ag_news", "data.split.method=hash"]
    problem = cleaning_problem(sweep, compose(hashed, project).data)
    assert problem is not None
    assert "data.split.method=stratified" in str(problem.remedy)
    own_rows = [*hashed, "data.files.validation={path:data/ag_news/validation.csv}"]
    assert cleaning_problem(sweep, compose(own_rows, project).data) is None


def test_unfair_cleaning_fails_the_check(project: Path) -> None:
    sweep = write_sweep(project, space={"data.cleaning": choice([], [DUPLICATES])})
    with pytest.raises(ConfigError, match="other rows"):
        check_sweep(sweep, project)
