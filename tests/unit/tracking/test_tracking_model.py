"""A trained model in a real MLflow store: loaded, served, linked, and there exactly once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND
from mlflow.tracking import MlflowClient

from pipeline.artifacts import Outputs, file_sha256
from pipeline.config.schema import TrackingConfig
from pipeline.export.bundle import load_predictor
from pipeline.provenance import serving_requirements
from pipeline.tasks.registry import load_task
from pipeline.tasks.served import LOADER, served_inputs, served_schema, serving_code
from pipeline.tracking import logged_model, store
from pipeline.tracking.delivery import Delivery
from pipeline.tracking.journal import JournalWriter
from pipeline.tracking.links import DESCRIPTION_TAG, SELF
from pipeline.tracking.log import DatasetRef
from pipeline.tracking.run import open_run
from pipeline.tracking.secrets import Redactor
from pipeline.tracking.spooling import ModelFiles, spool_model
from pipeline.tracking.sync import sync
from tests.trained import write_stages

TEXTS = ["The  match was   won", "", "home team", "by the last minute in"]
LOADING = """
import json, sys
import mlflow.pyfunc, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
print(json.dumps(model.predict(pd.DataFrame({"text": json.loads(sys.argv[2])})).to_dict("records")))
import pipeline
print(pipeline.__path__[0])
"""
TASKS = ("text_classification", "token_classification")


def files_of(outputs: Outputs, kind: str) -> ModelFiles:
    task = load_task(kind, {})
    decoded = pa.schema({"prediction": pa.string()})
    if not task.classification_scores:
        span = {"start": pa.int32(), "end": pa.int32(), "type": pa.string(), "score": pa.float64()}
        decoded = pa.schema({"entities": pa.list_(pa.struct(list(span.items())))})
    return ModelFiles(
        directory=outputs.model,
        code=serving_code(task),
        loader=LOADER,
        inputs=served_inputs(task),
        example={"text": TEXTS[:3]},
        outputs=served_schema(task, decoded),
        requirements=serving_requirements(),
        step=6,
        kind=kind,
        tags={"data.name": "tiny"},
    )


def client_of(root: Path) -> MlflowClient:
    return store.connect(store.resolve_uri(None, root), root)


def only_model(root: Path) -> Any:
    client = client_of(root)
    ids = [one.experiment_id for one in client.search_experiments()]
    (model,) = client.search_logged_models(ids)
    return client.get_logged_model(model.model_id)


def outputs_of(run: Any) -> list[tuple[str, int]]:
    return [(one.model_id, one.step) for one in run.outputs.model_outputs]


def location(root: Path) -> Path:
    return Path(only_model(root).artifact_location.removeprefix("file://"))


@pytest.mark.parametrize("kind", TASKS)
def test_a_fresh_process_without_the_repository_predicts_as_the_predict_command(
    root: Path, tmp_path: Path, kind: str
) -> None:
    outputs = write_stages(tmp_path / "project", task_kind=kind)
    with open_run(
        TrackingConfig(),
        root=root,
        key="K-model",
        experiment="text/news",
        run_name="lr=0.1",
        tags={},
        system_metrics=False,
    ) as run:
        run.log_params({"seed": 3})
        run.log_metrics({"val/f1": 0.5, "val/loss": 2.0}, 6)
        run.log_metrics({"val/f1": 0.4}, 7)
        run.log_model(files_of(outputs, kind))
        run.link_metrics(["val/f1", "never"], 6, DatasetRef("tiny/validation", "d1"))
        run.set_tags({DESCRIPTION_TAG: f"[see]({SELF}/artifacts/x.html)"})
    sync(root)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    loaded = subprocess.run(
        [sys.executable, "-c", LOADING, str(location(root)), json.dumps(TEXTS)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    printed, code = loaded.stdout.splitlines()[-2:]
    assert code == str(location(root) / "code" / "pipeline")
    assert json.loads(printed) == load_predictor(outputs.model, "torch").predict(TEXTS)

    model = only_model(root)
    assert model.name == "lr=0_1"
    assert (str(model.status), model.model_type, model.params) == ("READY", kind, {"seed": "3"})
    assert [(m.key, m.value, m.step, m.dataset_name, m.dataset_digest) for m in model.metrics] == [
        ("val/f1", 0.5, 6, "tiny/validation", "d1")
    ]
    client = client_of(root)
    stored = client.get_run(model.source_run_id)
    assert outputs_of(stored) == [(model.model_id, 6)]
    assert len(client.get_metric_history(stored.info.run_id, "val/f1")) == 2, "none is doubled"
    page = f"#/experiments/{stored.info.experiment_id}/runs/{stored.info.run_id}"
    assert stored.data.tags[DESCRIPTION_TAG] == f"[see]({page}/artifacts/x.html)"


@pytest.fixture
def journal(root: Path, tmp_path: Path) -> JournalWriter:
    writer = JournalWriter(root / ".cache" / "tracking" / "K-model")
    writer.append("open", store="", experiment="text/news", run_name="first", tags={})
    outputs = write_stages(tmp_path / "project", "lstm")
    facts = spool_model(writer, Redactor({}), files_of(outputs, "text_classification"))
    writer.append("model", **facts)
    return writer


def drain(journal: JournalWriter, root: Path) -> None:
    Delivery(journal.directory, store.resolve_uri(None, root), root).drain()


class Killed(BaseException):
    """Stands for the process's death."""


