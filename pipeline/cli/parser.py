"""The parser of all verbs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from pipeline.cli import runs, stages
from pipeline.cli.sweep import add_sweep, run_sweep_verb

STAGES = {
    "prepare": "raw data to encoded splits and a quality report",
    "train": "fine-tune a model on the prepared data",
    "evaluate": "measure the model: metrics with intervals, plots, mistakes",
    "export": "ONNX, parity, latency and a model card",
}
Verb = Callable[[str, str, Callable[[argparse.Namespace], int | None]], argparse.ArgumentParser]
"""Adds a verb: its name, what it does, and the function that runs it."""
_OVERRIDES_HELP = (
    "Hydra overrides, for example model=gpt2 optimizer.lr=3e-4; with any, the run gets a "
    "directory of its own below runs/. seeds=5 runs five seeds as a group"
)


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
        name: str, text: str, run: Callable[[argparse.Namespace], int | None]
    ) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text, parents=[common])
        sub.set_defaults(run=run)
        return sub

    def configured(
        name: str, text: str, run: Callable[[argparse.Namespace], int | None]
    ) -> argparse.ArgumentParser:
        sub = verb(name, text, run)
        sub.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=_OVERRIDES_HELP)
        return sub

    compose = configured(
        "compose", "resolve the configuration to outputs/config.yaml", stages.run_compose
    )
    compose.add_argument("--show", action="store_true", help="print it instead of writing it")
    for name, text in STAGES.items():
        configured(name, text, stages.run_stage)
    predict = verb("predict", "predict for arguments, a file or standard input", stages.run_predict)
    predict.add_argument("texts", nargs="*", metavar="TEXT", help="inputs; none reads stdin")
    predict.add_argument("--file", type=Path, help="one text a line, or JSON Lines (.jsonl)")
    predict.add_argument("--field", default="", help="the input's key in JSON Lines")
    predict.add_argument("--model", type=Path, help="directory; default outputs/model")
    predict.add_argument(
        "--backend",
        choices=["auto", "torch", "onnx", "onnx_int8"],
        default="auto",
        help="auto: ONNX for an export directory, PyTorch otherwise",
    )
    add_sweep(
        verb(
            "sweep",
            "search hyperparameters; see, report or pin what a search found",
            run_sweep_verb,
        )
    )
    _add_runs(verb)
    verb("summary", "the last run in a few lines", stages.run_summary)
    schema = verb("schema", "JSON Schema of the configuration or of one section", stages.run_schema)
    schema.add_argument("section", nargs="?", help="for example optimizer; sweep for sweeps")
    schema.add_argument("--write", action="store_true", help="write all to conf/.schema/")
    configured("doctor", "check versions, devices, data, disk and the store", stages.run_doctor)
    verb("sync", "deliver what a tracking server that was down has missed", stages.run_sync)
    return parser


def _add_runs(verb: Verb) -> None:
    """Adds what reads MLflow: compare, runs, reproduce, register and promote."""
    compare = verb("compare", "compare runs on the same test examples", runs.run_compare)
    compare.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="ids or names, the first is what the others are measured against; none: the latest "
        "runs of this experiment",
    )
    compare.add_argument("--metric", help="decides the verdict; default the task's own choice")
    compare.add_argument("--html", type=Path, metavar="FILE", help="also write a report")
    listed = verb("runs", "the latest runs, or where one came from: runs show RUN", runs.run_runs)
    listed.usage = "python -m pipeline runs\n       python -m pipeline runs show RUN"
    listed.add_argument("words", nargs="*", metavar="show RUN", help="one run in detail")
    reproduce = verb(
        "reproduce", "run again what made a run, and say whether it is equal", runs.run_reproduce
    )
    reproduce.add_argument("run_word", metavar="RUN", help="id or name")
    register = verb(
        "register", "make a run's model a version of a registered model", runs.run_register
    )
    register.add_argument("run_word", metavar="RUN", help="id or name")
    register.add_argument("--name", help="the registered model; by default <task>-<data>")
    promote = verb(
        "promote", "make the candidate the champion, if it passes the gate", runs.run_promote
    )
    promote.add_argument(
        "words",
        nargs="*",
        metavar="MODEL",
        help="the registered model, if there are several; then overrides such as gate=serving",
    )
    promote.add_argument(
        "--version",
        type=int,
        metavar="N",
        help="this version, not the candidate; also the way back",
    )
