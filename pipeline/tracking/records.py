"""A run of the tracking store as a plain value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.tracking.datasets import CONTEXT_TAG
from pipeline.tracking.links import PARENT_TAG
from pipeline.tracking.remote import KEY_TAG

if TYPE_CHECKING:
    from mlflow.entities import InputTag, Run

ROLE_TAG = "role"


@dataclass(frozen=True)
class DatasetLink:
    """A data set that a run used.

    Attributes:
        name: For example `newsroom_sports/train`.
        digest: Hash of its content, as far as MLflow keeps it.
        context: training, validation or test.
    """

    name: str
    digest: str
    context: str


@dataclass(frozen=True, order=True)
class VersionLink:
    """A version of a registered model.

    Attributes:
        name: The registered model.
        number: 1 for its first version.
        aliases: What points to it, for example `champion`.
    """

    name: str
    number: int
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class RunRecord:
    """A run as the store has it.

    Attributes:
        run_id: Its id, 32 hex digits.
        experiment_id: The id of its experiment.
        experiment: The experiment's name.
        name: Its name.
        status: RUNNING, FINISHED, FAILED, KILLED or SCHEDULED.
        key: The key by which the pipeline finds it again; None if something else made the run.
        started: Unix time in seconds.
        ended: Likewise; None while it goes on.
        params: Settings under their dotted paths.
        tags: All tags, MLflow's own too.
        metrics: The last value of each.
        datasets: What it was trained and judged on.
        parent_id: The run it is nested in.
        model_ids: The logged models it made.
    """

    run_id: str
    experiment_id: str
    experiment: str
    name: str
    status: str
    key: str | None
    started: float
    ended: float | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    datasets: tuple[DatasetLink, ...]
    parent_id: str | None
    model_ids: tuple[str, ...]

    @property
    def role(self) -> str | None:
        """What it is a run of: pipeline, group, model, study, trial or seed."""
        return self.tags.get(ROLE_TAG)


def record_of(run: Run, experiment: str) -> RunRecord:
    """Turns MLflow's own object into a value.

    Args:
        run: The run, with its inputs and outputs.
        experiment: The name of its experiment.
    """
    tags = dict(run.data.tags)
    inputs = [] if run.inputs is None else run.inputs.dataset_inputs
    outputs = [] if run.outputs is None else run.outputs.model_outputs
    return RunRecord(
        run_id=run.info.run_id,
        experiment_id=str(run.info.experiment_id),
        experiment=experiment,
        name=run.info.run_name or run.info.run_id,
        status=run.info.status,
        key=tags.get(KEY_TAG),
        started=run.info.start_time / 1000,
        ended=run.info.end_time / 1000 if run.info.end_time else None,
        params=dict(run.data.params),
        tags=tags,
        metrics=dict(run.data.metrics),
        datasets=tuple(
            DatasetLink(link.dataset.name, link.dataset.digest, _context(link.tags))
            for link in inputs
        ),
        parent_id=tags.get(PARENT_TAG),
        model_ids=tuple(output.model_id for output in outputs),
    )


def _context(tags: Sequence[InputTag]) -> str:
    return next((tag.value for tag in tags if tag.key == CONTEXT_TAG), "")
