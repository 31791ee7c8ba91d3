from __future__ import annotations

import json
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from pipeline.artifacts import Outputs, file_sha256
from pipeline.config.compose import group_hash
from pipeline.config.schema import Config
from pipeline.data.store import EncodedDataset
from pipeline.errors import EnvironmentProblem, UserError
from pipeline.manifest import Manifest
from pipeline.stages.timing import keep_prepare_seconds
from pipeline.stages.train import TrainResult, run
from pipeline.tracking.journal import read_entries
from pipeline.tracking.links import DESCRIPTION_TAG
from pipeline.tracking.run import open_run
from pipeline.training.progress import CurvePoint
from pipeline.training.state import StateStore
from pipeline.training.watching import EndedEarly, Watcher
from tests.journals import no_senders
from tests.training_processes import train, train_without_sender
from tests.training_project import write_project

torch.set_num_threads(1)

ALWAYS = {"state_interval_seconds": 1e-6}
"""A state is saved after each step."""
SOMETIMES = {"state_interval_seconds": 0.1}
SHORT = {"max_epochs": 2}
TRACKED = {"enabled": True, "uri": "http://127.0.0.1:9"}
"""A store that does not answer: everything stays in the journal."""
PREPARE_SECONDS = 1.5


@dataclass(frozen=True)
class Tracked:
    """A training of two steps whose runs wait in their journals."""

    root: Path
    config: Config
    outputs: Outputs
    result: TrainResult


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    root = tmp_path_factory.mktemp("tracked") / "project"
    config, outputs = write_project(root, trainer={"max_steps": 2}, tracking=TRACKED)
    (outputs.dataset / "quality.json").write_text("{}")
    shutil.copyfile(outputs.dataset / "info.json", outputs.dataset / "preprocessing.json")
    info = EncodedDataset.open(outputs.dataset).info
    keep_prepare_seconds(info.fingerprint, PREPARE_SECONDS, root)
    with no_senders():
        result = run(config, root=root, outputs=outputs)
    return Tracked(root, config, outputs, result)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of the weights that an uninterrupted training comes to."""
    root = tmp_path_factory.mktemp("reference") / "project"
    config, outputs = write_project(root)
    assert train(config, root) == 0
    return weights(outputs)


def weights(outputs: Outputs) -> str:
    return file_sha256(outputs.model / "model.safetensors")


def state_directories(root: Path) -> list[Path]:
    return sorted((root / ".cache" / "training").glob("*"))


def events(root: Path, *, of_parent: bool = False) -> list[dict[str, Any]]:
    """What the run of the model, or of the execution around it, was told."""
    parent, model = sorted((root / ".cache" / "tracking").iterdir())
    assert model.name == f"{parent.name}-model"
    return [entry.event for entry in read_entries(parent if of_parent else model)]


def tags_of(found: list[dict[str, Any]]) -> dict[str, str]:
    return {k: v for e in found if e["type"] == "tags" for k, v in e["tags"].items()}


def points(root: Path) -> list[tuple[str, int]]:
    return [
        (name, event["step"])
        for event in events(root)
        if event["type"] == "metrics"
        for name in event["metrics"]
        if not name.startswith("system/")
    ]


def test_it_writes_a_model_that_transformers_alone_can_use(tmp_path: Path) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root, trainer={"max_epochs": 1})
    (outputs.dataset / "preprocessing.json").write_text('{"cleaning": []}')
    result = run(config, root=root, outputs=outputs)
    model: Any = AutoModelForSequenceClassification.from_pretrained(outputs.model)
    assert model.config.id2label == {0: "other", 1: "sports"}
    assert model.config.problem_type == "single_label_classification"
    manifest = Manifest.read(outputs.model)
    assert manifest.run_key == result.run_key
    assert manifest.steps == 14
    assert manifest.best_step == 14
    assert manifest.validation["accuracy"] == result.fitted.metrics["accuracy"]
    assert manifest.tokens_per_second > 0
    assert manifest.num_trainable_parameters == sum(p.numel() for p in model.parameters())
    info = EncodedDataset.open(outputs.dataset).info
    assert manifest.dataset_fingerprint == info.fingerprint
    assert json.loads((outputs.model / "preprocessing.json").read_text()) == {"cleaning": []}
    (row,) = json.loads((outputs.model / "curves.json").read_text())
    assert set(row) == {"step", "epoch", "train_loss_mean", "val_loss", "val_log_loss"}
    assert state_directories(root) == [], "the state of a complete run is removed"


def test_two_runs_write_equal_weights_under_different_keys(tmp_path: Path) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root, trainer={"max_epochs": 1})
    first = run(config, root=root, outputs=outputs)
    before = weights(outputs)
    second = run(config, root=root, outputs=outputs)
    assert weights(outputs) == before
    assert first.run_key != second.run_key


def test_after_kill_9_at_any_step_the_result_is_as_if_nothing_had_happened(
    tmp_path: Path, reference: str
) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root, trainer=ALWAYS)
    for step in (1, 7, 8, 9, 13, 14, 15, 30, 56):
        assert train(config, root, **{f"s{step}": signal.SIGKILL}) == -signal.SIGKILL
        assert not outputs.model.exists()
    assert train(config, root) == 0
    assert weights(outputs) == reference
    assert state_directories(root) == []


def test_a_run_that_was_killed_and_resumed_is_one_run_with_no_step_logged_twice(
    tmp_path: Path,
) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root, trainer=SOMETIMES | SHORT, tracking=TRACKED)
    assert train_without_sender(config, root, s20=signal.SIGKILL) == -signal.SIGKILL
    assert train_without_sender(config, root) == 0
    parent, model = sorted((root / ".cache" / "tracking").iterdir())
    manifest = Manifest.read(outputs.model)
    assert (model.name, parent.name) == (manifest.run_key, manifest.parent_key)
    found = points(root)
    assert len(found) == len(set(found)), "no step is logged twice"
    assert {("train/loss", step) for step in range(1, 29)} <= set(found)
    assert {("val/loss", step) for step in (14, 28)} <= set(found)


def test_after_kill_9_between_two_saves_the_steps_since_are_made_again(
    tmp_path: Path, reference: str
) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root, trainer=SOMETIMES)
    assert train(config, root, s25=signal.SIGKILL) == -signal.SIGKILL
    assert train(config, root, s50=signal.SIGKILL) == -signal.SIGKILL
    assert train(config, root) == 0
    assert weights(outputs) == reference


def test_accumulation_and_early_stopping_resume_too(tmp_path: Path) -> None:
    options = {
        **ALWAYS,
        "accumulate_grad_batches": 3,
        "validations_per_epoch": 2,
        "early_stopping_patience": 3,
        "precision": "fp32",
    }
    sections: dict[str, Any] = {"trainer": options, "optimizer": {"lr": 0.05}}
    whole, outputs = write_project(tmp_path / "whole", **sections)
    assert train(whole, tmp_path / "whole") == 0
    cut, again = write_project(tmp_path / "cut", **sections)
    for step in (2, 5, 6):
        assert train(cut, tmp_path / "cut", **{f"s{step}": signal.SIGKILL}) < 0
    assert train(cut, tmp_path / "cut") == 0
    assert weights(again) == weights(outputs)
    assert Manifest.read(again.model).steps == Manifest.read(outputs.model).steps


@pytest.mark.parametrize(
    ("number", "step"), [(signal.SIGINT, 9), (signal.SIGTERM, 14), (signal.SIGTERM, 56)]
)
def test_a_signal_saves_and_the_same_command_goes_on(
    tmp_path: Path, reference: str, number: signal.Signals, step: int
) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root)
    assert train(config, root, **{f"s{step}": number}) == 128 + number
    (directory,) = state_directories(root)
    state = StateStore(directory).load()
    assert state is not None
    assert state.progress.step == step
    assert state.progress.validation_pending == (step in {14, 56})
    assert train(config, root) == 0
    assert weights(outputs) == reference


def test_a_run_stopped_by_a_signal_is_marked_as_killed(tmp_path: Path) -> None:
    root = tmp_path / "project"
    config, _ = write_project(root, tracking=TRACKED)
    assert train_without_sender(config, root, s3=signal.SIGTERM) == 143
    assert events(root)[-1]["status"] == "KILLED"
    assert events(root, of_parent=True)[-1]["status"] == "KILLED"


def test_a_damaged_state_falls_back_to_the_one_before(tmp_path: Path, reference: str) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root, trainer=ALWAYS)
    assert train(config, root, s20=signal.SIGKILL) < 0
    (directory,) = state_directories(root)
    latest = max(directory.glob("state-*.pt"))
    latest.write_bytes(latest.read_bytes()[:-100])
    assert train(config, root) == 0
    assert weights(outputs) == reference


def test_a_state_of_another_configuration_is_not_used(tmp_path: Path) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root, trainer=ALWAYS | SHORT)
    assert train(config, root, s20=signal.SIGKILL) < 0
    other, _ = write_project(tmp_path / "other", trainer=ALWAYS | SHORT, seed=1)
    result = run(other, root=root, outputs=outputs)
    assert result.fitted.steps == 28
    assert len(state_directories(root)) == 1, "the interrupted one can still go on"
    assert train(config, root) == 0


def test_how_often_states_are_saved_does_not_matter_for_going_on(
    tmp_path: Path, reference: str
) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root, trainer=ALWAYS)
    assert train(config, root, s20=signal.SIGKILL) < 0
    assert len(state_directories(root)) == 1
    trainer = config.trainer.model_copy(update={"state_interval_seconds": 50.0})
    assert train(config.model_copy(update={"trainer": trainer}), root) == 0
    assert weights(outputs) == reference
    assert state_directories(root) == [], "the state was found and gone on from"


def test_a_second_process_is_told_to_wait(tmp_path: Path) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root, trainer={"max_steps": 2})

    class Meanwhile(Watcher):
        def validated(self, number: int, point: CurvePoint) -> None:
            with pytest.raises(EnvironmentProblem, match="another process is training exactly"):
                run(config, root=root, outputs=outputs)

    run(config, root=root, outputs=outputs, watcher=Meanwhile())


def test_an_error_leaves_the_old_model_as_it_was(tmp_path: Path) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root, trainer={"max_steps": 2})
    run(config, root=root, outputs=outputs)
    before = {path.name: file_sha256(path) for path in outputs.model.iterdir()}

    class Unwilling(Watcher):
        def validated(self, number: int, point: CurvePoint) -> None:
            raise EndedEarly("no more of this")

    with pytest.raises(EndedEarly, match="no more of this"):
        run(config, root=root, outputs=outputs, watcher=Unwilling())
    assert {path.name: file_sha256(path) for path in outputs.model.iterdir()} == before
    assert sorted(path.name for path in outputs.root.iterdir()) == ["dataset", "model"]


def test_the_run_leads_back_to_data_configuration_and_environment(tracked: Tracked) -> None:
    found = events(tracked.root)
    params = {k: v for e in found if e["type"] == "params" for k, v in e["params"].items()}
    assert params["optimizer.lr"] == "0.01"
    assert params["trainer.max_steps"] == "2"
    tags = tags_of(found)
    info = EncodedDataset.open(tracked.outputs.dataset).info
    assert tags["data.hash"] == info.fingerprint
    assert tags["data.name"] == "tiny"
    assert (tags["stage"], tags["role"], tags["seed"]) == ("train", "model", "0")
    assert tags["config.group"] == group_hash(tracked.config)
    assert tags["weights.sha256"] == weights(tracked.outputs)
    assert {"config.hash", "host", "checkpoint", "version.torch", "version.python"} <= set(tags)
    contexts = {e["context"] for e in found if e["type"] == "dataset"}
    assert contexts == {"training", "validation", "test"}
    assert artifacts_of(found) >= {
        "/config.yaml",
        "dataset/quality.json",
        "environment/environment.json",
        "environment/requirements.txt",
        "plots/learning_curves.png",
    }


def artifacts_of(found: list[dict[str, Any]]) -> set[str]:
    return {f"{e['directory']}/{Path(e['file']).name}" for e in found if e["type"] == "artifact"}


def test_the_run_of_the_execution_holds_what_is_not_the_models_own(tracked: Tracked) -> None:
    found = events(tracked.root, of_parent=True)
    measured = {k: v for e in found if e["type"] == "metrics" for k, v in e["metrics"].items()}
    assert measured.keys() == {"stage/prepare_seconds", "stage/train_seconds"}
    assert measured["stage/prepare_seconds"] == PREPARE_SECONDS
    assert measured["stage/train_seconds"] > 0
    tags = tags_of(found)
    assert (tags["role"], tags["data.name"]) == ("pipeline", "tiny")
    assert "**tiny**" in tags[DESCRIPTION_TAG]
    assert not any(e["type"] in {"model", "params"} for e in found)


def test_costs_are_logged_once_at_the_step_that_was_kept(tracked: Tracked) -> None:
    result = tracked.result
    manifest = Manifest.read(tracked.outputs.model)
    found = events(tracked.root)
    costs = [e for e in found if e["type"] == "metrics" and "cost/tokens" in e["metrics"]]
    assert [e["step"] for e in costs] == [manifest.best_step]
    (measured,) = (e["metrics"] for e in costs)
    assert measured["cost/train_seconds"] == result.fitted.seconds
    assert measured["cost/tokens"] == result.fitted.tokens
    assert measured["cost/num_parameters"] == manifest.num_parameters
    assert measured["cost/num_trainable_parameters"] == manifest.num_trainable_parameters
    assert measured["cost/peak_memory_mb"] == manifest.peak_memory_mb
    assert 50 < measured["cost/peak_memory_mb"] < 100_000


def test_the_model_is_kept_for_mlflow_with_real_texts_and_its_validation(tracked: Tracked) -> None:
    root, outputs = tracked.root, tracked.outputs
    (model,) = (e for e in events(root) if e["type"] == "model")
    texts = EncodedDataset.open(outputs.dataset).split("validation").table["text"].to_pylist()
    assert model["example"] == {"text": texts[:3]}
    assert [column["name"] for column in model["outputs"]] == [
        "text", "prediction", "score", "scores"
    ]  # fmt: skip
    (spool,) = (root / ".cache" / "tracking").glob(f"*/artifacts/{model['files']}")
    assert {path.name for path in (spool / "data").iterdir()} >= {
        path.name for path in outputs.model.iterdir()
    }
    assert (spool / "code" / "pipeline" / "export" / "serving.py").is_file()
    (link,) = (e for e in events(root) if e["type"] == "link")
    assert {"val/loss", "val/accuracy"} <= set(link["names"])
    assert link["step"] == model["step"] == Manifest.read(outputs.model).best_step
    assert link["dataset"][0] == "tiny/validation"


def test_weights_stay_out_of_mlflow_where_the_configuration_says_so(tmp_path: Path) -> None:
    root = tmp_path / "project"
    tracking = {**TRACKED, "log_model": False}
    config, outputs = write_project(root, trainer={"max_steps": 2}, tracking=tracking)
    with no_senders():
        run(config, root=root, outputs=outputs)
    assert tags_of(events(root))["weights.sha256"] == weights(outputs)
    assert not any(e["type"] == "model" for e in events(root))


def test_a_seed_of_a_group_is_nested_in_the_run_that_the_group_holds_open(tmp_path: Path) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root, trainer={"max_steps": 2}, tracking=TRACKED, seed=3)
    with (
        no_senders(),
        open_run(
            config.tracking,
            root=root,
            key="group",
            experiment="x/y",
            run_name="g",
            tags={"role": "group"},
            system_metrics=False,
        ),
    ):
        result = run(config, root=root, outputs=outputs, parent="group")
        journals = sorted((root / ".cache" / "tracking").iterdir())
        assert [path.name for path in journals] == ["group", "group-seed3"]
        parent, model = ([e.event for e in read_entries(path)] for path in journals)
    assert result.run_key == "group-seed3"
    assert Manifest.read(outputs.model).parent_key == "group"
    assert [e["type"] for e in parent] == ["open", "tags"], "the group's run is left alone"
    assert tags_of(model)["group"] == "group"
    assert any("stage/train_seconds" in e["metrics"] for e in model if e["type"] == "metrics")


def test_a_dataset_of_another_task_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root, task={"kind": "token_classification"})
    with pytest.raises(UserError, match="prepared for task text_classification"):
        run(config, root=root, outputs=outputs)


def test_the_test_split_is_not_opened(tmp_path: Path) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root, trainer={"max_steps": 1})
    (outputs.dataset / "test.arrow").unlink()
    run(config, root=root, outputs=outputs)


def test_a_missing_dataset_names_the_command_that_makes_it(tmp_path: Path) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root)
    shutil.rmtree(outputs.dataset)
    with pytest.raises(UserError, match="no prepared dataset") as caught:
        run(config, root=root, outputs=outputs)
    assert "dvc repro" in str(caught.value)
