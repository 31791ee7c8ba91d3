"""The last run in a few lines: how good the model is, where it lies, how to look at the run."""

from __future__ import annotations

from pathlib import Path

from pipeline.artifacts import Outputs, lasting_root, read_json
from pipeline.config.compose import load_config
from pipeline.console import out
from pipeline.data.quality.finding import count_of
from pipeline.evaluation.results import metrics_table
from pipeline.export.layout import CARD, ONNX_FILES
from pipeline.manifest import Manifest
from pipeline.tasks.registry import load_task, metric_names
from pipeline.tracking.status import run_hint

MOST_METRICS = 5


def print_summary(root: Path) -> None:
    """Prints the pinned run's metrics with intervals, its files and where MLflow shows it.

    Args:
        root: The project's root.

    Raises:
        UserError: If the stages have not run.
    """
    outputs = Outputs(root / "outputs")
    config = load_config(outputs.config)
    manifest = Manifest.read(outputs.model)
    metrics = read_json(outputs.evaluation / "metrics.json")
    task = load_task(manifest.task, manifest.task_options)
    names = metric_names(task, config.task.primary_metric)

    out.print(
        f"\n[bold]{config.experiment}[/]: {config.data.name} with {config.model.name}, "
        f"{manifest.num_trainable_parameters / 1e6:.1f} M trained parameters, "
        f"{count_of(manifest.steps, 'step')} in {manifest.train_seconds:.0f} s"
    )
    metrics["test"] = {name: metrics["test"][name] for name in names if name in metrics["test"]}
    out.print(metrics_table(metrics, config.evaluation.confidence, most=MOST_METRICS))
    for what, path in (
        ("model", outputs.model),
        ("ONNX", next((outputs.export / f for f in ONNX_FILES.values()), outputs.export)),
        ("model card", outputs.export / CARD),
        ("mistakes", outputs.evaluation / "mistakes.html"),
        ("data quality", outputs.dataset / "quality.html"),
    ):
        if path.exists():
            out.print(f"{what:12} {path.relative_to(root)}", markup=False)
    hint = run_hint(config.tracking, lasting_root(), manifest.run_key)
    if hint is not None:
        command = f"`{hint.command}`, then " if hint.command else ""
        where = hint.url or "`python -m pipeline sync` first: the store does not have it yet"
        out.print(f"{'MLflow':12} {command}{where}", markup=False)
