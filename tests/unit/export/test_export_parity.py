from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.data.store import EncodedDataset
from pipeline.errors import EnvironmentProblem
from pipeline.evaluation.inference import torch_run
from pipeline.export.parity import Parity, Reference, check_parity, compare, reference_batches
from pipeline.models.saving import load_saved_model
from pipeline.tasks.base import FloatArray
from pipeline.tasks.registry import load_task
from tests.trained import write_stages

torch.set_num_threads(1)

TEXTS = load_task("text_classification", {})
TOKENS = load_task("token_classification", {})


class Fixed:
    """A graph that gives the logits it is told to."""

    def __init__(self, *logits: FloatArray) -> None:
        self._logits = list(logits)

    def run(self, batch: Any) -> dict[str, FloatArray]:
        return {"logits": self._logits.pop(0)}


def reference(logits: FloatArray, mask: list[list[int]]) -> Reference:
    rows = pa.table(
        {
            "text": ["won the match"[: 4 * sum(row)] for row in mask],
            "input_ids": [[1] * sum(row) for row in mask],
            "offsets": [[v for n in range(sum(row)) for v in (4 * n, 4 * n + 3)] for row in mask],
        }
    )
    return Reference(rows, {"attention_mask": np.array(mask)}, {"logits": logits})


def compared(exported: FloatArray, original: FloatArray, **options: Any) -> Parity:
    mask = options.pop("mask", [[1]] * len(original))
    graph: Any = Fixed(exported)
    defaults = {"task": TEXTS, "label_names": ("a", "b")}
    return compare(graph, [reference(original, mask)], **{**defaults, **options})


def test_differences_and_agreement_are_those_of_the_rows() -> None:
    original = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [0.5, 0.4]])
    exported = original + np.array([[0.0, 0.0], [0.0, 0.1], [0.0, 0.0], [0.0, 0.3]])
    parity = compared(exported, original)
    assert parity.rows == 4
    assert parity.max_abs_difference == pytest.approx(0.3)
    assert parity.mean_abs_difference == pytest.approx(0.05)
    assert parity.argmax_agreement == 0.75
    assert parity.prediction_agreement == 0.75


def test_a_single_logit_agrees_by_its_sign() -> None:
    task = load_task("text_classification", {"objective": "sigmoid"})
    parity = compared(np.array([[0.1], [3.0]]), np.array([[-0.1], [1.0]]), task=task)
    assert parity.argmax_agreement == 0.5
    assert parity.prediction_agreement == 0.5


def test_padding_does_not_count() -> None:
    names = ("O", "B-PER", "I-PER")
    original = np.zeros((2, 3, 3))
    original[:, :, 1] = 1.0
    exported = original.copy()
    exported[1, 2] = 99.0
    mask = [[1, 1, 1], [1, 1, 0]]
    parity = compared(exported, original, task=TOKENS, label_names=names, mask=mask)
    assert parity.max_abs_difference == 0.0
    assert parity.argmax_agreement == parity.prediction_agreement == 1.0
    exported[1, 1] = [5.0, 0.0, 0.0]
    parity = compared(exported, original, task=TOKENS, label_names=names, mask=mask)
    assert parity.argmax_agreement == parity.prediction_agreement == 0.5


@pytest.mark.parametrize("difference", [0.002, float("nan"), float("inf")])
def test_a_difference_above_the_tolerance_is_refused(difference: float) -> None:
    parity = Parity(7, difference, 0.0, 1.0, 1.0)
    with pytest.raises(EnvironmentProblem, match=r"7 real rows.*export\.tolerance \(0\.001\)"):
        check_parity(parity, 0.001)
    check_parity(Parity(7, 0.001, 0.0, 1.0, 1.0), 0.001)


def test_references_are_rows_spread_over_the_whole_split(tmp_path: Path) -> None:
    outputs = write_stages(tmp_path)
    split = EncodedDataset.open(outputs.dataset).split("test")
    run = torch_run(TEXTS, load_saved_model(outputs.model), "cpu", "fp32")
    found = reference_batches(run, split, TEXTS, num_rows=7, pad_token_id=0)
    ids = [int(name[1:]) for part in found for name in part.rows["id"].to_pylist()]
    assert len(set(ids)) == 7
    assert {min(ids), max(ids)} == {0, len(split) - 1}
    whole = reference_batches(run, split, TEXTS, num_rows=1000, pad_token_id=0)
    assert sum(part.rows.num_rows for part in whole) == len(split)
    assert all(part.outputs["logits"].shape == (part.rows.num_rows, 2) for part in whole)
