"""One run in MLflow: found or made by its key, and written to so that a repetition does no harm."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.tracking.datasets import dataset_input
from pipeline.tracking.links import PARENT_TAG
from pipeline.tracking.logged_model import deliver_model, find_model, link_metrics
from pipeline.tracking.store import artifact_location

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

    from pipeline.tracking.journal import Event

KEY_TAG = "pipeline.run_key"
"""The tag by which every command finds the run of a model again."""

_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Lets the UI open with runs and charts instead of its view for language-model applications."""


class DeletedExperimentError(Exception):
    """The experiment was deleted in MLflow, which keeps its name taken."""

    def __init__(self, name: str, experiment_id: str) -> None:
        super().__init__(f"the MLflow experiment {name!r} was deleted")
        self.experiment_id = experiment_id


@dataclass
class Batch:
    """What goes to the store in one request.

    Attributes:
        metrics: Name, value, Unix time in milliseconds and step of each point.
        params: Parameters by name.
        tags: Tags by name.
        refusals: Filled while logging: why the store will never take an item.
    """

    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)


class RemoteRun:
    """A run in MLflow.

    Args:
        client: The store.
        run_id: The run's id there.
        experiment_id: The id of its experiment.
        fresh: Whether it was made just now, so that nothing can be in it.
    """

    def __init__(
        self, client: MlflowClient, run_id: str, experiment_id: str, *, fresh: bool = False
    ) -> None:
        self.run_id = run_id
        self.experiment_id = experiment_id
        self._client = client
        self._params: dict[str, str] | None = {} if fresh else None
        self.doubtful = not fresh
        """Whether points may have arrived that nobody recorded."""

    @classmethod
    def reopen(cls, client: MlflowClient, run_id: str) -> RemoteRun | None:
        """The run of this id, or nothing if the store does not know it or it was deleted."""
        from mlflow.exceptions import MlflowException

        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        if run.info.lifecycle_stage != "active":
            return None
        return cls(client, run_id, str(run.info.experiment_id))

    @classmethod
    def find_or_create(
        cls,
        client: MlflowClient,
        key: str,
        event: Event,
        *,
        parent_id: str | None = None,
        uri: str,
        root: Path,
    ) -> RemoteRun:
        """The run with this key in the event's experiment; both are made if they are missing."""
        experiment_id = _experiment(client, event["experiment"], uri, root)
        query = f"tags.`{KEY_TAG}` = '{key}'"
        if found := client.search_runs([experiment_id], query, max_results=1):
            return cls(client, found[0].info.run_id, experiment_id)
        tags = {**event["tags"], KEY_TAG: key}
        if parent_id is not None:
            tags[PARENT_TAG] = parent_id
        run = client.create_run(experiment_id, event["time"], tags, event["run_name"])
        return cls(client, run.info.run_id, experiment_id, fresh=True)

    def begin(self, tags: dict[str, str]) -> None:
        """Marks the run as going on (MLflow leaves a finished one as it was), and sets its tags."""
        if self._client.get_run(self.run_id).info.status != "RUNNING":
            self._client.update_run(self.run_id, status="RUNNING")
        self._log(Batch(tags=dict(tags)))

    def end(self, status: str, time: int) -> None:
        """Sets the final status, and the end in Unix milliseconds."""
        self._client.set_terminated(self.run_id, status, time)

    def log(self, batch: Batch) -> None:
        """Logs a batch; points that a doubtful attempt brought already are left out."""
        params, changed = self._new_params(batch.params)
        metrics = self._missing(batch.metrics) if self.doubtful else batch.metrics
        self.doubtful = True
        self._log(Batch(metrics, params, {**batch.tags, **changed}, batch.refusals))
        self.doubtful = False
        if self._params is not None:
            self._params.update(params)

    def log_artifact(self, file: Path, directory: str) -> None:
        """Stores a file under its name in a directory of the run's artifacts ("" is the top)."""
        self._client.log_artifact(self.run_id, str(file), directory or None)

    def log_dataset(self, dataset: dict[str, Any], context: str) -> None:
        """Links a data set to the run; the same name and digest is linked once."""
        self._client.log_inputs(self.run_id, [dataset_input(dataset, context)])

    def log_model(self, key: str, event: Event, spool: Path) -> None:
        """Brings the run's model into the store, once; see `logged_model.deliver_model`."""
        deliver_model(
            self._client,
            event,
            spool,
            key=key,
            run_id=self.run_id,
            experiment_id=self.experiment_id,
        )

    def link_metrics(self, key: str, event: Event) -> None:
        """Makes points of the run also its model's, where the store has its model."""
        model = find_model(self._client, self.experiment_id, key)
        if model is not None:
            link_metrics(self._client, self.run_id, str(model.model_id), event)

    def _log(self, batch: Batch) -> None:
        """Logs together; if the store refuses something for good, the items one by one."""
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.exceptions import MlflowException

        metrics = [Metric(*point) for point in batch.metrics]
        params = [Param(name, value) for name, value in batch.params.items()]
        tags = [RunTag(name, value) for name, value in batch.tags.items()]
        size = len(metrics) + len(params) + len(tags)
        if size == 0:
            return
        try:
            self._client.log_batch(self.run_id, metrics, params, tags, synchronous=True)
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            if size == 1:
                batch.refusals.append(str(error.message))
                return
            for point in self._missing(batch.metrics):
                self._log(Batch(metrics=[point], refusals=batch.refusals))
            for name, value in batch.params.items():
                self._log(Batch(params={name: value}, refusals=batch.refusals))
            for name, value in batch.tags.items():
                self._log(Batch(tags={name: value}, refusals=batch.refusals))

    def _missing(
        self, points: list[tuple[str, float, int, int]]
    ) -> list[tuple[str, float, int, int]]:
        """The points that the store does not have; name, time and step identify a point."""
        known: set[tuple[str, int, int]] = set()
        for name in {point[0] for point in points}:
            history: list[Metric] = self._client.get_metric_history(self.run_id, name)
            known.update((name, point.timestamp, point.step) for point in history)
        return [point for point in points if (point[0], point[2], point[3]) not in known]

    def _new_params(self, params: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Parameters the run lacks, and tags for changed ones, as MLflow never changes a param."""
        if not params:
            return {}, {}
        if self._params is None:
            self._params = dict(self._client.get_run(self.run_id).data.params)
        new = {name: value for name, value in params.items() if name not in self._params}
        changed = {
            f"changed.{name}"[:250]: value
            for name, value in params.items()
            if self._params.get(name, value) != value
        }
        return new, changed


def _experiment(client: MlflowClient, name: str, uri: str, root: Path) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            location = artifact_location(uri, root, name)
            return str(client.create_experiment(name, location, tags=_KIND))
        except MlflowException as error:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
    if found.lifecycle_stage != "active":
        raise DeletedExperimentError(name, str(found.experiment_id))
    return str(found.experiment_id)
