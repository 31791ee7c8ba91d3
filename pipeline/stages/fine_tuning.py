"""One training from a configuration: what it needs, its key, its model on disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.artifacts import Outputs, cache_root, lasting_root, write_json
from pipeline.config.compose import config_hash
from pipeline.config.schema import Config
from pipeline.data.loader import BatchLoader
from pipeline.data.preprocessing import FILE_NAME as PREPROCESSING
from pipeline.data.store import EncodedDataset
from pipeline.errors import UserError
from pipeline.evaluation.inference import predict_split, torch_run
from pipeline.manifest import Manifest, ParentModel
from pipeline.models.checkpoint import Checkpoint, open_checkpoint
from pipeline.models.locate import weight_files
from pipeline.models.method import MethodReport, apply_method
from pipeline.models.saving import save_model
from pipeline.provenance import Provenance
from pipeline.tasks.base import MetricSpec, Task
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task, primary_metric
from pipeline.tasks.tensors import to_tensors
from pipeline.tracking.log import RunLog
from pipeline.tracking.state import known_run_id
from pipeline.training.curves import curve_rows
from pipeline.training.fit import FitResult, fit
from pipeline.training.hardware import (
    resolve_accelerator,
    resolve_device,
    resolve_precision,
    world_size,
)
from pipeline.training.identity import training_key
from pipeline.training.randomness import seed_initialisation
from pipeline.training.state import StateStore
from pipeline.training.usage import Usage, UsageMeter
from pipeline.training.watching import Watcher

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

CURVES = "curves.json"
_USAGE = "usage.json"


class Training:
    """One training and what it needs; its model is made, not yet trained.

    Args:
        config: The resolved configuration.
        root: The project's root.
        outputs: Where the dataset lies.

    Attributes:
        dataset: The prepared data; the test split is not read.
        task: What is learned.
        primary: The metric that chooses weights.
        model: The model, changed in place by `fit`.
        method: How much of it is trained.
        parent: The model of another training that it begins with, if it does.
        usage: What training took, once it has begun.
        earlier_seconds: Time of its earlier parts, if it was interrupted.

    Raises:
        UserError: If the dataset does not fit the config, or the checkpoint is at fault.
    """

    def __init__(self, config: Config, *, root: Path, outputs: Outputs) -> None:
        self.dataset = EncodedDataset.open(outputs.dataset)
        self.task: Task = load_task(config.task.kind, config.task.options)
        info = self.dataset.info
        if info.task != config.task.kind:
            raise UserError(
                f"{outputs.dataset} was prepared for task {info.task}, not {config.task.kind}",
                remedy="run `dvc repro`, which prepares it anew",
            )
        self.primary: MetricSpec = primary_metric(self.task, config.task.primary_metric)
        self._config = config
        self._checkpoint: Checkpoint = open_checkpoint(
            config.model, root=root, dataset_dir=outputs.dataset
        )
        processor = self._checkpoint.processor
        assert processor is not None
        self._processor: Processor = processor
        self.task.attach(processor)
        self.task.fit(self.dataset.split("train").table, info.label_names)
        seed_initialisation(config.seed)
        self.model: PreTrainedModel = self.task.build_model(self._checkpoint, info.label_names)
        self.method: MethodReport = apply_method(self.model, config.method)
        self.parent: ParentModel | None = _with_run(self._checkpoint.parent, root)
        self.usage = Usage()
        self.earlier_seconds = 0.0

    def states(self, root: Path, run: str | None = None) -> StateStore:
        """Where this training's states are kept: named by all that determines the weights.

        Args:
            root: The project's root.
            run: The key of the only run that goes on from them, where runs of one configuration
                may train side by side; by default every such run does, one at a time.
        """
        key = weights_key(self._config, self.dataset.info.fingerprint, self._checkpoint)
        name = key[:32] if run is None else f"{key[:32]}-{run}"
        return StateStore(cache_root(root) / "training" / name)

    def fit(
        self, states: StateStore, log: RunLog | None, watcher: Watcher | None = None
    ) -> FitResult:
        """Trains, or goes on from a state; see `pipeline.training.fit.fit`."""
        with UsageMeter(states.directory / _USAGE) as meter:
            self.earlier_seconds, self.usage = meter.usage.seconds, meter.usage
            fitted = self._fit(states, log, watcher)
        if self.task.tunes:
            self._tune()
        return fitted

    def _tune(self) -> None:
        """Lets the task learn of the kept weights' predictions for the validation split."""
        split = self.dataset.split("validation")
        settings = self._config.trainer
        loader = BatchLoader(
            split,
            self.task,
            pad_token_id=self.dataset.info.pad_token_id,
            max_tokens=settings.eval_max_tokens_per_batch,
            pad_to_multiple_of=settings.pad_to_multiple_of,
            shuffle=False,
        )
        run = torch_run(
            self.task,
            self.model,
            resolve_device(settings.accelerator),
            resolve_precision(settings.precision, resolve_accelerator(settings.accelerator)),
        )
        names = self.dataset.info.label_names
        found = predict_split(run, split, loader, self.task, names)
        self.task.tune(found, split.table, names)
        body: nn.Module = self.model
        body.to("cpu")

    def _fit(self, states: StateStore, log: RunLog | None, watcher: Watcher | None) -> FitResult:
        return fit(
            self.model,
            self.task,
            self.dataset.split("train"),
            self.dataset.split("validation"),
            label_names=self.dataset.info.label_names,
            pad_token_id=self.dataset.info.pad_token_id,
            primary=self.primary,
            optimizer=self._config.optimizer,
            scheduler=self._config.scheduler,
            settings=self._config.trainer,
            seed=self._config.seed,
            states=states,
            log=(lambda _metrics, _step: None) if log is None else log.log_metrics,
            watcher=watcher,
        )

    @property
    def checkpoint(self) -> str:
        """Where the weights come from, in words."""
        return self._checkpoint.description

    def predict(self, rows: pa.Table) -> pa.Table:
        """What the trained model gives for some encoded rows."""
        info = self.dataset.info
        batch = to_tensors(
            self.task.collate(rows, pad_token_id=info.pad_token_id, pad_to_multiple_of=1)
        )
        run = torch_run(self.task, self.model, "cpu", "fp32")
        return self.task.decode(run(batch), rows, info.label_names)

    def write(
        self,
        directory: Path,
        fitted: FitResult,
        run_key: str,
        provenance: Provenance,
        *,
        parent_key: str | None = None,
    ) -> Manifest:
        """Writes model, processor, manifest and learning curves.

        Args:
            directory: Where to.
            fitted: What training came to.
            run_key: The key of the model's tracked run.
            provenance: Where the process comes from.
            parent_key: The key of the run around it.
        """
        config, info = self._config, self.dataset.info
        save_model(self.model, self._processor, directory)
        if (self.dataset.directory / PREPROCESSING).is_file():
            shutil.copyfile(self.dataset.directory / PREPROCESSING, directory / PREPROCESSING)
        write_json(directory / CURVES, curve_rows(fitted.curve, self.primary.name))
        manifest = Manifest(
            run_key=run_key,
            parent_key=parent_key,
            experiment=config.experiment,
            task=config.task.kind,
            task_options=config.task.options,
            task_state=self.task.state(),
            label_names=info.label_names,
            seed=config.seed,
            config_hash=config_hash(config),
            dataset_fingerprint=info.fingerprint,
            git_revision=provenance.git.revision,
            git_dirty=provenance.git.dirty,
            versions=provenance.versions,
            host=provenance.machine.host,
            checkpoint=self._checkpoint.description,
            parent_model=self.parent,
            num_parameters=self.method.num_parameters,
            num_trainable_parameters=self.method.num_trainable_parameters,
            epochs=fitted.epochs,
            steps=fitted.steps,
            best_step=fitted.best_step,
            best_epoch=fitted.best_epoch,
            validation={k: v for k, v in fitted.metrics.items() if v is not None},
            train_seconds=fitted.seconds,
            tokens_per_second=fitted.tokens / fitted.seconds if fitted.seconds else 0.0,
            peak_memory_mb=self.usage.peak_memory_mb,
            energy_wh=self.usage.energy_wh,
        )
        manifest.write(directory)
        return manifest


def _with_run(parent: ParentModel | None, root: Path) -> ParentModel | None:
    """Adds the id of the parent's run where its journal is here."""
    if parent is None or parent.run_id is not None or parent.run_key is None:
        return parent
    return parent.model_copy(update={"run_id": known_run_id(lasting_root(root), parent.run_key)})


def weights_key(config: Config, dataset_fingerprint: str, checkpoint: Checkpoint) -> str:
    """Hash of all that determines a training's weights; see `training_key`.

    Args:
        config: The resolved configuration.
        dataset_fingerprint: What it trains on.
        checkpoint: What it starts from.
    """
    directory = checkpoint.directory
    return training_key(
        dataset_fingerprint=dataset_fingerprint,
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