@pytest.mark.parametrize(
    "call", ["create_logged_model", "finalize_logged_model", "log_outputs", "get_run"]
)
def test_a_delivery_that_dies_anywhere_leaves_one_model_after_the_next(
    root: Path, journal: JournalWriter, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    whole: Callable[..., Any] = getattr(MlflowClient, call)

    def dies(*args: Any, **kwargs: Any) -> None:
        whole(*args, **kwargs)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, call, dies)
        with pytest.raises(Killed):
            drain(journal, root)
    drain(journal, root)
    model = only_model(root)
    assert str(model.status) == "READY"
    run = client_of(root).get_run(model.source_run_id)
    assert outputs_of(run) == [(model.model_id, 6)]
    assert list((journal.directory / "artifacts").iterdir()) == []


def test_what_the_store_keeps_has_signature_example_and_pinned_requirements(
    root: Path, journal: JournalWriter, tmp_path: Path
) -> None:
    drain(journal, root)
    folder = location(root)
    described = logged_model_description(folder)
    assert json.loads(described["signature"]["inputs"]) == [
        {"type": "string", "name": "text", "required": True}
    ]
    names = [column["name"] for column in json.loads(described["signature"]["outputs"])]
    assert names == ["text", "prediction", "score", "scores"]
    assert described["model_id"] == only_model(root).model_id
    example = json.loads((folder / "input_example.json").read_text())
    assert example == {"columns": ["text"], "data": [[text] for text in TEXTS[:3]]}
    requirements = (folder / "requirements.txt").read_text().split()
    assert all("==" in line for line in requirements)
    assert {"torch", "transformers", "mlflow"} <= {line.split("==")[0] for line in requirements}
    weights = tmp_path / "project" / "outputs" / "model" / "model.safetensors"
    (stored,) = folder.rglob("model.safetensors")
    assert file_sha256(stored) == file_sha256(weights)


def logged_model_description(folder: Path) -> Any:
    import yaml

    return yaml.safe_load((folder / "MLmodel").read_text())


def test_large_files_are_linked_not_copied(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = write_stages(tmp_path / "project", "lstm")
    monkeypatch.setattr("pipeline.tracking.spooling.LINK_FROM_BYTES", 1_000)
    monkeypatch.setattr("pipeline.tracking.journal.LINK_FROM_BYTES", 1_000)
    writer = JournalWriter(root / ".cache" / "tracking" / "K-model")
    writer.append("open", store="", experiment="text/news", run_name="first", tags={})
    facts = spool_model(writer, Redactor({}), files_of(outputs, "text_classification"))
    writer.append("model", **facts)
    drain(writer, root)
    weights = outputs.model / "model.safetensors"
    (stored,) = location(root).rglob("model.safetensors")
    assert stored.stat().st_ino == weights.stat().st_ino
    assert stored.parent.name == "data"


def test_a_store_without_models_takes_the_rest_of_the_run(
    root: Path, journal: JournalWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise MlflowException("no such endpoint", error_code=ENDPOINT_NOT_FOUND)

    monkeypatch.setattr(logged_model, "find_model", refuses)
    journal.append("finish", status="FINISHED")
    delivery = Delivery(journal.directory, store.resolve_uri(None, root), root)
    delivery.drain()
    assert delivery.state.refused == 1
    client = client_of(root)
    (run,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert run.info.status == "FINISHED"
