"""Verbs that read the tracked runs: compare, runs, reproduce, register, promote."""

from __future__ import annotations

import argparse

from pipeline.errors import UserError


def run_compare(options: argparse.Namespace) -> int:
    """Compares runs on the same test examples."""
    from pipeline.artifacts import project_root
    from pipeline.comparison.command import run_compare as compare

    return compare(options.runs, metric=options.metric, html=options.html, root=project_root())


def run_runs(options: argparse.Namespace) -> None:
    """Lists the latest runs, or shows one."""
    from pipeline.artifacts import project_root

    root = project_root()
    words = list(options.words)
    if not words:
        from pipeline.lineage.listing import list_runs

        list_runs(root)
    elif words[0] == "show" and len(words) == 2:
        from pipeline.lineage.show import show_run

        show_run(words[1], root)
    else:
        raise UserError(
            f"`runs` takes nothing, or `show` and one run; got {' '.join(words)!r}",
            remedy="write `python -m pipeline runs` for a list with the ids, then "
            "`python -m pipeline runs show ID`",
        )


def run_reproduce(options: argparse.Namespace) -> int:
    """Runs again what made a run."""
    from pipeline.artifacts import project_root
    from pipeline.lineage.reproduce import reproduce

    return reproduce(options.run_word, project_root())


def run_register(options: argparse.Namespace) -> int:
    """Makes a run's model a version of a registered model."""
    from pipeline.artifacts import project_root
    from pipeline.registry.registering import register

    return register(options.run_word, name=options.name, root=project_root())


def run_promote(options: argparse.Namespace) -> int:
    """Makes the candidate the champion, if it passes the gate."""
    from pipeline.artifacts import project_root
    from pipeline.registry.promoting import promote

    names = [word for word in options.words if "=" not in word]
    if len(names) > 1:
        raise UserError(
            f"`promote` takes one registered model, got {' '.join(names)!r}",
            remedy="write `python -m pipeline promote MODEL`, and overrides as key=value",
        )
    return promote(
        names[0] if names else None,
        version=options.version,
        root=project_root(),
        arguments=[word for word in options.words if "=" in word],
    )
