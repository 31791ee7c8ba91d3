"""The verb sweep and its actions."""

from __future__ import annotations

import argparse

from pipeline.errors import UserError

SWEEP_ACTIONS = ("status", "report", "promote")
SWEEP_FLAGS = {
    "watch": "status",
    "trial": "promote",
    "experiment": "promote",
    "overwrite": "promote",
    "allow_dirty": "promote",
    "allow_foreign": "promote",
}


def add_sweep(sweep: argparse.ArgumentParser) -> None:
    """Adds the arguments of all actions."""
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


def run_sweep_verb(options: argparse.Namespace) -> None:
    """Runs a sweep, or one of its actions."""
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
