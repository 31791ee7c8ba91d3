"""Stage evaluate: how good the model is and how sure that is; alone in reading the test split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.artifacts import Outputs, replace_directory, shown, write_json
from pipeline.config.schema import Config, TrainerConfig
from pipeline.console import notice, out, progress
from pipeline.data.loader import BatchLoader
from pipeline.data.store import SPLITS, EncodedDataset
from pipeline.evaluation.context import Context
from pipeline.evaluation.details import write_details
from pipeline.evaluation.inference import predict_split, torch_run
from pipeline.evaluation.results import Results, measure_all, metrics_table
from pipeline.evaluation.tables import readable_predictions, test_hash, write_predictions
from pipeline.manifest import Manifest
from pipeline.models.processor import load_processor
from pipeline.models.saving import load_saved_model
from pipeline.stages.description import pages_of_evaluation, pages_of_training
from pipeline.stages.run_log import (
    RunKeys,
    dataset_ref,
    later_tags,
    open_stage_runs,
    weights_sha256,
)
from pipeline.tasks.base import Task
from pipeline.tasks.registry import load_trained_task, primary_metric
from pipeline.tracking.log import RunLog
from pipeline.training.hardware import (
    configured,
    resolve_accelerator,
    resolve_device,
    resolve_precision,
)

METRICS = "metrics.json"
HEADLINE = "headline.json"


@dataclass(frozen=True)
class EvaluateResult:
    """What evaluate found.

    Attributes:
        directory: `outputs/evaluation/`.
        results: Metrics with intervals, of the model and of the baselines.
    """

    directory: Path
    results: Results


def run(config: Config, *, root: Path, outputs: Outputs) -> EvaluateResult:
    """Writes `outputs/evaluation/` and logs it to the model's run.

    The same model and data give the same `metrics.json`, byte for byte.

    Args:
        config: The resolved configuration.
        root: The project's root.
        outputs: Where dataset and model lie and the evaluation goes.

    Raises:
        UserError: If an earlier stage's output is missing or damaged, or the model was trained on
            another dataset.
        EnvironmentProblem: If the machine refuses; the old directory stays.
    """
    dataset = EncodedDataset.open(outputs.dataset)
    manifest = Manifest.read(outputs.model)
    manifest.check_dataset(dataset.info.fingerprint, model=outputs.model, dataset=outputs.dataset)
    processor = load_processor(outputs.model)
    task = load_trained_task(manifest.task, manifest.task_options, manifest.task_state, processor)
    predictions = _predict(task, dataset, outputs.model, config.trainer)
    test = dataset.split("test").table
    tags = {**later_tags("evaluate", root), "data.test_hash": test_hash(test)}
    keys = RunKeys.of(manifest)
    with open_stage_runs(
        config, keys, root=root, stage="evaluate", tags=tags, manifest=manifest
    ) as runs:
        log = runs.model
        results = _measure(config, task, dataset, predictions)
        with replace_directory(outputs.evaluation) as fresh:
            write_json(fresh / METRICS, results.as_json())
            write_json(fresh / HEADLINE, results.headline())
            _write_details(
                fresh, task, dataset, predictions=predictions, results=results, config=config
            )
        trained, others = results.tracked()
        log.log_metrics(trained, manifest.best_step)
        log.log_metrics(others, manifest.best_step, replace=True)
        if runs.parent is not None:
            runs.parent.log_metrics(results.verdict(), manifest.best_step, replace=True)
        log.log_artifact(outputs.evaluation)
        _link(log, results, dataset, manifest.best_step)
        log.set_tags({"weights.sha256": weights_sha256(outputs.model)})
        trained_here = [] if runs.is_new else pages_of_training(outputs.dataset)
        runs.describe(
            manifest,
            dataset.info,
            pages=[*pages_of_evaluation(outputs.evaluation), *trained_here],
            metrics=results.as_json(),
        )
    out.print(metrics_table(results.as_json(), config.evaluation.confidence))
    for line in results.comparisons():
        out.print(line)
    notice(f"evaluated: {shown(outputs.evaluation, root)}")
    return EvaluateResult(outputs.evaluation, results)


def _link(log: RunLog, results: Results, dataset: EncodedDataset, step: int) -> None:
    """Makes the scalar metrics of the trained model also those of the model that MLflow keeps."""
    names = results.metric_names
    for split, prefix in (("test", "test"), ("validation", "best/val")):
        found = getattr(results, split).intervals
        points = [
            f"{prefix}/{name}{end}"
            for name in names
            if name in found
            for end in ("", "_low", "_high")
        ]
        log.link_metrics(points, step, dataset_ref(dataset.info, split))


def _predict(
    task: Task, dataset: EncodedDataset, model_directory: Path, trainer: TrainerConfig
) -> dict[str, pa.Table]:
    """Predictions of every split."""
    run = torch_run(
        task,
        load_saved_model(model_directory),
        resolve_device(trainer.accelerator),
        resolve_precision(trainer.precision, resolve_accelerator(trainer.accelerator)),
    )
    found = {}
    with (
        configured(num_threads=trainer.num_threads, deterministic=trainer.deterministic),
        progress() as bar,
    ):
        shown = bar.add_task("predicting", total=sum(dataset.info.rows.values()), note="")
        for name in SPLITS:
            loader = BatchLoader(
                dataset.split(name),
                task,
                pad_token_id=dataset.info.pad_token_id,
                max_tokens=trainer.eval_max_tokens_per_batch,
                pad_to_multiple_of=trainer.pad_to_multiple_of,
                shuffle=False,
            )
            found[name] = predict_split(
                run,
                dataset.split(name),
                loader,
                task,
                dataset.info.label_names,
                on_rows=lambda count: bar.advance(shown, count),
            )
    return found


def _measure(
    config: Config, task: Task, dataset: EncodedDataset, predictions: Mapping[str, pa.Table]
) -> Results:
    with progress() as bar:
        shown = bar.add_task("resampling", total=None, note="")
        return measure_all(
            task,
            predictions,
            {name: dataset.split(name).table for name in predictions},
            dataset.info.label_names,
            primary=primary_metric(task, config.task.primary_metric).name,
            settings=config.evaluation,
            on_samples=lambda count: bar.advance(shown, count),
        )


def _write_details(
    directory: Path,
    task: Task,
    dataset: EncodedDataset,
    *,
    predictions: Mapping[str, pa.Table],
    results: Results,
    config: Config,
) -> None:
    """Writes predictions of every split; and of the test split tables, plots and mistakes."""
    for name, table in predictions.items():
        readable = readable_predictions(dataset.split(name).table, table)
        write_predictions(
            directory / f"predictions_{name}.parquet", readable, dataset.info.label_names
        )
    rows, label_names = dataset.split("test").table, dataset.info.label_names
    write_details(
        directory,
        rows,
        predictions["test"],
        results.test,
        Context(task.columns, label_names, task.state(), task.units(rows)),
        scores=task.example_scores(predictions["test"], rows, label_names),
        title=f"{config.experiment}, test",
        settings=config.evaluation,
    )
