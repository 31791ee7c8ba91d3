"""One job in a worker: trains with each seed, tracks, and writes down what came of it."""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pipeline.config.compose import save_config
from pipeline.config.schema import WITHOUT_EFFECT, Config
from pipeline.errors import PipelineError, UserError
from pipeline.provenance import Provenance, collect
from pipeline.stages.datasets import prepared_dataset
from pipeline.stages.run_log import training_tags
from pipeline.sweep.layout import JobLayout
from pipeline.sweep.tracked import open_sweep_run
from pipeline.sweep.workers.jobs import EndState, Job, JobResult, SeedResult
from pipeline.sweep.workers.link import Line
from pipeline.sweep.workers.seed_run import SeedRun
from pipeline.tracking.log import RunLog, Status
from pipeline.training.hardware import give_back_memory
from pipeline.training.signals import Interrupted
from pipeline.training.watching import EndedEarly

_PREDECESSOR_SECONDS = 120.0
_STATUS: dict[EndState, Status] = {
    "complete": "FINISHED",
    "pruned": "KILLED",
    "failed": "FAILED",
}
"""MLflow has no word for pruned; the tag `trial_state` says it."""


@cache
def provenance(root: Path) -> Provenance:
    """Where this process's runs come from: as it was when the first of them began."""
    return collect(root)


def run_job(job: Job, *, root: Path, line: Line) -> JobResult:
    """Does a job, or goes on with it; one that was done before gives its old result.

    What goes wrong in training is the job's result, not an error.

    Args:
        job: What to do.
        root: The project's root.
        line: To the driver.

    Returns:
        What `result.json` in the job's directory says.

    Raises:
        Interrupted: If the driver stops the worker: the run is KILLED until the job goes on.
    """
    layout = JobLayout(Path(job.directory))
    with _alone(layout):
        done = JobResult.read(layout.result, job.run_key)
        return done or _run(job, layout, root=root, line=line)


@contextmanager
def _alone(layout: JobLayout) -> Iterator[None]:
    """Waits for a worker of an earlier command that is still putting the same job down."""
    from filelock import FileLock

    layout.root.mkdir(parents=True, exist_ok=True)
    with FileLock(layout.root / ".lock", timeout=_PREDECESSOR_SECONDS):
        yield


def _run(job: Job, layout: JobLayout, *, root: Path, line: Line) -> JobResult:
    config = Config.model_validate_json(json.dumps(job.config))
    save_config(config, layout.root / "config.yaml")
    origin = provenance(root)
    began = time.monotonic()
    with open_sweep_run(
        config.tracking,
        root=root,
        key=job.run_key,
        experiment=job.mlflow_experiment,
        run_name=job.name,
        tags={**training_tags(config, origin), **job.tags},
        parent=job.parent_key,
        system_metrics=True,
    ) as log:
        seeds: list[SeedResult] = []
        error = _train(job, config, seeds, root=root, line=line, log=log)
        result = JobResult(
            run_key=job.run_key,
            state=_state(error),
            reason="" if error is None else _in_words(error),
            unexpected=error is not None and not isinstance(error, (EndedEarly, UserError)),
            seeds=tuple(seeds),
            seconds=time.monotonic() - began,
            dataset_fingerprint=seeds[0].dataset_fingerprint if seeds else "",
            git_revision=origin.git.revision,
            git_dirty=origin.git.dirty,
            host=origin.machine.host,
        )
        _describe_end(log, job, config, result)
        log.finish(_STATUS[result.state])
    result.write(layout.result)
    if result.state != "complete":
        for seed in job.seeds:
            shutil.rmtree(layout.outputs(seed, Path()).model, ignore_errors=True)
    return result


def _train(
    job: Job,
    config: Config,
    seeds: list[SeedResult],
    *,
    root: Path,
    line: Line,
    log: RunLog,
) -> Exception | None:
    """Trains with each seed and collects the results; returns what ended it before its time."""
    try:
        line.send(progress={"phase": "preparing data"})
        dataset = prepared_dataset(config, root=root)
        for index in range(len(job.seeds)):
            run = SeedRun(
                job, index, config, dataset=dataset, root=root, provenance=provenance(root)
            )
            seeds.append(run.result(line, log))
            _check(job, seeds[-1])
            _ask_about_seed(job, index, seeds[-1], line)
    except Interrupted:
        raise
    except Exception as error:
        if not isinstance(error, EndedEarly):
            traceback.print_exc(file=sys.stderr)
        return error.with_traceback(None)  # the frames would keep the model alive
    finally:
        give_back_memory()
    return None


def _state(error: Exception | None) -> EndState:
    if error is None:
        return "complete"
    return "pruned" if isinstance(error, EndedEarly) else "failed"


def _check(job: Job, seed: SeedResult) -> None:
    missing = [name for name in job.needed if not math.isfinite(seed.metrics.get(name, math.nan))]
    if missing:
        raise UserError(
            f"the training with seed {seed.seed} has no value of {', '.join(missing)}",
            remedy="choose metrics that every trial produces",
        )


def _ask_about_seed(job: Job, index: int, seed: SeedResult, line: Line) -> None:
    if not job.prunes or not job.over_seeds or index + 1 == len(job.seeds):
        return
    value = seed.metrics[job.objectives[0]]
    if not line.goes_on(seed=index, number=index, value=value):
        raise EndedEarly(f"pruned after {index + 1} seeds: worse than the best trial")


def _describe_end(log: RunLog, job: Job, config: Config, result: JobResult) -> None:
    tags: dict[str, str] = {"trial_state": result.state}
    metrics = result.metrics
    if result.state == "complete":
        if any(constraint.violation(metrics) > 0 for constraint in job.constraints):
            tags["trial_state"] = "infeasible"
        log.log_metrics({f"objective/{name}": metrics[name] for name in job.needed}, 0)
    if result.reason:
        tags["trial_reason"] = result.reason
    if len(job.seeds) > 1:
        log.log_params(config.model_dump(mode="json", exclude={*WITHOUT_EFFECT, "seed"}))
        log.log_metrics({f"mean/{name}": value for name, value in metrics.items()}, 0)
    log.set_tags(tags)


def _in_words(error: Exception) -> str:
    if isinstance(error, PipelineError):
        return error.message
    return f"{type(error).__name__}: {error}"
