"""A trained model in MLflow: its pyfunc flavour, and a LoggedModel that a run links to."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pipeline.tracking.journal import link_or_copy
from pipeline.tracking.links import DESCRIPTION_TAG, escape
from pipeline.tracking.params import clean_name

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.tracking import MlflowClient

    from pipeline.tracking.journal import Event

_FOLDER = "model"
_FORBIDDEN = re.compile(r"[/:.%\"']")
"""What MLflow does not allow in a model's name."""
SOURCE_TAG = "pipeline.source_run_key"
"""The tag of a logged model by which a repeated delivery finds it again."""


def find_model(client: MlflowClient, experiment_id: str, key: str) -> LoggedModel | None:
    """The model that the run with this key made, if the store has it."""
    query = f"tags.`{SOURCE_TAG}` = '{key}'"
    found = client.search_logged_models([experiment_id], query, max_results=1)
    return found[0] if found else None


def deliver_model(
    client: MlflowClient, event: Event, spool: Path, *, key: str, run_id: str, experiment_id: str
) -> str:
    """Brings a model into the store, once: a repetition goes on where an earlier attempt ended.

    Args:
        client: The store.
        event: What `spooling.spool_model` said of it.
        spool: The folder with its files.
        key: The key of the run that made it.
        run_id: That run's id.
        experiment_id: The id of its experiment.

    Returns:
        The model's id.

    Raises:
        Exception: Whatever the store raises.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    run = client.get_run(run_id)
    model = find_model(client, experiment_id, key)
    if model is None:
        name = str(run.info.run_name or key)
        page = f"#/experiments/{experiment_id}/runs/{run_id}"
        note = f"The weights of step {event['step']} of [{escape(name)}]({page})."
        tags = {clean_name(tag): value for tag, value in event["tags"].items()}
        model = client.create_logged_model(
            experiment_id,
            name=_FORBIDDEN.sub("_", name),
            source_run_id=run_id,
            tags={SOURCE_TAG: key, DESCRIPTION_TAG: note, **tags},
            params=dict(run.data.params),
            model_type=event["kind"],
        )
    if model.status != LoggedModelStatus.READY:
        with tempfile.TemporaryDirectory(prefix=".mlflow-", dir=spool) as scratch:
            written = Path(scratch) / _FOLDER
            _write(event, spool, written, model, run_id)
            _upload(client, model, written)
        client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    outputs = [] if run.outputs is None else run.outputs.model_outputs
    if all(output.model_id != model.model_id for output in outputs):
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, event["step"])])
    return str(model.model_id)


def link_metrics(client: MlflowClient, run_id: str, model_id: str, event: Event) -> None:
    """Makes points that a run has also the model's; the run keeps each once, as MLflow's own do.

    Args:
        client: The store.
        run_id: The run.
        model_id: Its model.
        event: `names` and `step` of the points, and `dataset`, name and digest of what they were
            measured on.
    """
    from mlflow.entities import Metric

    name, digest = event["dataset"]
    points = []
    for metric in event["names"]:
        history = client.get_metric_history(run_id, metric)
        found = [point for point in history if point.step == event["step"]]
        if found:
            last = max(found, key=lambda point: point.timestamp)
            points.append(
                Metric(
                    last.key,
                    last.value,
                    last.timestamp,
                    last.step,
                    model_id=model_id,
                    dataset_name=name,
                    dataset_digest=digest,
                    run_id=run_id,
                )
            )
    if points:
        client.log_batch(run_id, metrics=points)


def _write(event: Event, spool: Path, target: Path, model: LoggedModel, run_id: str) -> None:
    """Writes MLflow's model directory; large files are linked, not copied."""
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    from mlflow import pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema

    strings = [{"type": "string", "name": name, "required": True} for name in event["example"]]
    inputs = event.get("inputs", strings)  # a journal of an earlier version has texts alone
    described = Model(
        artifact_path=model.artifact_location,
        run_id=run_id,
        model_uuid=model.model_id,
        model_id=model.model_id,
    )
    pyfunc.save_model(
        path=str(target),
        loader_module=event["loader"],
        data_path=str(spool / "data"),
        code_paths=[str(path) for path in sorted((spool / "code").iterdir())],
        mlflow_model=described,
        signature=ModelSignature(
            inputs=Schema.from_json(json.dumps(inputs)),
            outputs=Schema.from_json(json.dumps(event["outputs"])),
        ),
        input_example=_example(event["example"], inputs),
        pip_requirements=list(event["requirements"]),
        metadata={"task": event["kind"]},
    )
    large = spool / "large"
    if large.is_dir():
        _link_tree(large, target / "data" / "data")
    described.model_size_bytes = sum(f.stat().st_size for f in target.rglob("*") if f.is_file())
    described.save(str(target / "MLmodel"))


def _example(values: Mapping[str, Sequence[str]], inputs: Sequence[Mapping[str, Any]]) -> Any:
    """The table to try a model with; None where there is none."""
    import pandas as pd

    binary = {one["name"] for one in inputs if one["type"] == "binary"}
    columns = {
        name: pd.Series(
            list(map(base64.b64decode, texts)) if name in binary else texts, dtype=object
        )
        for name, texts in values.items()
    }
    return pd.DataFrame(columns) if columns else None


def _upload(client: MlflowClient, model: LoggedModel, written: Path) -> None:
    parts = urlsplit(model.artifact_location)
    if parts.scheme in {"", "file"}:
        _link_tree(written, Path(unquote(parts.path)))
    else:
        client.log_model_artifacts(model.model_id, str(written))


def _link_tree(source: Path, target: Path) -> None:
    def place(file: str, new: str) -> Any:
        Path(new).unlink(missing_ok=True)
        return link_or_copy(Path(file), Path(new))

    shutil.copytree(source, target, copy_function=place, dirs_exist_ok=True)
