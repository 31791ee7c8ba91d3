"""The command line: one verb for each thing a user does."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.errors import EnvironmentProblem, PipelineError, UserError

STAGES = {
    "prepare": "raw data to encoded splits and a quality report",
    "train": "fine-tune a model on the prepared data",
    "evaluate": "measure the model: metrics with intervals, plots, mistakes",
    "export": "ONNX, parity, latency and a model card",
}
SWEEP_ACTIONS = ("status", "report", "promote")
SWEEP_FLAGS = {
    "watch": "status",
    "trial": "promote",
    "experiment": "promote",
    "overwrite": "promote",
    "allow_dirty": "promote",
    "allow_foreign": "promote",
}
INTERRUPTED = 130
_OVERRIDES_HELP = (
    "Hydra overrides, for example model=gpt2 optimizer.lr=3e-4; with any, the run gets a "
    "directory of its own below runs/"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb.

    Returns:
        The exit code: 0, 1 for a failure, 2 for a user's mistake, 130 after Ctrl-C.
    """
    options = build_parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if options.debug:
            raise
        message, code = _in_words(error)
        red, plain = ("\033[31m", "\033[0m") if sys.stderr.isatty() else ("", "")
        print(f"{red}error:{plain} {message}", file=sys.stderr)
        return code


def _in_words(error: BaseException) -> tuple[str, int]:
    """What to tell the user of an error, and the exit code."""
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted", INTERRUPTED
    problem = error
    if isinstance(error, ModuleNotFoundError):
        problem = EnvironmentProblem(
            f"the Python package {error.name!r} is not installed for {sys.executable}",
            remedy="run `make setup`, then `source .venv/bin/activate`",
        )
    elif isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        problem = EnvironmentProblem(
            f"{error.filename}: {error.strerror}",
            remedy="mend the path, its permissions or the disk space",
        )
    if isinstance(problem, PipelineError):
        return str(problem), problem.exit_code
    name = type(error).__name__
    return f"this should not happen: {name}: {error}\n  remedy: --debug shows where", 1


