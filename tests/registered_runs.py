"""A project whose store holds runs of trained models, written as the stages write them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pipeline.artifacts import write_json, write_text
from pipeline.config.compose import compose
from pipeline.evaluation.tables import (
    read_predictions,
    readable_predictions,
    test_hash,
    write_predictions,
)
from pipeline.tasks.registry import load_task
from pipeline.tracking.store import connect
from tests.trained import classification_rows

LABELS = ("other", "sports")
NAME = "text_classification-newsroom_sports"
"""The registered model of the pinned experiment."""
REPORT: dict[str, Any] = {
    "models": {
        "onnx": {
            "file": "onnx/model.onnx",
            "num_bytes": 40_000_000,
            "parity": {
                "rows": 128,
                "max_abs_difference": 2e-6,
                "mean_abs_difference": 1e-7,
                "argmax_agreement": 1.0,
                "prediction_agreement": 1.0,
            },
        }
    },
    "timings": [
        {
            "batch_size": 1,
            "length": 24,
            "runtimes": {
                "pytorch": {"p50_ms": 12.0, "p95_ms": 15.0},
                "onnx": {"p50_ms": 4.0, "p95_ms": 5.0},
            },
        }
    ],
    "pytorch_bytes": 45_000_000,
}


@dataclass(frozen=True)
class RegistryProject:
    """A project's root with a store, `mlflow.db` or a server's."""

    root: Path
    uri: str

    @classmethod
    def make(
        cls, repository: Path, root: Path, *, uri: str | None = None, store: Path | None = None
    ) -> RegistryProject:
        """Copies the shipped configuration and an empty database; or takes a server's address."""
        root.mkdir(parents=True, exist_ok=True)
        shutil.copytree(repository / "conf", root / "conf")
        params = {"experiment": "sports_news", "tracking": {"uri": uri} if uri else {}}
        write_text(root / "params.yaml", yaml.safe_dump(params))
        if store is not None:
            shutil.copyfile(store, root / "mlflow.db")
        if uri is None:
            uri = f"sqlite:///{root}/mlflow.db"
        return cls(root, uri)

    def set_gate(self, **values: Any) -> None:
        """Writes the section `gate` of params.yaml."""
        path = self.root / "params.yaml"
        params = yaml.safe_load(path.read_text(encoding="utf-8"))
        write_text(path, yaml.safe_dump({**params, "gate": values}))

    @property
    def client(self) -> Any:
        """MLflow's client."""
        return connect(self.uri, self.root)

    def trained(
        self,
        name: str,
        *,
        wrong: int = 10,
        num_rows: int = 200,
        seed: int = 0,
        data_seed: int = 0,
        report: Mapping[str, Any] | None = REPORT,
        has_model: bool = True,
        evaluated: bool = True,
        parent: str | None = None,
        role: str = "model",
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Writes the run of a model that is wrong on the first rows, and returns its id."""
        from mlflow.entities import Metric, Param

        client = self.client
        config = compose([f"seed={seed}"], self.root)
        found = client.get_experiment_by_name("text_classification/newsroom_sports")
        experiment = (
            client.create_experiment("text_classification/newsroom_sports")
            if found is None
            else found.experiment_id
        )
        all_tags = {"role": role, "seed": str(seed), "git.revision": "a" * 40, **(tags or {})}
        if parent is not None:
            all_tags["mlflow.parentRunId"] = parent
        run_id = str(client.create_run(experiment, tags=all_tags, run_name=name).info.run_id)
        params = {"task.name": config.task.name, "data.name": config.data.name}
        metrics: dict[str, float] = {}
        folder = self.root / "written" / run_id
        write_text(folder / "config.yaml", yaml.safe_dump(config.model_dump(mode="json")))
        if report is not None:
            write_json(folder / "export" / "report.json", report)
        if evaluated:
            path = folder / "evaluation" / "predictions_test.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            metrics = _write_predictions(path, wrong, num_rows, data_seed)
            client.set_tag(run_id, "data.test_hash", test_hash(read_predictions(path).rows))
        client.log_batch(
            run_id,
            [Metric(f"test/{key}", value, 0, 0) for key, value in metrics.items()],
            [Param(key, value) for key, value in params.items()],
        )
        client.log_artifacts(run_id, str(folder))
        if has_model:
            self._log_model(run_id, experiment)
        client.set_terminated(run_id)
        return run_id

    def parent(self, name: str, role: str) -> str:
        """Writes a run for others to be nested in."""
        return self.trained(name, role=role, report=None, has_model=False, evaluated=False)

    def _log_model(self, run_id: str, experiment: str) -> None:
        from mlflow.entities import LoggedModelOutput

        model = self.client.create_logged_model(experiment, "model", run_id)
        self.client.finalize_logged_model(model.model_id, "READY")
        self.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])


def _write_predictions(path: Path, wrong: int, num_rows: int, data_seed: int) -> dict[str, float]:
    task = load_task("text_classification", {})
    rows = classification_rows(num_rows, data_seed)
    truth = np.array([LABELS.index(label) for label in rows["label"].to_pylist()])
    chosen = np.where(np.arange(num_rows) < wrong, 1 - truth, truth)
    logits = np.where(chosen[:, np.newaxis] == np.arange(2), 1.0, -1.0)
    predictions = task.decode({"logits": logits}, rows, LABELS)
    write_predictions(path, readable_predictions(rows, predictions), LABELS)
    stored = read_predictions(path)
    values = task.metrics(stored.predictions, stored.rows, LABELS)
    return {name: float(found[0]) for name, found in values.items() if np.isfinite(found[0])}


def aliases(project: RegistryProject, name: str = NAME) -> dict[str, int]:
    """The version that each alias points to."""
    model = project.client.get_registered_model(name)
    return {alias: int(number) for alias, number in model.aliases.items()}
