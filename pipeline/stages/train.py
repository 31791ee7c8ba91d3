"""Stage train: a prepared dataset and a checkpoint become a fine-tuned model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts import Outputs, replace_directory, shown
from pipeline.config.schema import Config
from pipeline.console import notice
from pipeline.provenance import collect
from pipeline.stages.description import pages_of_training
from pipeline.stages.fine_tuning import Training
from pipeline.stages.run_log import RunKeys, open_stage_runs, training_tags
from pipeline.stages.timing import prepare_seconds
from pipeline.stages.train_log import (
    describe_origin,
    describe_run,
    log_costs,
    log_curves,
    log_kept,
    log_model,
)
from pipeline.training.fit import FitResult
from pipeline.training.hardware import is_main_process
from pipeline.training.state import StateStore
from pipeline.training.watching import Watcher


@dataclass(frozen=True)
class TrainResult:
    """What train made.

    Attributes:
        directory: `outputs/model/`.
        run_key: The run's key in tracking.
        fitted: Steps, time and validation metrics.
    """

    directory: Path
    run_key: str
    fitted: FitResult


def run(
    config: Config,
    *,
    root: Path,
    outputs: Outputs,
    watcher: Watcher | None = None,
    parent: str | None = None,
) -> TrainResult:
    """Fine-tunes, or goes on where the same training was interrupted, and writes `outputs/model/`.

    The test split is not read. In the other processes of a distributed run nothing is written.

    Args:
        config: The resolved configuration.
        root: The project's root.
        outputs: Where the dataset lies and the model goes.
        watcher: Told of steps and validations; may end training.
        parent: Key of the run of a group of seeds, which the caller holds open; None opens a run
            of this execution.

    Raises:
        Interrupted: After SIGINT or SIGTERM; the same command goes on from there.
        UserError: If the dataset does not fit the config, or training diverges.
        EnvironmentProblem: If memory or disk space do not suffice, or another process trains this.
    """
    training = Training(config, root=root, outputs=outputs)
    states = training.states(root, parent)
    if not is_main_process():
        return TrainResult(outputs.model, "", training.fit(states, None))
    with states.locked():
        keys = (
            RunKeys.of_execution(states.run_key())
            if parent is None
            else RunKeys.of_member(parent, config.seed)
        )
        fitted = _tracked(
            config, training, states, keys, root=root, outputs=outputs, watcher=watcher
        )
        states.remove()
    best = fitted.metrics[training.primary.name]
    notice(
        f"trained {fitted.steps} steps in {fitted.seconds:.0f} s; kept step {fitted.best_step}, "
        f"val/{training.primary.name} {'undefined' if best is None else format(best, '.4f')}: "
        f"{shown(outputs.model, root)}"
    )
    return TrainResult(outputs.model, keys.model, fitted)


def _tracked(
    config: Config,
    training: Training,
    states: StateStore,
    keys: RunKeys,
    *,
    root: Path,
    outputs: Outputs,
    watcher: Watcher | None,
) -> FitResult:
    """Trains, writes the model, and tells the runs of these keys about it."""
    provenance = collect(root)
    info = training.dataset.info
    tags = {
        **training_tags(config, provenance),
        "data.name": info.name,
        "data.hash": info.fingerprint,
        "checkpoint": training.checkpoint,
        **({} if training.parent is None else training.parent.tags()),
    }
    with open_stage_runs(config, keys, root=root, stage="train", tags=tags) as runs:
        log = runs.model
        describe_run(log, config, training.dataset)
        describe_origin(log, training.dataset, provenance)
        fitted = training.fit(states, log, watcher)
        runs.earlier_seconds = training.earlier_seconds
        with replace_directory(outputs.model) as fresh:
            manifest = training.write(fresh, fitted, keys.model, provenance, parent_key=keys.parent)
        log_curves(log, fitted, training.primary)
        log_kept(log, manifest, training)
        log_costs(log, fitted, training)
        log_model(log, config, training, manifest, outputs.model, root=root)
        runs.describe(manifest, info, pages=pages_of_training(training.dataset.directory))
        prepared = prepare_seconds(info.fingerprint, root)
        if runs.parent is not None and prepared is not None:
            runs.parent.log_metrics({"stage/prepare_seconds": prepared}, 0, replace=True)
    return fitted
