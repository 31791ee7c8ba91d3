"""Models of the tracking store as checkpoints: pinned, fetched once, and led back to."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from pipeline.artifacts import Outputs, file_sha256, read_json
from pipeline.config.model import CheckpointConfig
from pipeline.config.schema import TrackingConfig
from pipeline.errors import CheckpointError, UserError
from pipeline.lineage.source_facts import source_facts
from pipeline.manifest import Manifest
from pipeline.models.checkpoint import open_checkpoint
from pipeline.models.locate import locate
from pipeline.models.pins import fetched_directory
from pipeline.stages import train
from pipeline.stages.checkpoints import fetch_checkpoint
from pipeline.stages.fine_tuning import weights_key
from pipeline.tracking.reading import RunReader
from pipeline.tracking.registry import ModelRegistry
from pipeline.tracking.store import connect
from tests.checkpoints import write_checkpoint
from tests.journals import no_senders
from tests.training_project import config, write_project

torch.set_num_threads(1)

SHORT = {"max_epochs": 1, "max_steps": 2}
NAME = "text_classification-tiny"


@dataclass(frozen=True)
class Trained:
    """A project with a store in which a model was tracked and registered."""

    root: Path
    outputs: Outputs
    tracking: TrackingConfig
    run_id: str

    @property
    def sha(self) -> str:
        return file_sha256(self.outputs.model / "model.safetensors")

    def fetch(self, location: str, sha: str | None = None) -> Path:
        checkpoint = run_checkpoint(location, sha)
        fetch_checkpoint(checkpoint, self.tracking, self.root)
        return locate(checkpoint, root=self.root, weights=True)


def run_checkpoint(location: str, sha: str | None = None) -> CheckpointConfig:
    pins = {} if sha is None else {"model.safetensors": sha}
    return CheckpointConfig(source="run", location=location, sha256=pins)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Trained:
    root = tmp_path_factory.mktemp("trained") / "project"
    tracking = {"enabled": True}
    made, outputs = write_project(root, trainer=SHORT, tracking=tracking)
    shutil.copyfile(empty_store, root / "mlflow.db")
    with no_senders():
        result = train.run(made, root=root, outputs=outputs)
    reader = RunReader(made.tracking, root)
    run_id = reader.find(result.run_key).run_id
    version = ModelRegistry(made.tracking, root)
    version.create(
        NAME,
        run_id=run_id,
        model_id=reader.get(run_id).model_ids[-1],
        description="",
        tags={},
    )
    first = version.version(NAME, 1)
    assert first is not None
    version.point(first, "champion")
    return Trained(root, outputs, made.tracking, run_id)


@pytest.mark.parametrize(
    "location", ["runs:/{run}", "runs:/{prefix}", f"models:/{NAME}/1", f"models:/{NAME}@champion"]
)
def test_a_tracked_model_is_fetched_whole(trained: Trained, location: str) -> None:
    location = location.format(run=trained.run_id, prefix=trained.run_id[:8])
    directory = trained.fetch(location, trained.sha)
    for name in ("model.safetensors", "config.json", "manifest.json", "tokenizer.json"):
        assert file_sha256(directory / name) == file_sha256(trained.outputs.model / name), name
    assert read_json(directory.parent / "origin.json")["run_id"] == trained.run_id
    assert directory.is_relative_to(trained.root / ".cache" / "checkpoints")


def test_the_run_around_one_model_stands_for_it(trained: Trained) -> None:
    parent = RunReader(trained.tracking, trained.root).get(trained.run_id).parent_id
    directory = trained.fetch(f"runs:/{parent}", trained.sha)
    assert read_json(directory.parent / "origin.json")["run_id"] == trained.run_id


@pytest.mark.parametrize("location", ["runs:/{run}", f"models:/{NAME}@champion"])
def test_weights_that_nothing_pins_are_refused_with_the_lines_to_paste(
    trained: Trained, location: str
) -> None:
    with pytest.raises(CheckpointError, match="nothing pins its weights") as caught:
        trained.fetch(location.format(run=trained.run_id))
    assert f"    model.safetensors: {trained.sha}" in str(caught.value.remedy)
    assert f"'model.checkpoint.sha256={{model.safetensors: {trained.sha}}}'" in str(caught.value)


def test_weights_without_a_recorded_hash_are_hashed_before_they_are_refused(
    trained: Trained,
) -> None:
    client = connect(f"sqlite:///{trained.root}/mlflow.db", trained.root)
    client.delete_tag(trained.run_id, "weights.sha256")
    try:
        with pytest.raises(CheckpointError, match="nothing pins its weights") as caught:
            trained.fetch(f"runs:/{trained.run_id}")
        assert trained.sha in str(caught.value.remedy)
        with pytest.raises(CheckpointError, match="are not those") as caught:
            trained.fetch(f"runs:/{trained.run_id}", "a" * 64)
    finally:
        client.set_tag(trained.run_id, "weights.sha256", trained.sha)
    assert trained.sha in str(caught.value.remedy)
    assert not fetched_directory(
        run_checkpoint(f"runs:/{trained.run_id}", "a" * 64), trained.root
    ).exists()


def test_an_alias_that_moved_gives_no_other_weights(trained: Trained, tmp_path: Path) -> None:
    made = config(trainer=SHORT, tracking={"enabled": True}, seed=7)
    outputs = Outputs(tmp_path / "outputs", prepared=trained.outputs.dataset)
    with no_senders():
        key = train.run(made, root=trained.root, outputs=outputs).run_key
    reader = RunReader(trained.tracking, trained.root)
    record = reader.find(key)
    registry = ModelRegistry(trained.tracking, trained.root)
    moved = registry.create(
        NAME, run_id=record.run_id, model_id=record.model_ids[-1], description="", tags={}
    )
    location = f"models:/{NAME}@moving"
    first = registry.version(NAME, 1)
    assert first is not None
    registry.point(first, "moving")
    fetched = trained.fetch(location, trained.sha)
    registry.point(moved, "moving")

    assert trained.fetch(location, trained.sha) == fetched
    assert file_sha256(fetched / "model.safetensors") == trained.sha
    (fetched.parent).rename(tmp_path / "away")
    with pytest.raises(CheckpointError, match=f"version {moved.number}") as caught:
        trained.fetch(location, trained.sha)
    assert f"set model.checkpoint.location to models:/{NAME}/1" in str(caught.value.remedy)
    new = file_sha256(outputs.model / "model.safetensors")
    assert new != trained.sha
    assert f"model.safetensors: {new}" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("runs:/0123456789abcdef0123456789abcdef", "has no run"),
        (f"models:/{NAME}/99", "no version 99 .*its versions are 1"),
        (f"models:/{NAME}@nobody", "no alias 'nobody'"),
        ("models:/unknown/1", "no version 1 of a registered model 'unknown': nor any"),
    ],
)
def test_what_the_store_does_not_have_is_named_with_the_store(
    trained: Trained, location: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        trained.fetch(location, trained.sha)
    assert "mlflow.db" in caught.value.message
    assert "MLFLOW_TRACKING_URI" in str(caught.value.remedy)


def test_a_run_without_a_model_is_refused(trained: Trained) -> None:
    client = connect(f"sqlite:///{trained.root}/mlflow.db", trained.root)
    run_id = client.create_run("0", run_name="empty").info.run_id
    with pytest.raises(UserError, match="has logged no model") as caught:
        trained.fetch(f"runs:/{run_id}", trained.sha)
    assert "tracking.log_model=true" in str(caught.value.remedy)


def test_a_store_that_does_not_exist_is_named(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("{}\n")
    with pytest.raises(UserError, match="does not exist"):
        fetch_checkpoint(run_checkpoint("runs:/abcd", "a" * 64), TrackingConfig(name="x"), tmp_path)


@pytest.mark.parametrize("location", ["abc", "runs:/", "models:/x", "models:/x/0", "runs:/a/model"])
def test_an_address_of_another_form_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match="location is `runs:/<run id>`"):
        run_checkpoint(location)


def test_a_model_that_was_not_fetched_says_what_fetches_it(trained: Trained) -> None:
    with pytest.raises(CheckpointError, match="was not fetched") as caught:
        locate(run_checkpoint("runs:/abcd", "b" * 64), root=trained.root, weights=False)
    assert "python -m pipeline prepare" in str(caught.value.remedy)


def test_the_output_of_another_experiment_must_be_pinned(trained: Trained) -> None:
    location = str(trained.outputs.model)
    free = CheckpointConfig(source="directory", location=location)
    for weights in (True, False):
        with pytest.raises(CheckpointError, match="nothing pins its weights") as caught:
            locate(free, root=trained.root, weights=weights)
        assert trained.sha in str(caught.value.remedy)
    pinned = CheckpointConfig(
        source="directory", location=location, sha256={"model.safetensors": trained.sha}
    )
    assert locate(pinned, root=trained.root, weights=True) == trained.outputs.model


@pytest.mark.parametrize("source", ["run", "directory"])
def test_lineage_leads_from_a_model_to_the_one_it_began_with(
    trained: Trained, tmp_path: Path, source: str
) -> None:
    location = f"runs:/{trained.run_id}" if source == "run" else str(trained.outputs.model)
    checkpoint = {
        "source": source,
        "location": location,
        "sha256": {"model.safetensors": trained.sha},
    }
    made = config(
        model={"checkpoint": checkpoint}, trainer=SHORT, tracking={"enabled": True}, seed=3
    )
    outputs = Outputs(tmp_path / "outputs", prepared=trained.outputs.dataset)
    fetch_checkpoint(made.model.checkpoint, made.tracking, trained.root)
    with no_senders():
        key = train.run(made, root=trained.root, outputs=outputs).run_key

    parent = Manifest.read(outputs.model).parent_model
    assert parent is not None
    assert parent.run_id == trained.run_id
    assert parent.run_key == Manifest.read(trained.outputs.model).run_key
    assert parent.weights_sha256 == trained.sha
    assert parent.experiment == "tiny"
    reader = RunReader(trained.tracking, trained.root)
    record = reader.find(key)
    assert record.tags["checkpoint.run_id"] == trained.run_id
    assert record.tags["checkpoint.weights_sha256"] == trained.sha
    told = [text for _, text in source_facts(reader, record)]
    assert f"trained by run {trained.run_id}, experiment tiny, weights {trained.sha}" in told


def test_other_weights_are_another_training(tmp_path: Path) -> None:
    made, outputs = write_project(tmp_path, trainer=SHORT)
    keys = set()
    for spread in (0.02, 0.5):
        write_checkpoint("bert", tmp_path / "checkpoint", initializer_range=spread)
        opened = open_checkpoint(made.model, root=tmp_path, dataset_dir=outputs.dataset)
        keys.add(weights_key(made, "data", opened))
    assert len(keys) == 2
