"""Runs one stage: of the pinned experiment into `outputs/`, of an ad-hoc one below `runs/`."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.artifacts import Outputs
from pipeline.config.compose import config_hash, load_config, save_config
from pipeline.config.schema import Config
from pipeline.console import notice, warn
from pipeline.errors import PipelineError
from pipeline.stages.checkpoints import fetch_checkpoint
from pipeline.stages.compose import compose_checked
from pipeline.stages.group_run import run_group
from pipeline.stages.restore import STAGE_VARIABLE, restore_outputs
from pipeline.stages.seeds import split_seeds

ORDER = ("prepare", "train", "evaluate", "export")
PRODUCT = {"prepare": "dataset", "train": "model", "evaluate": "evaluation", "export": "export"}


def run_stage(stage: str, overrides: Sequence[str], *, root: Path) -> None:
    """Runs a stage.

    Args:
        stage: One of `ORDER`.
        overrides: None runs the pinned experiment as `outputs/config.yaml` says. Any make an
            ad-hoc run in `runs/<experiment>-<hash>/`; the stages before it that have not run for
            this configuration run first. `seeds=5` among them, also alone, runs one configuration
            with several seeds.
        root: The project's root.
    """
    overrides, wish = split_seeds(overrides)
    if wish is not None:
        run_group(stage, overrides, wish, root=root)
        return
    if not overrides:
        outputs = Outputs(root / "outputs")
        config = load_config(outputs.config)
        if STAGE_VARIABLE not in os.environ:
            _warn_if_stale(config, root)
        try:
            _call(stage, config, root, outputs)
        except BaseException:
            for output in restore_outputs(root):
                notice(f"{output} is as it was before: put back from DVC's cache")
            raise
        return
    config = compose_checked(overrides, root)
    outputs = Outputs(root / "runs" / f"{config.experiment}-{config_hash(config)[:10]}")
    save_config(config, outputs.config)
    notice(f"ad-hoc run in {outputs.root.relative_to(root)}")
    for earlier in ORDER[: ORDER.index(stage)]:
        if not (outputs.root / PRODUCT[earlier]).is_dir():
            _call(earlier, config, root, outputs)
    _call(stage, config, root, outputs)


def _call(stage: str, config: Config, root: Path, outputs: Outputs) -> None:
    if stage in {"prepare", "train"}:
        fetch_checkpoint(config.model.checkpoint, config.tracking, root)
    module = importlib.import_module(f"pipeline.stages.{stage}")
    module.run(config, root=root, outputs=outputs)


def _warn_if_stale(config: Config, root: Path) -> None:
    try:
        current = compose_checked((), root)
    except PipelineError:
        current = None
    if current != config:
        warn("outputs/config.yaml does not say what conf/ and params.yaml say now; see `dvc repro`")
