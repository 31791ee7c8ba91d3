"""The tables that DVC draws: every evaluation has each of them.

DVC complains of a file that `dvc.yaml` names and an evaluation lacks, and draws nothing, without a
word, of a table that has only a header. So a chart that does not suit a task is such a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.evaluation.curves import MAX_POINTS
from pipeline.evaluation.tables import write_csv
from pipeline.tasks.base import FloatArray

PICTURES = "plots"
"""The directory of all pictures, in that of the evaluation."""
CONFUSION = "confusion.csv"
PR_CURVE = "pr_curve.csv"
RELIABILITY = "reliability.csv"
NUMBERS = "numbers.csv"
RANKS = "ranks.csv"
SCORES = "scores.csv"
CHARTS: Mapping[str, tuple[str, ...]] = {
    CONFUSION: ("actual", "predicted"),
    PR_CURVE: ("recall", "precision", "threshold"),
    RELIABILITY: ("low", "high", "confidence", "accuracy", "count"),
    NUMBERS: ("actual", "predicted", "error"),
    RANKS: ("place", "share", "by_chance"),
    SCORES: ("share", "score"),
}
"""By file the columns of the tables that `dvc.yaml` names below `outputs/evaluation/`."""


def write_other_charts(directory: Path) -> None:
    """Writes the header alone of each chart that is not there.

    Args:
        directory: The evaluation's, with the charts that suit the task.

    Raises:
        EnvironmentProblem: If the machine refuses.
    """
    for name, columns in CHARTS.items():
        if not (directory / name).exists():
            write_csv(directory / name, pa.table({column: [] for column in columns}))


def score_shares(scores: FloatArray) -> pa.Table:
    """How right the rows are, from the least right one to the most.

    Args:
        scores: Of each row, as `Task.example_scores` gives them, `[rows]`; at least one.

    Returns:
        `share` (of the rows, those up to this one) and `score` (of this one). Of many rows a part,
        evenly spread, that has the first and the last.
    """
    ordered = np.sort(scores)
    count = len(ordered)
    places = np.arange(count)
    if count > MAX_POINTS:
        places = np.linspace(0, count - 1, MAX_POINTS).round().astype(np.int64)
    return pa.table({"share": (places + 1) / count, "score": ordered[places]})
