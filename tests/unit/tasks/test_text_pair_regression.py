from __future__ import annotations

import numpy as np
import pyarrow as pa
import torch

from pipeline.tasks.registry import load_task
from tests.task_contract import HandComputed, TaskContract

torch.set_num_threads(1)


def rated(numbers: list[float]) -> pa.Table:
    return pa.table(
        {
            "id": [str(i) for i in range(len(numbers))],
            "text": ["home team won", "last 球赛", "the team", "in the last"],
            "text_pair": ["the match", "team", "won by home", "minute by home"],
            "target": numbers,
        }
    )


class TestTextPairRegression(TaskContract):
    kind = "text_pair_regression"
    ignored = float("nan")
    nearly = 0.02

    def rows(self) -> pa.Table:
        return rated([1.0, 4.5, 3.0, 0.0])

    def hand_computed(self) -> HandComputed:
        rows = rated([1.0, 2.0, 3.0, 4.0])
        outputs = {"logits": np.array([[2.0], [2], [4], [4]])}
        predictions = load_task(self.kind, {}).decode(outputs, rows, ())
        expected = {"mse": 0.5, "r2": 1 - 0.5 / 1.25, "mae": 0.5}
        return HandComputed(predictions, rows, (), expected, (0.5, 1, 0.5, 1))
