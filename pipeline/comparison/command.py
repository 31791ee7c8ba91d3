"""`python -m pipeline compare`, and the comparison that a gate asks for."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipeline.artifacts import lasting_root, shown
from pipeline.comparison.comparing import Wish, compare
from pipeline.comparison.loading import load_run
from pipeline.comparison.result import Comparison
from pipeline.comparison.selecting import Selection, latest_groups, named_groups
from pipeline.comparison.terminal import print_comparison
from pipeline.config.compose import compose
from pipeline.console import notice
from pipeline.tracking.reading import RunReader, RunRecord


def run_compare(words: Sequence[str], *, metric: str | None, html: Path | None, root: Path) -> int:
    """Compares runs and prints what was found.

    Args:
        words: Runs by id, beginning of an id, name or key; a parent stands for the runs nested in
            it. The first is what the others are measured against. None: the latest runs of the
            configured experiment.
        metric: The metric of the verdict; by default the task's.
        html: Where to write a report too.
        root: The project's root.

    Returns:
        The exit code, 0.

    Raises:
        UserError: If the runs cannot be found or compared.
        EnvironmentProblem: If the store does not answer.
    """
    config = compose([], root)
    reader = RunReader(config.tracking, lasting_root(root))
    if words:
        selection = named_groups(reader, words, root)
    else:
        experiment = config.mlflow_experiment
        selection = latest_groups(reader, experiment, root)
    found = _compare(reader, selection, Wish(metric=metric, curves=html is not None))
    print_comparison(found, hint=html is None)
    if html is not None:
        from pipeline.comparison.report import write_html

        notice(f"report: {shown(write_html(found, html), root)}")
    return 0


def compare_records(
    reader: RunReader,
    reference: Sequence[RunRecord],
    other: Sequence[RunRecord],
    *,
    metric: str | None = None,
    confidence: float | None = None,
) -> Comparison:
    """Compares two groups of runs; without examples, slices, settings, costs and curves.

    Args:
        reader: Reads the store.
        reference: Runs of one configuration, or a single one.
        other: Runs of the other.
        metric: The metric of the verdict; by default the task's.
        confidence: Coverage of the intervals; by default what the reference's config says.

    Returns:
        A comparison of the groups A, the reference, and B, whose `differences` has one entry for
        each metric, that one first.

    Raises:
        UserError: If a run has no test predictions, or they were made for other test data.
        EnvironmentProblem: If the store does not answer.
    """
    selection = Selection((tuple(reference), tuple(other)), ())
    return _compare(reader, selection, Wish(metric, confidence, details=False))


def _compare(reader: RunReader, selection: Selection, wish: Wish) -> Comparison:
    with tempfile.TemporaryDirectory() as scratch:
        runs = [
            [load_run(reader, record, Path(scratch)) for record in group]
            for group in selection.groups
        ]
        return compare(runs, reader, wish, selection.notes)
