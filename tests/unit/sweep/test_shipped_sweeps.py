from __future__ import annotations

import random
from pathlib import Path

import pytest

from pipeline.data.preparation import clean_splits
from pipeline.sweep.definition.checking import check_sweep
from pipeline.sweep.definition.composition import compose_default, compose_trial
from pipeline.sweep.definition.loading import available, load_sweep
from pipeline.sweep.definition.probing import draw
from pipeline.tasks.registry import load_task
from tests.sweep_project import copy_project

REPOSITORY = Path(__file__).resolve().parents[3]
SHIPPED = [name for name, _ in available(REPOSITORY)]
EXPECTED = {
    "minilm_lr",
    "model_choice",
    "regularisation",
    "accuracy_latency",
    "newsroom_ner_lr",
    "data_preparation",
    "ag_news_lr",
}


def test_the_promised_sweeps_are_shipped() -> None:
    assert set(SHIPPED) >= EXPECTED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_sweep_passes_its_check(repository: Path, name: str) -> None:
    sweep = load_sweep(name, [], repository)
    assert sweep.settings.description
    checked = check_sweep(sweep, repository)
    assert checked.warnings == ()
    assert 12 <= sweep.settings.n_trials <= 30


@pytest.mark.parametrize("name", SHIPPED)
def test_every_point_of_a_shipped_sweep_composes_what_it_says(repository: Path, name: str) -> None:
    sweep = load_sweep(name, [], repository)
    generator = random.Random(7)
    points = [draw(sweep.settings.space, generator) for _ in range(10)]
    for point in points:
        config = compose_trial(sweep, point, repository, threads=1).config
        values = config.model_dump(mode="json", exclude_unset=True)
        for key, value in point.items():
            found = values
            for part in key.split("."):
                found = found[part]
            assert (found["name"] if isinstance(value, str) and "name" in found else found) == value


@pytest.mark.parametrize("name", SHIPPED)
def test_learning_rates_are_searched_by_their_logarithm(repository: Path, name: str) -> None:
    space = load_sweep(name, [], repository).settings.space
    rates = [parameter for key, parameter in space.items() if key.endswith("lr")]
    assert all(getattr(parameter, "log", False) for parameter in rates)


def test_all_ways_of_preparing_are_judged_on_the_same_rows(
    repository: Path, tmp_path: Path
) -> None:
    sweep = load_sweep("data_preparation", [], repository)
    default = compose_default(sweep, repository, threads=1)
    columns = load_task(default.task.kind, default.task.options).columns
    labels = []
    for number, steps in enumerate(sweep.settings.space["data.cleaning"].values()):
        config = compose_trial(sweep, {"data.cleaning": steps}, repository, threads=1).config
        scratch = tmp_path / str(number)
        scratch.mkdir()
        made = clean_splits(config.data, columns=columns, root=repository, scratch=scratch)
        labels.append(made.tables["validation"]["label"].to_pylist())
    assert len(labels) == 4
    assert all(found == labels[0] for found in labels)


def test_the_example_of_the_docs_can_be_run(repository: Path, tmp_path: Path) -> None:
    root = copy_project(repository, tmp_path)
    text = (repository / "docs" / "sweeps.md").read_text(encoding="utf-8")
    example = text.partition("```yaml\n")[2].partition("```")[0]
    (root / "sweeps").mkdir()
    (root / "sweeps" / "mine.yaml").write_text(example, encoding="utf-8")
    checked = check_sweep(load_sweep("mine", [], root), root)
    assert checked.objectives == (("accuracy", "maximize"),)
