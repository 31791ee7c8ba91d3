from __future__ import annotations

import shutil
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.schema import TrackingConfig
from pipeline.errors import UserError
from pipeline.registry.gate import run_gate
from pipeline.registry.promoting import promote
from pipeline.registry.registering import register
from pipeline.tracking.registry import ModelRegistry
from tests.mlflow_server import mlflow_server
from tests.registered_runs import NAME, REPORT, RegistryProject, aliases


def promoted(project: RegistryProject, **options: Any) -> int:
    return promote(None, version=options.pop("version", None), root=project.root, **options)


def registered(project: RegistryProject, name: str, **options: Any) -> str:
    run_id = project.trained(name, **options)
    register(run_id, name=None, root=project.root)
    return run_id


@pytest.fixture
def with_champion(project: RegistryProject) -> RegistryProject:
    """A champion that is wrong on 10 of 200 test rows."""
    registered(project, "champion", wrong=10)
    assert promoted(project) == 0
    return project


def slow_and_large() -> Mapping[str, Any]:
    report = deepcopy(REPORT)
    report["models"]["onnx"]["num_bytes"] = 900_000_000
    report["models"]["onnx"]["parity"]["prediction_agreement"] = 0.5
    report["timings"][0]["runtimes"]["onnx"]["p50_ms"] = 500.0
    return report


