"""What a simple model is."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from pipeline.evaluation.context import Context

Baseline = Callable[[pa.Table], pa.Table]
"""Predicts rows from their inputs, and their column `text`: a table as `Task.decode` gives it."""

Fit = Callable[[pa.Table, Context], Baseline | None]
"""Learns a baseline from the train split: its raw columns, and in `text` all inputs of a row as one
text. None where it does not suit the task."""
