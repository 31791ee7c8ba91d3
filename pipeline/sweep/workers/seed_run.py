"""One training of a trial: with one seed, in the worker's own process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.artifacts import replace_directory
from pipeline.config.schema import Config
from pipeline.provenance import Provenance
from pipeline.stages.fine_tuning import Training
from pipeline.stages.run_log import RunKeys, training_tags, weights_sha256
from pipeline.stages.train_log import describe_run, log_costs
from pipeline.sweep.layout import JobLayout
from pipeline.sweep.tracked import open_sweep_run
from pipeline.sweep.workers.jobs import Job, SeedResult
from pipeline.sweep.workers.latency import latency_ms
from pipeline.sweep.workers.link import Line
from pipeline.sweep.workers.watcher import LineWatcher
from pipeline.tracking.log import RunLog
from pipeline.training.fit import FitResult
from pipeline.training.signals import Interrupted

_BYTES_PER_WEIGHT = 4


class SeedRun:
    """Trains a job's configuration with one of its seeds.

    Args:
        job: The job.
        index: Which of its seeds, from 0.
        config: The job's resolved configuration.
        dataset: The prepared dataset.
        root: The project's root.
        provenance: Where the process comes from.
    """

    def __init__(
        self,
        job: Job,
        index: int,
        config: Config,
        *,
        dataset: Path,
        root: Path,
        provenance: Provenance,
    ) -> None:
        self._job = job
        self._index = index
        self._seed = job.seeds[index]
        self._config = config.model_copy(update={"seed": self._seed})
        self._layout = JobLayout(Path(job.directory))
        self._dataset = dataset
        self._root = root
        self._provenance = provenance

    def result(self, line: Line, job_log: RunLog) -> SeedResult:
        """Trains, or goes on where an earlier attempt stopped, or gives what it came to.

        Args:
            line: To the driver.
            job_log: The job's tracked run; of several seeds each has one of its own, nested.

        Raises:
            Interrupted: If the driver stops the worker; the training state stays.
            EndedEarly: If the trial is pruned; the training state is removed, as after any error.
            PipelineError: If training fails.
        """
        path = self._layout.seed_result(self._seed)
        earlier = SeedResult.read(path, self._job.run_key)
        if earlier is not None:
            return earlier
        outputs = self._layout.outputs(self._seed, self._dataset)
        training = Training(self._config, root=self._root, outputs=outputs)
        states = training.states(self._root, self._job.run_key)
        with states.locked():
            with self._log(job_log) as log:
                describe_run(log, self._config, training.dataset)
                try:
                    fitted = training.fit(states, log, LineWatcher(line, self._job, self._index))
                except Interrupted:
                    raise
                except Exception:
                    states.remove()
                    raise
                log_costs(log, fitted, training)
                metrics = self._metrics(training, fitted)
                if self._keeps(line, metrics):
                    with replace_directory(outputs.model) as fresh:
                        training.write(fresh, fitted, log.key, self._provenance)
                    log.set_tags({"weights.sha256": weights_sha256(outputs.model)})
            result = SeedResult(
                run_key=self._job.run_key,
                seed=self._seed,
                metrics=metrics,
                steps=fitted.steps,
                best_step=fitted.best_step,
                dataset_fingerprint=training.dataset.info.fingerprint,
            )
            result.write(path)
            states.remove()
        return result

    @contextmanager
    def _log(self, job_log: RunLog) -> Iterator[RunLog]:
        if len(self._job.seeds) == 1:
            yield job_log
            return
        with open_sweep_run(
            self._config.tracking,
            root=self._root,
            key=RunKeys.of_member(job_log.key, self._seed).model,
            experiment=self._job.mlflow_experiment,
            run_name=f"{self._job.name}-seed{self._seed}",
            tags={
                **training_tags(self._config, self._provenance),
                **self._job.tags,
                "sweep_role": "seed",
                "role": "seed",
            },
            parent=job_log.key,
            system_metrics=True,
        ) as log:
            yield log

    def _keeps(self, line: Line, metrics: dict[str, float]) -> bool:
        """Of several seeds the value is not known yet, so all are kept for now."""
        return self._job.keeps_model and (len(self._job.seeds) > 1 or line.keeps(metrics))

    def _metrics(self, training: Training, fitted: FitResult) -> dict[str, float]:
        """Validation metrics of the kept weights, and costs."""
        found = {name: value for name, value in fitted.metrics.items() if value is not None}
        found |= {
            "loss": fitted.loss,
            "size_mb": training.method.num_parameters * _BYTES_PER_WEIGHT / 1e6,
            "num_parameters": float(training.method.num_parameters),
            "num_trainable_parameters": float(training.method.num_trainable_parameters),
            "train_seconds": fitted.seconds,
            "tokens_per_second": fitted.tokens / fitted.seconds if fitted.seconds else 0.0,
        }
        if "latency_ms" in self._job.needed:
            found["latency_ms"] = latency_ms(training, self._config)
        return found
