"""Verbs of the stages, and of what surrounds them: predict, summary, schema, doctor, sync."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pipeline.errors import UserError


def run_compose(options: argparse.Namespace) -> None:
    """Composes the configuration."""
    from pipeline.artifacts import Outputs, project_root
    from pipeline.stages.compose import run_compose as compose

    root = project_root()
    outputs = Outputs(root / "outputs")
    compose(options.overrides, root=root, outputs=outputs, show=options.show)


def run_stage(options: argparse.Namespace) -> None:
    """Runs a stage."""
    from pipeline.artifacts import project_root
    from pipeline.stages.invoke import run_stage as invoke

    invoke(options.verb, options.overrides, root=project_root())


def run_predict(options: argparse.Namespace) -> None:
    """Predicts texts."""
    from pipeline.stages.predict import run_predict as predict

    predict(
        options.texts,
        file=options.file,
        directory=options.model or _default_model(options.backend),
        backend=options.backend,
        field=options.field,
        stream_out=sys.stdout,
    )


def _default_model(backend: str) -> Path:
    from pipeline.artifacts import Outputs, project_root

    outputs = Outputs(project_root() / "outputs")
    directory = outputs.export if backend.startswith("onnx") else outputs.model
    if not directory.is_dir():
        raise UserError(
            f"{directory} is missing: there is no model to predict with",
            remedy="run `dvc repro`, or name a directory with --model",
        )
    return directory


def run_summary(_: argparse.Namespace) -> None:
    """Prints the pinned run in a few lines."""
    from pipeline.artifacts import project_root
    from pipeline.stages.summary import print_summary

    print_summary(project_root())


def run_schema(options: argparse.Namespace) -> None:
    """Prints or writes JSON Schemas."""
    from pipeline.artifacts import project_root
    from pipeline.config.json_schema import print_schema, write_schemas

    if options.section == "sweep":
        from pipeline.sweep.definition.settings import SweepSettings

        print(json.dumps(SweepSettings.model_json_schema(), indent=2, ensure_ascii=False))
    elif options.write:
        write_schemas(project_root())
    else:
        print_schema(options.section)


def run_doctor(options: argparse.Namespace) -> int:
    """Checks the machine."""
    from pipeline.artifacts import project_root
    from pipeline.stages.doctor import run_doctor as doctor

    return doctor(options.overrides, root=project_root())


def run_sync(_: argparse.Namespace) -> int:
    """Delivers what the tracking store missed."""
    from pipeline.artifacts import lasting_root
    from pipeline.stages.sync import run_sync as sync

    return sync(lasting_root())
