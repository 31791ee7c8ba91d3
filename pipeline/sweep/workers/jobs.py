"""What the driver asks of a worker, and what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError

from pipeline.artifacts import write_json
from pipeline.config.base import Section
from pipeline.sweep.definition.settings import Constraint

EndState = Literal["complete", "pruned", "failed"]


class Job(Section):
    """One trial, or one training of the comparison after the search."""

    name: str
    """Name of the tracked run, for example `minilm_lr-trial-0003`."""
    directory: str
    """Where its files go; see `layout.JobLayout`."""
    run_key: str
    """Key of the tracked run; a job that is taken up again continues the same run."""
    parent_key: str
    """Key of the sweep's run."""
    mlflow_experiment: str
    """Where the run is tracked: the same for all trials, whatever their dataset."""
    tags: dict[str, str]
    """Tags of the run."""
    config: dict[str, Any]
    """The resolved configuration; its seed is that of the first training."""
    seeds: tuple[int, ...]
    """One training for each."""
    objectives: tuple[str, ...] = Field(min_length=1)
    """Metrics it must produce; the first is the one that is reported at validations."""
    constraints: tuple[Constraint, ...]
    """Bounds it should keep."""
    prunes: bool
    """Whether the worker asks at each validation whether to go on."""
    over_seeds: bool
    """Whether it asks once a seed instead."""
    keeps_model: bool
    """Whether weights are written."""

    @property
    def needed(self) -> tuple[str, ...]:
        """All metrics it must produce."""
        bounds = (constraint.metric for constraint in self.constraints)
        return tuple(dict.fromkeys((*self.objectives, *bounds)))


class Record(Section):
    """A result in a JSON file of its own."""

    run_key: str
    """Key of the job's tracked run: tells results of an earlier study of the same name apart."""

    def write(self, path: Path) -> None:
        """Writes the file as a whole."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path, run_key: str) -> Self | None:
        """Reads the file; None if there is none, or none of this version and this job."""
        try:
            found = cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValidationError):
            return None
        return found if found.run_key == run_key else None


class SeedResult(Record):
    """One training."""

    seed: int
    """The seed."""
    metrics: dict[str, float]
    """Validation metrics of the kept weights, `loss`, and costs; undefined ones are left out."""
    steps: int
    """Optimizer steps made."""
    best_step: int
    """The step whose weights were kept."""
    dataset_fingerprint: str
    """The prepared data."""


class JobResult(Record):
    """`result.json`: what came of a job."""

    state: EndState
    """How it ended."""
    reason: str = ""
    """Why it was pruned or failed, in words."""
    unexpected: bool = False
    """Whether neither configuration nor training made it fail, but memory, disk or a defect: then
    its worker is replaced."""
    seeds: tuple[SeedResult, ...] = ()
    """Each training that came to its end."""
    seconds: float = 0.0
    """Time from taking the job to its end, in the last attempt."""
    dataset_fingerprint: str = ""
    """The prepared data."""
    git_revision: str | None = None
    """The source it ran from."""
    git_dirty: bool | None = None
    """Whether the tree differed from that revision."""
    host: str = ""
    """The machine; empty if no worker came to an end with it, so that its run is still open."""

    @property
    def metrics(self) -> dict[str, float]:
        """Means over the seeds of the metrics that all have."""
        if not self.seeds:
            return {}
        names = set.intersection(*(set(seed.metrics) for seed in self.seeds))
        return {
            name: sum(seed.metrics[name] for seed in self.seeds) / len(self.seeds)
            for name in sorted(names)
        }
