"""Stage train: a prepared dataset and a checkpoint become a fine-tuned model."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import (
    Outputs,
    cache_root,
    content_hash,
    replace_directory,
    shown,
    write_json,
)
from pipeline.config.compose import config_hash, to_yaml
from pipeline.config.schema import Config
from pipeline.console import notice
from pipeline.data.store import DatasetInfo, EncodedDataset
from pipeline.errors import UserError
from pipeline.manifest import Manifest
from pipeline.models.checkpoint import Checkpoint, open_checkpoint
from pipeline.models.locate import weight_files
from pipeline.models.method import MethodReport, apply_method
from pipeline.models.saving import save_model
from pipeline.provenance import Provenance, collect, packages
from pipeline.stages.run_log import open_stage_run
from pipeline.tasks.base import MetricSpec, Task
from pipeline.tasks.registry import load_task, primary_metric
from pipeline.tracking.log import Context, RunLog
from pipeline.training.curves import curve_rows, draw_curves
from pipeline.training.fit import FitResult, fit
from pipeline.training.hardware import is_main_process, world_size
from pipeline.training.identity import training_key
from pipeline.training.randomness import seed_initialisation
from pipeline.training.signals import Interrupted
from pipeline.training.state import StateStore

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pipeline.training.session import OnValidation

CURVES = "curves.json"
_COPIED = ("preprocessing.json",)
_CONTEXTS: dict[str, Context] = {"train": "training", "validation": "validation", "test": "test"}


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
    on_validation: OnValidation = lambda _step, _metrics: None,
) -> TrainResult:
    """Fine-tunes, or goes on where the same training was interrupted, and writes `outputs/model/`.

    The test split is not read. In the other processes of a distributed run nothing is written.

    Args:
        config: The resolved configuration.
        root: The project's root.
        outputs: Where the dataset lies and the model goes.
        on_validation: Told step and metrics of each validation; may raise to end training.

    Raises:
        Interrupted: After SIGINT or SIGTERM; the same command goes on from there.
        UserError: If the dataset does not fit the config, or training diverges.
        EnvironmentProblem: If memory or disk space do not suffice, or another process trains this.
    """
    dataset = EncodedDataset.open(outputs.dataset)
    task = load_task(config.task.kind, config.task.options)
    if dataset.info.task != config.task.kind:
        raise UserError(
            f"{outputs.dataset} was prepared for task {dataset.info.task}, not {config.task.kind}",
            remedy="run `dvc repro`, which prepares it anew",
        )
    checkpoint = open_checkpoint(config.model, root=root, dataset_dir=outputs.dataset)
    training = _Training(config, dataset, task, checkpoint, on_validation)
    states = StateStore(cache_root(root) / "training" / training.key()[:32])
    if not is_main_process():
        return TrainResult(outputs.model, "", training.fit(states, None))
    with states.locked():
        run_key = states.run_key()
        provenance = collect(root)
        with open_stage_run(
            config, root=root, key=run_key, stage="train", provenance=provenance
        ) as log:
            _describe(log, config, dataset, provenance)
            try:
                fitted = training.fit(states, log)
            except Interrupted:
                log.finish("KILLED")
                raise
            with replace_directory(outputs.model) as fresh:
                training.write(fresh, fitted, run_key, provenance)
            _log_curves(log, fitted, training.primary)
        states.remove()
    best = fitted.metrics[training.primary.name]
    notice(
        f"trained {fitted.steps} steps in {fitted.seconds:.0f} s; kept step {fitted.best_step}, "
        f"val/{training.primary.name} {'undefined' if best is None else format(best, '.4f')}: "
        f"{shown(outputs.model, root)}"
    )
    return TrainResult(outputs.model, run_key, fitted)


class _Training:
    """One training and what it needs."""

    def __init__(
        self,
        config: Config,
        dataset: EncodedDataset,
        task: Task,
        checkpoint: Checkpoint,
        on_validation: OnValidation,
    ) -> None:
        self.primary: MetricSpec = primary_metric(task, config.task.primary_metric)
        self._config = config
        self._dataset = dataset
        self._task = task
        self._checkpoint = checkpoint
        self._on_validation = on_validation
        task.fit_loss(dataset.split("train").table, dataset.info.label_names)
        seed_initialisation(config.seed)
        self._model: PreTrainedModel = task.build_model(checkpoint, dataset.info.label_names)
        self._report: MethodReport = apply_method(self._model, config.method)

    def key(self) -> str:
        """Names all that determines the weights."""
        config = self._config
        directory = self._checkpoint.directory
        return training_key(
            dataset_fingerprint=self._dataset.info.fingerprint,
            checkpoint_files=() if directory is None else weight_files(directory),
            task=config.task,
            model=config.model,
            method=config.method,
            optimizer=config.optimizer,
            scheduler=config.scheduler,
            trainer=config.trainer,
            world_size=world_size(config.trainer),
            seed=config.seed,
        )

    def fit(self, states: StateStore, log: RunLog | None) -> FitResult:
        """Trains, or goes on from a state."""
        return fit(
            self._model,
            self._task,
            self._dataset.split("train"),
            self._dataset.split("validation"),
            label_names=self._dataset.info.label_names,
            pad_token_id=self._dataset.info.pad_token_id,
            primary=self.primary,
            optimizer=self._config.optimizer,
            scheduler=self._config.scheduler,
            settings=self._config.trainer,
            seed=self._config.seed,
            states=states,
            log=(lambda _metrics, _step: None) if log is None else log.log_metrics,
            on_validation=self._on_validation,
        )

    def write(
        self, directory: Path, fitted: FitResult, run_key: str, provenance: Provenance
    ) -> None:
        """Writes model, tokenizer, manifest and learning curves."""
        config, info = self._config, self._dataset.info
        tokenizer = self._checkpoint.tokenizer
        assert tokenizer is not None
        save_model(self._model, tokenizer, directory)
        for name in _COPIED:
            if (self._dataset.directory / name).is_file():
                shutil.copyfile(self._dataset.directory / name, directory / name)
        write_json(directory / CURVES, curve_rows(fitted.curve, self.primary.name))
        Manifest(
            run_key=run_key,
            experiment=config.experiment,
            task=config.task.kind,
            task_options=config.task.options,
            label_names=info.label_names,
            seed=config.seed,
            config_hash=config_hash(config),
            dataset_fingerprint=info.fingerprint,
            git_revision=provenance.git.revision,
            git_dirty=provenance.git.dirty,
            versions=provenance.versions,
            host=provenance.machine.host,
            checkpoint=self._checkpoint.description,
            num_parameters=self._report.num_parameters,
            num_trainable_parameters=self._report.num_trainable_parameters,
            epochs=fitted.epochs,
            steps=fitted.steps,
            best_step=fitted.best_step,
            best_epoch=fitted.best_epoch,
            validation={k: v for k, v in fitted.metrics.items() if v is not None},
            train_seconds=fitted.seconds,
            tokens_per_second=fitted.tokens / fitted.seconds if fitted.seconds else 0.0,
        ).write(directory)


def _describe(log: RunLog, config: Config, dataset: EncodedDataset, provenance: Provenance) -> None:
    """Logs what leads back from the run to all that made it."""
    info = dataset.info
    log.set_tags({"data.hash": info.fingerprint, "data.name": info.name})
    log.log_params(config.model_dump(mode="json", exclude={"tracking"}))
    log.log_text(to_yaml(config), "config.yaml")
    log.log_text("\n".join(packages()) + "\n", "environment/requirements.txt")
    if provenance.git.diff:
        log.log_text(provenance.git.diff, "git/diff.patch")
    for name in ("quality.json", "quality.html"):
        if (dataset.directory / name).is_file():
            log.log_artifact(dataset.directory / name, "dataset")
    _link_data(log, info, dataset)


def _link_data(log: RunLog, info: DatasetInfo, dataset: EncodedDataset) -> None:
    schema = {field.name: str(field.type) for field in dataset.split("train").table.schema}
    for split, context in _CONTEXTS.items():
        if split in info.rows:
            log.log_dataset(
                f"{info.name}/{split}",
                content_hash([info.fingerprint, split]),
                context,
                source=str(dataset.directory / f"{split}.arrow"),
                schema=schema,
                profile={"rows": info.rows[split], "tokens": info.tokens[split]},
            )


def _log_curves(log: RunLog, fitted: FitResult, primary: MetricSpec) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "learning_curves.png"
        draw_curves(fitted.curve, primary.name, best_step=fitted.best_step, path=path)
        log.log_artifact(path, "plots")
