"""Small projects and configs that tests take through all stages."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.artifacts import Outputs
from pipeline.config.schema import Config
from pipeline.config.validation import validate
from pipeline.export.bundle import Backend
from pipeline.stages import evaluate, export, prepare, train
from pipeline.stages.predict import run_predict

ALIGNED: Mapping[str, Any] = {
    "files": {"all": {"path": "data/en", "aligned": {"target": {"path": "data/zh"}}}},
    "format": {"kind": "lines"},
    "split": {"method": "shared_text", "validation": 0.2, "test": 0.2},
}
"""The section `data` for what `write_aligned` writes."""

SMALL_OVERRIDES = (
    "tracking=off",
    "trainer.num_threads=1",
    "evaluation.num_bootstrap_samples=100",
    "export.parity_rows=8",
    "export.latency_repeats=1",
    "export.latency_batch_sizes=[1]",
    "data.quality.unreadable_share.error=0.5",
)
"""Makes what follows training small in a shipped experiment, and allows unreadable files."""


def tiny_config(
    task: str,
    data: Mapping[str, Any],
    model: Mapping[str, Any],
    *,
    options: Mapping[str, Any] | None = None,
    experiment: str = "tiny",
    **sections: Mapping[str, Any],
) -> Config:
    """A config for one thread of the CPU, without tracking, with little to do after training.

    Args:
        task: Name of the task.
        data: The section, over a name and a fifth of the rows each for validation and test.
        model: The section.
        options: The task's options.
        experiment: The experiment's name.
        **sections: Values of further sections by key, over those that stand here.
    """
    values: dict[str, Any] = {
        "experiment": experiment,
        "data": {"name": "news", "split": {"validation": 0.2, "test": 0.2}, **data},
        "task": {"kind": task, "options": options or {}},
        "model": model,
        "method": {},
        "optimizer": {"lr": 1e-3},
        "scheduler": {},
        "trainer": {"accelerator": "cpu", "num_threads": 1},
        "evaluation": {"num_bootstrap_samples": 100},
        "export": {"parity_rows": 8, "latency_repeats": 1, "latency_batch_sizes": [1]},
        "tracking": {"enabled": False},
    }
    for name, section in sections.items():
        values[name] = {**values[name], **section}
    return validate(Config, values, lambda _: None)


def empty_project(root: Path) -> Path:
    """Makes a project without options or data in a folder; returns the folder."""
    (root / "conf").mkdir()
    (root / "conf" / "config.yaml").write_text("{}\n")
    (root / "data").mkdir()
    return root


def write_aligned(root: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Writes English and Chinese as two files of lines that belong together."""
    for name in ("en", "zh"):
        text = "".join(f"{row[name]}\n" for row in rows)
        (root / "data" / name).write_text(text, encoding="utf-8")


def run_stages(
    config: Config,
    root: Path,
    directory: Path | None = None,
    *,
    stages: Sequence[ModuleType] = (prepare, train, evaluate, export),
) -> Outputs:
    """Runs stages in a project; outputs go to its folder `outputs` unless told otherwise."""
    outputs = Outputs(directory or root / "outputs")
    for stage in stages:
        stage.run(config, root=root, outputs=outputs)
    return outputs


def predicted(
    directory: Path,
    *given: str,
    backend: Backend = "auto",
    number: Callable[[str], Any] = float,
) -> list[dict[str, Any]]:
    """What `predict` writes for arguments, an object for each; `number` reads its fractions."""
    out = io.StringIO()
    run_predict(given, file=None, directory=directory, backend=backend, field="", stream_out=out)
    return [json.loads(line, parse_float=number) for line in out.getvalue().splitlines()]
