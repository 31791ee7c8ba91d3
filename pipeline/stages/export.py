"""Stage export: the trained model as ONNX, proved and timed, with a model card."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts import (
    Outputs,
    read_json,
    replace_directory,
    shown,
    write_json,
    write_text,
)
from pipeline.config.schema import Config
from pipeline.console import notice
from pipeline.data.store import EncodedDataset
from pipeline.export.card import CardFacts, build_card
from pipeline.export.exporting import export_model
from pipeline.export.layout import CARD, REPORT
from pipeline.export.report import ExportReport
from pipeline.manifest import Manifest
from pipeline.models.locate import read_model_config
from pipeline.models.processor import load_processor
from pipeline.stages.description import pages_of_evaluation, pages_of_training
from pipeline.stages.run_log import RunKeys, later_tags, open_stage_runs
from pipeline.tasks.base import Task
from pipeline.tasks.columns import input_columns, length_unit
from pipeline.tasks.registry import load_trained_task, metric_names
from pipeline.tracking.params import flatten

_TRAINING_SECTIONS = ("model", "method", "optimizer", "scheduler", "trainer", "seed")


@dataclass(frozen=True)
class ExportResult:
    """What export made.

    Attributes:
        directory: `outputs/export/`; it alone suffices to predict.
        report: Parity, latency and sizes.
    """

    directory: Path
    report: ExportReport


def run(config: Config, *, root: Path, outputs: Outputs) -> ExportResult:
    """Writes `outputs/export/`: the Hugging Face directory, ONNX graphs, report and model card.

    Raises:
        UserError: If an earlier stage's output is missing, damaged, or of another model.
        EnvironmentProblem: If the exported model differs from the trained one by more than
            `export.tolerance`, or cannot be written. The old directory stays.
    """
    manifest = Manifest.read(outputs.model)
    dataset = EncodedDataset.open(outputs.dataset)
    manifest.check_dataset(dataset.info.fingerprint, model=outputs.model, dataset=outputs.dataset)
    metrics = read_json(outputs.evaluation / "metrics.json")
    processor = load_processor(outputs.model)
    task = load_trained_task(manifest.task, manifest.task_options, manifest.task_state, processor)
    tags = later_tags("export", root)
    keys = RunKeys.of(manifest)
    with open_stage_runs(
        config, keys, root=root, stage="export", tags=tags, manifest=manifest
    ) as runs:
        with replace_directory(outputs.export) as fresh:
            shutil.copytree(outputs.model, fresh, dirs_exist_ok=True, copy_function=shutil.copyfile)
            report = export_model(fresh, task, dataset, config.export)
            write_json(fresh / REPORT, report.to_json())
            facts = CardFacts(
                manifest=manifest,
                dataset=dataset.info,
                model_config=read_model_config(fresh),
                metrics=metrics,
                per_class=_per_class(outputs.evaluation / "per_class.csv"),
                report=report,
                **_card_settings(config, task),
            )
            write_text(fresh / CARD, str(build_card(facts)))
        runs.model.log_metrics(report.metrics(), manifest.best_step, replace=True)
        runs.model.log_artifact(outputs.export / REPORT, "export")
        runs.model.log_artifact(outputs.export / CARD, "export")
        pages = [*pages_of_evaluation(outputs.evaluation), ("model card", f"export/{CARD}")]
        runs.describe(
            manifest,
            dataset.info,
            pages=[*pages, *([] if runs.is_new else pages_of_training(outputs.dataset))],
            metrics=metrics,
            export=report.to_json(),
        )
    _tell(
        report,
        length_unit(column.kind for column in task.columns),
        shown(outputs.export / CARD, root),
    )
    return ExportResult(outputs.export, report)


def _per_class(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _card_settings(config: Config, task: Task) -> dict[str, Any]:
    """What the card says of the configuration."""
    checkpoint = config.model.checkpoint
    hub = config.data.hub
    settings = config.model_dump(
        mode="json",
        include=set(_TRAINING_SECTIONS),
        exclude={"model": {"checkpoint"}},
        exclude_none=True,
    )
    return {
        "dataset_id": config.data.name if hub is None else hub.dataset,
        "base_model": checkpoint.location if checkpoint.source == "hub" else checkpoint.hub_id,
        "licence": config.export.licence,
        "hyperparameters": dict(flatten(settings)),
        "cleaning": tuple(s.step for s in config.data.cleaning if s.step != "deduplicate"),
        "metric_names": metric_names(task, config.task.primary_metric),
        "confidence": config.evaluation.confidence,
        "inputs": input_columns(task.columns),
    }


def _tell(report: ExportReport, unit: str, card: str) -> None:
    for name, model in report.models.items():
        parity = model.parity
        notice(
            f"exported {name}: {model.num_bytes / 1e6:.1f} MB, logits within "
            f"{parity.max_abs_difference:.1g} of PyTorch, same prediction for "
            f"{parity.prediction_agreement:.1%} of {parity.rows} rows of {report.split}"
        )
    for timing in report.timings:
        times = ", ".join(f"{name} {t.p50_ms:.1f} ms" for name, t in timing.runtimes.items())
        notice(f"latency of {timing.batch_size} × {timing.length} {unit}: {times}")
    notice(f"model card: {card}")
