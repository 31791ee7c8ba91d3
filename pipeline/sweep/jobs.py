"""What the driver asks of a worker, and what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from pipeline.artifacts import write_json
from pipeline.config.base import Section

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
    metric: str
    """The metric that is reported at validations; the first objective's."""
    prunes: bool
    """Whether the worker asks at each validation whether to go on."""
    over_seeds: bool
    """Whether it asks once a seed instead."""
    measures_latency: bool
    """Whether the model is timed at the end."""
    keeps_model: bool
    """Whether weights are written."""


class SeedResult(Section):
    """One training."""

    seed: int
    """The seed."""
    metrics: dict[str, float]
    """Validation metrics of the kept weights, `loss`, and costs; undefined ones are left out."""
    steps: int
    """Optimizer steps made."""
    best_step: int
    """The step whose weights were kept."""


class JobResult(Section):
    """`result.json`: what came of a job."""

    state: EndState
    """How it ended."""
    reason: str = ""
    """Why it was pruned or failed, in words."""
    seeds: tuple[SeedResult, ...] = ()
    """Each training that came to its end."""
    reported: dict[int, float] = Field(default_factory=dict)
    """The values reported to the study, by step."""
    seconds: float = 0.0
    """Time from taking the job to its end, all attempts."""
    training_seconds: float = 0.0
    """Of these, in training steps."""
    dataset_fingerprint: str = ""
    """The prepared data."""
    git_revision: str | None = None
    """The source it ran from."""
    git_dirty: bool | None = None
    """Whether the tree differed from that revision."""
    host: str = ""
    """The machine."""

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

    def write(self, path: Path) -> None:
        """Writes the file as a whole."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> JobResult | None:
        """Reads the file; None if there is none, or none of this version."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValidationError):
            return None
