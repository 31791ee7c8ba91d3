"""What a training tells its tracked run: settings, origin, data, costs, curves, and the model."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.config.compose import to_yaml
from pipeline.config.schema import WITHOUT_EFFECT, Config
from pipeline.data.media_rows import content_again
from pipeline.data.store import DatasetInfo, EncodedDataset
from pipeline.errors import DataError
from pipeline.manifest import Manifest
from pipeline.provenance import Provenance, packages, serving_requirements
from pipeline.stages.fine_tuning import Training
from pipeline.stages.run_log import dataset_ref, weights_sha256
from pipeline.tasks.base import Column, MetricSpec
from pipeline.tasks.columns import MEDIA_KINDS, input_columns
from pipeline.tasks.served import LOADER, served_inputs, served_schema, serving_code
from pipeline.tracking.log import Context, RunLog
from pipeline.tracking.spooling import ModelFiles
from pipeline.training.curves import draw_curves
from pipeline.training.fit import FitResult

_CONTEXTS: dict[str, Context] = {"train": "training", "validation": "validation", "test": "test"}
_NUM_EXAMPLES = 3
_LONGEST_EXAMPLE = 2_000
"""Characters of a text."""

_LARGEST_EXAMPLE = 2**20
"""Bytes of a recording or picture."""


def describe_run(log: RunLog, config: Config, dataset: EncodedDataset) -> None:
    """Logs what is trained, and on what."""
    info = dataset.info
    log.set_tags({"data.hash": info.fingerprint, "data.name": info.name, "seed": str(config.seed)})
    log.log_params(config.model_dump(mode="json", exclude=set(WITHOUT_EFFECT)))
    log.log_text(to_yaml(config), "config.yaml")
    _link_data(log, info, dataset)


def describe_origin(log: RunLog, dataset: EncodedDataset, provenance: Provenance) -> None:
    """Logs the environment, the source's changes, and how good the data is."""
    if not log.enabled:
        return
    log.log_text("\n".join(packages()) + "\n", "environment/requirements.txt")
    environment = json.dumps(provenance.environment(), indent=2, ensure_ascii=False)
    log.log_text(f"{environment}\n", "environment/environment.json")
    if provenance.git.diff:
        log.log_text(provenance.git.diff, "git/diff.patch")
    for name in ("quality.json", "quality.html"):
        if (dataset.directory / name).is_file():
            log.log_artifact(dataset.directory / name, "dataset")


def _link_data(log: RunLog, info: DatasetInfo, dataset: EncodedDataset) -> None:
    schema = dataset.split("train").table.schema
    for split, context in _CONTEXTS.items():
        if split in info.rows:
            log.log_dataset(
                *dataset_ref(info, split),
                context,
                source=str(dataset.directory / f"{split}.arrow"),
                schema=schema,
                profile={"rows": info.rows[split], "tokens": info.tokens[split]},
            )


def log_curves(log: RunLog, fitted: FitResult, primary: MetricSpec) -> None:
    """Logs the learning curves as a picture."""
    if not log.enabled:
        return
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "learning_curves.png"
        draw_curves(fitted.curve, primary.name, best_step=fitted.best_step, path=path)
        log.log_artifact(path, "plots")


def log_kept(log: RunLog, manifest: Manifest, training: Training) -> None:
    """Logs the validation metrics of the weights that were kept, as evaluate will find them too.

    MLflow shows a metric's last point, and that of `val/<metric>` need not be of these weights.
    """
    names = [spec.name for spec in training.task.metric_specs if spec.name in manifest.validation]
    kept = {f"best/val/{name}": manifest.validation[name] for name in names}
    log.log_metrics(kept, manifest.best_step)


def log_costs(log: RunLog, fitted: FitResult, training: Training) -> None:
    """Logs once what the training took, at the step whose weights were kept."""
    costs = {
        "cost/train_seconds": fitted.seconds,
        "cost/tokens": float(fitted.tokens),
        "cost/tokens_per_second": fitted.tokens / fitted.seconds if fitted.seconds else 0.0,
        "cost/num_parameters": float(training.method.num_parameters),
        "cost/num_trainable_parameters": float(training.method.num_trainable_parameters),
    }
    log.log_metrics(costs | training.usage.metrics(), fitted.best_step)


def log_model(
    log: RunLog,
    config: Config,
    training: Training,
    manifest: Manifest,
    directory: Path,
    *,
    root: Path,
) -> None:
    """Logs the trained model for MLflow to load and serve, with its validation metrics.

    Args:
        log: The model's run.
        config: The resolved configuration.
        training: The finished training.
        manifest: What it wrote beside the model.
        directory: The model's files.
        root: The project's root, where the paths of raw files start.
    """
    weights = weights_sha256(directory)
    log.set_tags({"weights.sha256": weights} if weights else {})
    if not (config.tracking.enabled and config.tracking.log_model):
        return
    rows = training.dataset.split("validation").table.slice(0, _NUM_EXAMPLES)
    engines = {str(getattr(step, "engine", "")) for step in config.data.cleaning} - {""}

    info = training.dataset.info
    log.log_model(
        ModelFiles(
            directory=directory,
            code=serving_code(training.task),
            loader=LOADER,
            inputs=served_inputs(training.task),
            example=_example(rows, training.task.columns, root),
            outputs=served_schema(training.task, training.predict(rows).schema),
            requirements=serving_requirements(sorted(engines)),
            step=manifest.best_step,
            kind=config.task.kind,
            tags={
                "experiment": config.experiment,
                "data.name": info.name,
                "data.hash": info.fingerprint,
                "config.hash": manifest.config_hash,
                "seed": str(manifest.seed),
                "weights.sha256": weights,
            },
        )
    )
    names = [f"val/{name}" for name in ("loss", *manifest.validation)]
    log.link_metrics(names, manifest.best_step, dataset_ref(info, "validation"))


def _example(
    rows: pa.Table, columns: Sequence[Column], root: Path
) -> dict[str, list[str] | list[bytes]]:
    """Inputs of some rows as they are served; nothing where a raw file is not here or large."""
    found: dict[str, list[str] | list[bytes]] = {}
    for column in input_columns(columns):
        values = rows[column.name].to_pylist()
        if column.kind not in MEDIA_KINDS:
            found[column.name] = [str(value)[:_LONGEST_EXAMPLE] for value in values]
            continue
        if any(value["size"] > _LARGEST_EXAMPLE for value in values):
            return {}
        try:
            found[column.name] = [content_again(value, root) for value in values]
        except DataError:  # the raw files are needed to prepare, not to train
            return {}
    return found
