from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.config.schema import TrackingConfig
from pipeline.errors import UserError
from pipeline.registry.registering import register
from pipeline.tracking.registry import ModelRegistry
from tests.registered_runs import NAME, RegistryProject, aliases


def test_a_run_becomes_the_candidate(
    project: RegistryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = project.trained("small-seed3", seed=3)
    assert register(run_id, name=None, root=project.root) == 0
    said = capsys.readouterr()
    assert f"{NAME} version 1 is the candidate" in said.out
    assert f"/#/models/{NAME}/versions/1 (served by `mlflow ui`)" in said.err
    version = project.client.get_model_version_by_alias(NAME, "candidate")
    (output,) = project.client.get_run(run_id).outputs.model_outputs
    assert version.run_id == run_id
    assert version.source == f"models:/{output.model_id}"
    assert version.tags["seed"] == "3"
    assert version.tags["git.revision"] == "a" * 40
    assert "| accuracy | 0.9500 |" in version.description
    linked = project.client.get_logged_model(output.model_id).tags["mlflow.modelVersions"]
    assert linked == f'[{{"name": "{NAME}", "version": 1}}]'


def test_the_same_run_is_one_version(project: RegistryProject) -> None:
    first, second = project.trained("one"), project.trained("two")
    for run_id in (first, first, second, first):
        register(run_id, name=None, root=project.root)
    assert len(project.client.search_model_versions(f"name='{NAME}'")) == 2
    assert aliases(project) == {"candidate": 1}


def test_a_run_registered_by_several_at_once_is_one_version(project: RegistryProject) -> None:
    run_id = project.trained("one")
    (output,) = project.client.get_run(run_id).outputs.model_outputs
    registry = ModelRegistry(TrackingConfig(uri=project.uri), project.root)
    text = {"description": "", "tags": dict[str, str]()}

    def create(_: int) -> int:
        made = registry.create("mine", run_id=run_id, model_id=output.model_id, **text)  # type: ignore[arg-type]
        return made.number

    registry.names()
    with ThreadPoolExecutor(3) as pool:
        numbers = list(pool.map(create, range(3)))
    (left,) = registry.versions("mine")
    assert set(numbers) == {left.number}


def test_a_name_of_the_user_s_own(project: RegistryProject) -> None:
    run_id = project.trained("one")
    register(run_id, name="my model", root=project.root)
    assert aliases(project, "my model") == {"candidate": 1}
    with pytest.raises(UserError, match="letters, digits"):
        register(run_id, name="a/b", root=project.root)


def test_a_parent_of_one_model_stands_for_it(project: RegistryProject) -> None:
    parent = project.parent("execution", "pipeline")
    run_id = project.trained("one", parent=parent)
    register(parent, name=None, root=project.root)
    assert project.client.get_model_version_by_alias(NAME, "candidate").run_id == run_id


def test_a_group_of_seeds_is_refused_with_their_names(project: RegistryProject) -> None:
    parent = project.parent("five seeds", "group")
    runs = [project.trained(f"seed{seed}", seed=seed, parent=parent) for seed in (0, 1)]
    with pytest.raises(UserError, match="holds 2 models") as caught:
        register(parent, name=None, root=project.root)
    assert all(run_id in str(caught.value) for run_id in runs)


def test_a_run_without_a_logged_model_says_what_to_do(project: RegistryProject) -> None:
    run_id = project.trained("one", has_model=False)
    with pytest.raises(UserError, match=r"logged no model(.|\n)*tracking\.log_model=true"):
        register(run_id, name=None, root=project.root)


def test_a_deleted_model_is_told(project: RegistryProject) -> None:
    run_id = project.trained("one")
    (output,) = project.client.get_run(run_id).outputs.model_outputs
    project.client.delete_logged_model(output.model_id)
    with pytest.raises(UserError, match="was deleted in MLflow"):
        register(run_id, name=None, root=project.root)


def test_the_store_of_the_environment_stays_the_user_s(
    project: RegistryProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", project.uri)
    register(project.trained("one"), name=None, root=project.root)
    assert os.environ["MLFLOW_TRACKING_URI"] == project.uri
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    register(project.trained("two"), name=None, root=project.root)
    assert "MLFLOW_TRACKING_URI" not in os.environ


@pytest.mark.parametrize("role", ["trial", "study", "seed"])
def test_what_a_sweep_trained_is_to_be_pinned_first(project: RegistryProject, role: str) -> None:
    run_id = project.trained("one", has_model=False, role=role)
    with pytest.raises(UserError, match=r"belongs to a sweep(.|\n)*sweep promote"):
        register(run_id, name=None, root=project.root)


def test_a_dirty_tree_is_told_and_tagged(
    project: RegistryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = project.trained("one", tags={"git.dirty": "true"})
    register(run_id, name=None, root=project.root)
    assert "changes that no commit holds" in capsys.readouterr().err
    version = project.client.get_model_version_by_alias(NAME, "candidate")
    assert version.tags["git.dirty"] == "true"
    assert "with changes that no commit holds" in version.description


def test_a_champion_is_not_made_a_candidate_again(
    project: RegistryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = project.trained("one")
    register(run_id, name=None, root=project.root)
    project.client.set_registered_model_alias(NAME, "champion", "1")
    project.client.delete_registered_model_alias(NAME, "candidate")
    register(run_id, name=None, root=project.root)
    assert "the champion" in capsys.readouterr().out
    assert aliases(project) == {"champion": 1}


def test_secrets_do_not_reach_a_version(
    project: RegistryProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_TOKEN", "a-planted-secret")
    run_id = project.trained("with a-planted-secret", tags={"data.name": "a-planted-secret"})
    register(run_id, name=None, root=project.root)
    version = project.client.get_model_version_by_alias(NAME, "candidate")
    assert "planted" not in f"{version.description}{version.tags}"