def test_without_a_champion_the_other_checks_decide(
    project: RegistryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(project, "one")
    assert promoted(project) == 0
    said = capsys.readouterr().out
    assert "no champion yet" in said
    assert "no gate.max_size_mb" in said
    assert f"promoted: {NAME} version 1 is champion (there was none)" in said
    assert aliases(project) == {"champion": 1}


def test_an_equal_candidate_takes_the_place(
    with_champion: RegistryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(with_champion, "equal", wrong=11)
    assert promoted(with_champion) == 0
    assert f"promoted: {NAME} version 2 is champion (was version 1)" in capsys.readouterr().out
    assert aliases(with_champion) == {"champion": 2}
    old = with_champion.client.get_model_version(NAME, "1")
    new = with_champion.client.get_model_version(NAME, "2")
    assert old.tags["champion_until"] == new.tags["champion_since"]
    assert (new.tags["gate"], new.tags["gate.against"]) == ("passed", "version 1")
    assert "| accuracy against the champion |" in new.description


def test_a_worse_candidate_is_refused_with_every_reason_at_once(
    with_champion: RegistryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    with_champion.set_gate(max_latency_ms=50.0, max_size_mb=100.0, worst_value=0.9)
    registered(with_champion, "worse", wrong=60, report=slow_and_large())
    assert promoted(with_champion) == 1
    said = capsys.readouterr().out
    assert f"not promoted: {NAME} version 2 failed 5 checks" in said
    for reason in (
        "significantly worse",
        "gate.worst_value asks for at least 0.9000",
        "gate.max_latency_ms asks for at most 50 ms, found 500 ms",
        "gate.max_size_mb asks for at most 100 MB, found 900 MB",
        "gate.min_prediction_agreement asks for at least 99 %, found 50 %",
    ):
        assert reason in said
    assert aliases(with_champion) == {"champion": 1, "candidate": 2}
    refused = with_champion.client.get_model_version(NAME, "2")
    assert refused.tags["gate"].startswith("failed: ")
    assert "significantly worse" in refused.description
    assert "champion_since" not in refused.tags


def test_a_gate_of_the_command_line_counts(with_champion: RegistryProject) -> None:
    registered(with_champion, "equal", wrong=10)
    assert promoted(with_champion, arguments=["gate.max_latency_ms=1.0"]) == 1
    assert promoted(with_champion) == 0


def test_other_test_data_is_a_reason_of_its_own(
    with_champion: RegistryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(with_champion, "elsewhere", wrong=0, data_seed=7)
    assert promoted(with_champion) == 1
    assert "different test data" in capsys.readouterr().out


def test_a_run_that_was_not_evaluated_is_refused(
    project: RegistryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(project, "one", evaluated=False)
    assert promoted(project) == 1
    assert "never evaluated" in capsys.readouterr().out


def test_a_champion_whose_run_is_gone_is_a_reason_with_a_remedy(
    with_champion: RegistryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(with_champion, "equal")
    run_id = with_champion.client.get_model_version(NAME, "1").run_id
    with_champion.client.delete_run(run_id)
    assert promoted(with_champion) == 1
    assert "take its alias away in MLflow" in capsys.readouterr().out


def test_promoting_the_champion_again_says_so(
    with_champion: RegistryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in (None, 1):
        assert promoted(with_champion, version=version) == 0
        assert "is the champion already" in capsys.readouterr().out


def test_an_earlier_version_comes_back(with_champion: RegistryProject) -> None:
    registered(with_champion, "second", wrong=9)
    promoted(with_champion)
    assert promoted(with_champion, version=1) == 0
    assert aliases(with_champion) == {"champion": 1}
    assert "champion_until" not in with_champion.client.get_model_version(NAME, "1").tags
    assert "champion_until" in with_champion.client.get_model_version(NAME, "2").tags


def test_a_champion_that_changed_meanwhile_is_not_overrun(
    with_champion: RegistryProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(with_champion, "second")
    registered(with_champion, "third")

    def slowly(*arguments: Any) -> Any:
        report = run_gate(*arguments)
        with_champion.client.set_registered_model_alias(NAME, "champion", "2")
        return report

    monkeypatch.setattr("pipeline.registry.promoting.run_gate", slowly)
    with pytest.raises(UserError, match="another champion while the gate looked"):
        promoted(with_champion)
    assert aliases(with_champion)["champion"] == 2


def test_what_is_not_there_is_named(project: RegistryProject) -> None:
    with pytest.raises(UserError, match=r"no registered model(.|\n)*pipeline register RUN"):
        promoted(project)
    registered(project, "one")
    with pytest.raises(UserError, match="did you mean"):
        promote(NAME[:-1], version=None, root=project.root)
    with pytest.raises(UserError, match=r"no version 7(.|\n)*it has: 1"):
        promoted(project, version=7)
    project.client.delete_registered_model_alias(NAME, "candidate")
    with pytest.raises(UserError, match="has no candidate"):
        promoted(project)
    with pytest.raises(UserError, match=r"gate\.metric=f1_macr is no metric"):
        promoted(project, version=1, arguments=["gate.metric=f1_macr"])


def test_a_version_that_no_run_made_is_refused(project: RegistryProject) -> None:
    run_id = project.trained("one")
    (output,) = project.client.get_run(run_id).outputs.model_outputs
    place = project.client.get_logged_model(output.model_id).artifact_location
    project.client.create_registered_model(NAME)
    project.client.create_model_version(NAME, place)
    with pytest.raises(UserError, match="names no run"):
        promoted(project, version=1)


def test_a_server_is_served_alike(repository: Path, tmp_path: Path, empty_store: Path) -> None:
    shutil.copyfile(empty_store, tmp_path / "served.db")
    with mlflow_server(
        tmp_path, "--backend-store-uri", f"sqlite:///{tmp_path}/served.db"
    ) as address:
        project = RegistryProject.make(repository, tmp_path / "project", uri=address)
        registered(project, "first")
        assert promoted(project) == 0
        run_id = registered(project, "equal")
        assert promoted(project) == 0
        registry = ModelRegistry(TrackingConfig(uri=address), project.root)
        champion = registry.aliased(NAME, "champion")
        assert champion is not None
        assert (champion.number, champion.run_id) == (2, run_id)
        links = project.client.get_logged_model(champion.source.removeprefix("models:/")).tags
        assert links["mlflow.modelVersions"].count('"version"') == 1
        assert registry.page(champion) == f"{address}/#/models/{NAME}/versions/2"
