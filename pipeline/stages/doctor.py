"""Says whether this machine is ready, and what to do where it is not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.artifacts import lasting_root
from pipeline.config.schema import Config
from pipeline.console import out
from pipeline.errors import PipelineError

State = Literal["ok", "warning", "error"]
_STYLE = {"ok": "green", "warning": "yellow", "error": "red"}
_LOW_DISK_GIGABYTES = 5.0
_NO_DISK_GIGABYTES = 1.0


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
        subject: What was looked at.
        state: Whether it is as it should be.
        message: What was found.
        remedy: What to do about it.
    """

    subject: str
    state: State
    message: str
    remedy: str | None = None


def run_doctor(overrides: Sequence[str], *, root: Path) -> int:
    """Checks versions, devices, disk, configuration, data, checkpoint and tracking store.

    Args:
        overrides: Check another configuration than the pinned one.
        root: The project's root.

    Returns:
        0, or 1 if anything stops a run.
    """
    worst: State = "ok"
    for check in _checks(overrides, root):
        out.print(f"[{_STYLE[check.state]}]{check.state:8}[/] {check.subject:14}", end=" ")
        out.print(check.message, markup=False)
        if check.remedy:
            out.print(f"         remedy: {check.remedy}", markup=False)
        if check.state == "error" or worst == "ok":
            worst = check.state
    return 1 if worst == "error" else 0


def _checks(overrides: Sequence[str], root: Path) -> Iterator[Check]:
    yield _python()
    yield _versions()
    yield _devices()
    yield _disk(root)
    config, check = _config(overrides, root)
    yield check
    if config is not None:
        yield _data(config, root)
        yield _checkpoint(config, root)
        yield _store(config)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    inside = sys.prefix != sys.base_prefix
    return Check(
        "Python",
        "ok" if inside else "warning",
        f"{version} in {sys.prefix}",
        None if inside else "run `make setup`, then `source .venv/bin/activate`",
    )


def _versions() -> Check:
    """Compares what is installed with the ranges of pyproject.toml."""
    from importlib import metadata

    from packaging.requirements import Requirement

    from pipeline.provenance import versions

    wrong = []
    for line in metadata.requires("finetune-pipeline") or ():
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} {installed} is not {requirement.specifier}")
    if wrong:
        return Check("packages", "error", "; ".join(wrong), "run `make setup`")
    shown = ("torch", "transformers", "pytorch-lightning", "mlflow", "dvc")
    found = versions()
    return Check("packages", "ok", ", ".join(f"{name} {found[name]}" for name in shown))


def _devices() -> Check:
    from pipeline.provenance import machine
    from pipeline.training.hardware import (
        resolve_accelerator,
        resolve_device,
        resolve_precision,
    )

    computer = machine()
    device = resolve_device("auto")
    precision = resolve_precision("auto", resolve_accelerator("auto"))
    gpus = f", {', '.join(computer.gpus)}" if computer.gpus else ""
    if computer.gpus and device.type == "cpu":
        return Check(
            "devices",
            "warning",
            f"{', '.join(computer.gpus)} is not used: this torch has no CUDA",
            "install the CUDA build of torch: https://pytorch.org/get-started/locally/",
        )
    return Check(
        "devices",
        "ok",
        f"{computer.cpu}, {computer.cores} cores, {computer.memory_gigabytes:g} GB{gpus}; "
        f"trains on {device.type} in {precision}",
    )


def _disk(root: Path) -> Check:
    free = shutil.disk_usage(root).free / 1e9
    state: State = (
        "error" if free < _NO_DISK_GIGABYTES else "warning" if free < _LOW_DISK_GIGABYTES else "ok"
    )
    remedy = (
        "free some space: `dvc gc --workspace` removes cached outputs of old runs, and "
        "`rm -r .cache/training` the states of interrupted trainings"
    )
    return Check("disk", state, f"{free:,.1f} GB free", None if state == "ok" else remedy)


def _config(overrides: Sequence[str], root: Path) -> tuple[Config | None, Check]:
    from pipeline.stages.compose import compose_checked

    try:
        config = compose_checked(overrides, root)
    except PipelineError as error:
        return None, Check("configuration", "error", error.message, error.remedy)
    return config, Check(
        "configuration",
        "ok",
        f"experiment {config.experiment}: data {config.data.name}, model {config.model.name}",
    )


def _data(config: Config, root: Path) -> Check:
    if config.data.hub is not None:
        return Check("data", "ok", f"hub dataset {config.data.hub.dataset}, read by prepare")
    named = [file.path for file in config.data.all_files.values()]
    named += [config.data.media.path] if config.data.media is not None else []
    missing = [path for path in named if not (root / path).exists()]
    if missing:
        return Check(
            "data",
            "error",
            f"missing: {', '.join(missing)}",
            f"put the files there; conf/data/{config.data.name}.yaml says where they come from",
        )
    sizes = [(root / path).stat().st_size / 1e6 for path in named]
    return Check("data", "ok", f"{config.data.name}: {len(sizes)} file(s), {sum(sizes):.1f} MB")


def _checkpoint(config: Config, root: Path) -> Check:
    from pipeline.models.locate import check_weights, describe, locate
    from pipeline.stages.checkpoints import fetch_checkpoint

    checkpoint = config.model.checkpoint
    if checkpoint.source == "scratch":
        return Check("checkpoint", "ok", "none: the model is trained from scratch")

    def look() -> None:
        fetch_checkpoint(checkpoint, config.tracking, root)
        check_weights(locate(checkpoint, root=root, weights=True))

    return _guarded("checkpoint", look, describe(checkpoint))


def _guarded(subject: str, look: Callable[[], object], fine: str) -> Check:
    try:
        look()
    except PipelineError as error:
        return Check(subject, "error", error.message, error.remedy)
    return Check(subject, "ok", fine)


def _store(config: Config) -> Check:
    from pipeline.tracking.status import check_store

    status = check_store(config.tracking, lasting_root())
    if not status.enabled:
        return Check("tracking", "warning", status.message, "tracking=default logs runs")
    message = f"{status.uri}: {status.message}"
    if status.waiting_runs:
        message += f"; {status.waiting_runs} run(s) wait to be delivered"
    if not status.writable:
        return Check("tracking", "warning", message, status.remedy)
    return Check("tracking", "warning" if status.waiting_runs else "ok", message, status.remedy)
