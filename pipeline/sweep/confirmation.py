"""After the search: the best trial beside the default configuration, over fresh seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.artifacts import write_json
from pipeline.config.compose import config_hash
from pipeline.config.schema import Config
from pipeline.console import warn
from pipeline.errors import ConfigError
from pipeline.stages.compose import compose_checked
from pipeline.sweep.comparison import Comparison, compare
from pipeline.sweep.definition.composition import overrides_of
from pipeline.sweep.definition.settings import ConfirmSettings
from pipeline.sweep.layout import JobLayout, StudyLayout
from pipeline.sweep.study.records import StudyFacts, StudyRecord, TrialRecord
from pipeline.sweep.workers.jobs import Job, JobResult

_FIRST_FRESH_SEED = 1_000
"""So far above the search's seeds that no trial used them, whatever the seeds per trial."""


class Confirmation:
    """The trainings that the comparison needs, and what comes of them.

    The best of many trials looks better than it is, since it was chosen for its value; so both
    sides are trained on seeds that chose nothing.

    Args:
        record: The study, complete.
        default: The configuration that the best trial is compared with.
        settings: How many seeds, and the level.
        layout: The study's directory.
        root: Where compositions find `conf/`.
    """

    def __init__(
        self,
        record: StudyRecord,
        default: Config,
        settings: ConfirmSettings,
        *,
        layout: StudyLayout,
        root: Path,
    ) -> None:
        self._record = record
        self._settings = settings
        self._layout = layout
        self._default = default
        self._best = record.best
        self._config = None if self._best is None else _recompose(record.facts, self._best, root)
        first = default.seed + _FIRST_FRESH_SEED
        self._seeds = range(first, first + settings.seeds)
        self._tried: set[str] = set()
        self._open = [
            job
            for seed in self._seeds
            for job in self._of_seed(seed)
            if JobResult.read(JobLayout(Path(job.directory)).result, job.run_key) is None
        ]

    @property
    def has_work(self) -> bool:
        """Whether trainings are still to be done."""
        return bool(self._open)

    @property
    def waits(self) -> bool:
        """Never: other machines take no part."""
        return False

    def record(self) -> StudyRecord:
        """The study."""
        return self._record

    def next_job(self) -> Job | None:
        """The next training; both sides of a seed come after each other."""
        return self._open.pop(0) if self._open else None

    def goes_on(self, job: Job, *, seed: int, number: int, value: float) -> bool:  # noqa: ARG002
        """Always."""
        return True

    def keeps(self, job: Job, metrics: Mapping[str, float]) -> bool:  # noqa: ARG002
        """Never: only the values count."""
        return False

    def ended(self, job: Job, result: JobResult) -> None:
        """Its result is on the disk; a seed on which a side failed is left out."""
        if result.state != "complete":
            warn(f"{job.name} failed and is left out of the comparison: {result.reason}")

    def lost(self, job: Job, reason: str) -> None:
        """A worker died over a training: it is tried once more."""
        if job.name in self._tried:
            warn(f"{job.name} is left out of the comparison: {reason}")
        else:
            self._tried.add(job.name)
            self._open.insert(0, job)

    def suspend(self, job: Job) -> None:
        """The next command finds that its result is missing."""

    def beat(self) -> None:
        """Nobody waits for a sign of life."""

    def comparison(self) -> Comparison | None:
        """Compares what was trained, and writes it down; None if there is nothing to compare."""
        if self._best is None or self._config is None or not self._seeds:
            return None
        metric, direction = self._record.primary
        found = compare(
            metric,
            direction,
            self._values(self._side(), metric),
            self._values("default", metric),
            self._settings.confidence,
            trial=self._best.number,
            is_default=self._is_default,
        )
        write_json(self._layout.comparison, found.model_dump(mode="json"))
        return found

    @property
    def _is_default(self) -> bool:
        return self._config is not None and config_hash(self._config) == config_hash(self._default)

    def _side(self) -> str:
        assert self._best is not None
        return f"best-{self._best.number:04d}"

    def _of_seed(self, seed: int) -> Sequence[Job]:
        if self._config is None or self._is_default:
            return ()
        return (
            self._job(self._side(), self._config, seed),
            self._job("default", self._default, seed),
        )

    def _job(self, side: str, config: Config, seed: int) -> Job:
        facts = self._record.facts
        return Job(
            name=f"{self._record.name}-{side}-seed{seed}",
            directory=str(self._layout.confirmation(side, seed).root),
            run_key=self._run_key(side, seed),
            parent_key=facts.run_key,
            mlflow_experiment=facts.mlflow_experiment,
            tags={
                "sweep": self._record.name,
                "sweep_role": "confirmation",
                "role": "seed",
                "confirmation": side,
            },
            config=config.model_dump(mode="json"),
            seeds=(seed,),
            objectives=(self._record.primary[0],),
            constraints=(),
            prunes=False,
            over_seeds=False,
            keeps_model=False,
        )

    def _run_key(self, side: str, seed: int) -> str:
        return f"{self._record.facts.run_key}-confirm-{side}-seed{seed}"

    def _values(self, side: str, metric: str) -> dict[int, float]:
        found = {}
        for seed in self._seeds:
            path = self._layout.confirmation(side, seed).result
            result = JobResult.read(path, self._run_key(side, seed))
            if result is not None and metric in result.metrics:
                found[seed] = result.metrics[metric]
        return found


def _recompose(facts: StudyFacts, trial: TrialRecord, root: Path) -> Config | None:
    """The best trial's configuration; None, with a warning, if `conf/` says another one now."""
    assert trial.facts is not None
    arguments = [*facts.arguments, *overrides_of(trial.facts.overrides)]
    try:
        config = compose_checked(arguments, root)
    except ConfigError:
        config = None
    if config is None or config_hash(config) != trial.facts.config_hash:
        warn(
            f"conf/ has changed since trial {trial.number} ran, so the best trial cannot be "
            "trained once more; it is not compared with the default"
        )
        return None
    return config