def build_parser() -> argparse.ArgumentParser:
    """The parser of all verbs; cheap, since `--help` must not pay for any library."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline",
        description="Fine-tune transformer models, reproducibly. `dvc repro` runs the stages.",
    )
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks"
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(
        name: str,
        text: str,
        run: Callable[[argparse.Namespace], int | None],
        *,
        overrides: bool = False,
    ) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text, parents=[common])
        sub.set_defaults(run=run)
        if overrides:
            sub.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=_OVERRIDES_HELP)
        return sub

    compose = verb(
        "compose", "resolve the configuration to outputs/config.yaml", _compose, overrides=True
    )
    compose.add_argument("--show", action="store_true", help="print it instead of writing it")
    for name, text in STAGES.items():
        verb(name, text, _stage, overrides=True)
    predict = verb("predict", "predict texts from arguments, a file or standard input", _predict)
    predict.add_argument("texts", nargs="*", metavar="TEXT", help="texts; none reads stdin")
    predict.add_argument("--file", type=Path, help="one text a line, or JSON Lines (.jsonl)")
    predict.add_argument("--field", default="text", help="the text's key in JSON Lines")
    predict.add_argument("--model", type=Path, help="directory; default outputs/model")
    predict.add_argument(
        "--backend",
        choices=["auto", "torch", "onnx", "onnx_int8"],
        default="auto",
        help="auto: ONNX for an export directory, PyTorch otherwise",
    )
    _add_sweep(
        verb("sweep", "search hyperparameters; see, report or pin what a search found", _sweep)
    )
    verb("summary", "the last run in a few lines", _summary)
    schema = verb("schema", "JSON Schema of the configuration or of one section", _schema)
    schema.add_argument("section", nargs="?", help="for example optimizer; sweep for sweeps")
    schema.add_argument("--write", action="store_true", help="write all to conf/.schema/")
    verb("doctor", "check versions, devices, data, disk and the store", _doctor, overrides=True)
    verb("sync", "deliver what a tracking server that was down has missed", _sync)
    return parser


def _add_sweep(sweep: argparse.ArgumentParser) -> None:
    sweep.usage = (
        "python -m pipeline sweep NAME [KEY=VALUE ...]\n"
        "       python -m pipeline sweep status NAME [KEY=VALUE ...] [--watch]\n"
        "       python -m pipeline sweep report NAME [KEY=VALUE ...]\n"
        "       python -m pipeline sweep promote NAME [KEY=VALUE ...] [--trial N] [--as NAME]\n"
        "                                [--overwrite] [--allow-dirty] [--allow-foreign]"
    )
    sweep.add_argument(
        "words",
        nargs="*",
        metavar="NAME",
        help="a file of sweeps/, after an action if not run; without any, all are listed. Then "
        "settings of the sweep (workers=2 n_trials=40) and overrides of its experiment "
        "(model=gpt2). The same command later goes on up to n_trials in all",
    )
    sweep.add_argument("--watch", action="store_true", help="status: a live view")
    sweep.add_argument("--trial", type=int, metavar="N", help="promote: this trial, not the best")
    sweep.add_argument("--as", dest="experiment", metavar="NAME", help="promote: the file's name")
    for flag, text in (
        ("--overwrite", "promote: replace an experiment of that name"),
        ("--allow-dirty", "promote: a trial that ran from uncommitted changes"),
        ("--allow-foreign", "promote: a study of another repository"),
    ):
        sweep.add_argument(flag, action="store_true", help=text)


def _sweep(options: argparse.Namespace) -> None:
    from pipeline.artifacts import project_root

    root = project_root()
    words = list(options.words)
    action = words.pop(0) if words and words[0] in SWEEP_ACTIONS else "run"
    for name, owner in SWEEP_FLAGS.items():
        value = getattr(options, name)
        if value is not None and value is not False and action != owner:
            flag = "--as" if name == "experiment" else f"--{name.replace('_', '-')}"
            raise UserError(
                f"{flag} belongs to `sweep {owner}`",
                remedy=f"write `python -m pipeline sweep {owner} NAME {flag} …`, or leave it out",
            )
    if not words:
        from pipeline.sweep.listing import list_sweeps

        list_sweeps(root, needed_by=None if action == "run" else action)
        return
    name, *arguments = words
    if action == "status":
        from pipeline.sweep.status import show_status

        show_status(name, arguments, root, watch=options.watch)
    elif action == "report":
        from pipeline.sweep.reporting import remake_report

        remake_report(name, arguments, root)
    elif action == "promote":
        from pipeline.sweep.promotion.promoting import promote

        promote(
            name,
            arguments,
            root,
            trial=options.trial,
            experiment=options.experiment,
            overwrite=options.overwrite,
            allow_dirty=options.allow_dirty,
            allow_foreign=options.allow_foreign,
        )
    else:
        from pipeline.sweep.driver import run_sweep

        run_sweep(name, arguments, root=root)


def _compose(options: argparse.Namespace) -> None:
    from pipeline.artifacts import Outputs, project_root
    from pipeline.stages.compose import run_compose

    root = project_root()
    outputs = Outputs(root / "outputs")
    run_compose(options.overrides, root=root, outputs=outputs, show=options.show)


def _stage(options: argparse.Namespace) -> None:
    from pipeline.artifacts import project_root
    from pipeline.stages.invoke import run_stage

    run_stage(options.verb, options.overrides, root=project_root())


def _predict(options: argparse.Namespace) -> None:
    from pipeline.stages.predict import run_predict

    run_predict(
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


def _summary(_: argparse.Namespace) -> None:
    from pipeline.artifacts import project_root
    from pipeline.stages.summary import print_summary

    print_summary(project_root())


def _schema(options: argparse.Namespace) -> None:
    from pipeline.artifacts import project_root
    from pipeline.config.json_schema import print_schema, write_schemas

    if options.section == "sweep":
        from pipeline.sweep.definition.settings import SweepSettings

        print(json.dumps(SweepSettings.model_json_schema(), indent=2, ensure_ascii=False))
    elif options.write:
        write_schemas(project_root())
    else:
        print_schema(options.section)


def _doctor(options: argparse.Namespace) -> int:
    from pipeline.artifacts import project_root
    from pipeline.stages.doctor import run_doctor

    return run_doctor(options.overrides, root=project_root())


def _sync(_: argparse.Namespace) -> int:
    from pipeline.artifacts import lasting_root
    from pipeline.stages.sync import run_sync

    return run_sync(lasting_root())
