"""Stage train: a prepared dataset and a checkpoint become a fine-tuned model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts import Outputs, replace_directory, shown
from pipeline.config.schema import Config
from pipeline.console import notice
from pipeline.provenance import collect
from pipeline.stages.fine_tuning import Training, describe_origin, describe_run, log_curves
from pipeline.stages.run_log import open_stage_run
from pipeline.training.fit import FitResult
from pipeline.training.hardware import is_main_process
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
    config: Config, *, root: Path, outputs: Outputs, watcher: Watcher | None = None
) -> TrainResult:
    """Fine-tunes, or goes on where the same training was interrupted, and writes `outputs/model/`.

    The test split is not read. In the other processes of a distributed run nothing is written.

    Args:
        config: The resolved configuration.
        root: The project's root.
        outputs: Where the dataset lies and the model goes.
        watcher: Told of steps and validations; may end training.

    Raises:
        Interrupted: After SIGINT or SIGTERM; the same command goes on from there.
        UserError: If the dataset does not fit the config, or training diverges.
        EnvironmentProblem: If memory or disk space do not suffice, or another process trains this.
    """
    training = Training(config, root=root, outputs=outputs)
    states = training.states(root)
    if not is_main_process():
        return TrainResult(outputs.model, "", training.fit(states, None))
    with states.locked():
        run_key = states.run_key()
        provenance = collect(root)
        with open_stage_run(
            config, root=root, key=run_key, stage="train", provenance=provenance
        ) as log:
            describe_run(log, config, training.dataset)
            describe_origin(log, training.dataset, provenance)
            fitted = training.fit(states, log, watcher)
            with replace_directory(outputs.model) as fresh:
                training.write(fresh, fitted, run_key, provenance)
            log_curves(log, fitted, training.primary)
        states.remove()
    best = fitted.metrics[training.primary.name]
    notice(
        f"trained {fitted.steps} steps in {fitted.seconds:.0f} s; kept step {fitted.best_step}, "
        f"val/{training.primary.name} {'undefined' if best is None else format(best, '.4f')}: "
        f"{shown(outputs.model, root)}"
    )
    return TrainResult(outputs.model, run_key, fitted)
