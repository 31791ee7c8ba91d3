"""Whether an exported model still is the trained one, shown on real rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.data.batching import plan_batches
from pipeline.data.store import EncodedSplit
from pipeline.errors import EnvironmentProblem
from pipeline.export.runtime import OnnxModel
from pipeline.tasks.base import IGNORE_INDEX, Arrays, Batch, FloatArray, IntArray, Task
from pipeline.tasks.tensors import to_tensors

_MAX_TOKENS = 1_024


@dataclass(frozen=True)
class Reference:
    """One batch and what PyTorch makes of it.

    Attributes:
        rows: The encoded rows.
        inputs: Arrays of the batch by name.
        outputs: What `Task.decode` reads, and what else the forward pass gives.
        generates: Whether logits are those of target tokens, which the model wrote one by one.
    """

    rows: pa.Table
    inputs: Arrays
    outputs: Arrays
    generates: bool = False


@dataclass(frozen=True)
class Parity:
    """How far an exported model is from PyTorch in float32; padding is left out.

    Attributes:
        rows: How many rows were compared.
        max_abs_difference: Of the logits.
        mean_abs_difference: Of the logits.
        argmax_agreement: Share of rows whose highest logit (of a single logit, its sign) is the
            same, at every token where the model labels tokens.
        prediction_agreement: Share of rows with the same decoded prediction, scores aside.
    """

    rows: int
    max_abs_difference: float
    mean_abs_difference: float
    argmax_agreement: float
    prediction_agreement: float


def reference_batches(
    run: Callable[[Batch], Arrays],
    split: EncodedSplit,
    task: Task,
    *,
    num_rows: int,
    pad_token_id: int,
) -> list[Reference]:
    """Runs PyTorch on rows spread evenly over a split, in batches of similar length.

    Args:
        run: PyTorch in float32; it gives the forward pass's results too.
        split: At least one row.
        task: Makes batches of rows.
        num_rows: How many rows; a smaller split is taken whole.
        pad_token_id: Fills `input_ids`.
    """
    chosen = np.unique(np.linspace(0, len(split) - 1, min(num_rows, len(split))).astype(np.int64))
    plan = plan_batches(
        split.lengths[chosen], max_tokens=_MAX_TOKENS, max_examples=None, shuffle=False
    )
    references = []
    for places in plan:
        rows = split.rows(chosen[places])
        inputs = task.collate(rows, pad_token_id=pad_token_id, pad_to_multiple_of=1)
        references.append(Reference(rows, inputs, run(to_tensors(inputs)), task.generates))
    return references


def compare(
    model: OnnxModel, references: Sequence[Reference], task: Task, label_names: Sequence[str]
) -> Parity:
    """Runs an exported model on the same batches."""
    differences: list[FloatArray] = []
    choices: list[npt.NDArray[np.bool_]] = []
    decoded: list[bool] = []
    for reference in references:
        outputs = model.run(reference.inputs)
        logits, wanted = outputs["logits"], reference.outputs["logits"]
        kept = _kept(reference)
        differences.append(np.abs(logits - wanted)[kept].ravel())
        same = (_choice(logits) == _choice(wanted)) | ~kept
        choices.append(same.reshape(len(same), -1).all(axis=1))
        ours = task.decode(outputs, reference.rows, label_names).to_pylist()
        theirs = task.decode(reference.outputs, reference.rows, label_names).to_pylist()
        decoded.extend(
            _without_numbers(a) == _without_numbers(b) for a, b in zip(ours, theirs, strict=True)
        )
    difference = np.concatenate(differences)
    return Parity(
        rows=len(decoded),
        max_abs_difference=float(difference.max()),
        mean_abs_difference=float(difference.mean()),
        argmax_agreement=float(np.concatenate(choices).mean()),
        prediction_agreement=float(np.mean(decoded)),
    )


def check_parity(parity: Parity, tolerance: float) -> None:
    """Refuses an exported float32 model that is not the trained one.

    Raises:
        EnvironmentProblem: If a logit differs by more than the tolerance, or is not a number.
    """
    if not parity.max_abs_difference <= tolerance:
        raise EnvironmentProblem(
            f"the exported model is not the trained one: on {parity.rows} real rows its logits "
            f"differ from PyTorch's by up to {parity.max_abs_difference:.2g}, more than "
            f"export.tolerance ({tolerance:g})",
            remedy="choose another export.opset, or raise export.tolerance if that is near enough",
        )


def _kept(reference: Reference) -> npt.NDArray[np.bool_]:
    """Which logit vectors are no padding: `[batch]`, or `[batch, length]` for token labels."""
    places = reference.outputs["logits"].shape[:-1]
    labels = reference.inputs.get("labels")
    if reference.generates and labels is not None:
        return np.asarray(labels != IGNORE_INDEX, np.bool_)
    mask = reference.inputs.get("attention_mask")
    if mask is None or places != mask.shape:
        return np.ones(places, bool)
    return mask.astype(bool)


def _choice(logits: FloatArray) -> IntArray:
    """The label id of each logit vector."""
    if logits.shape[-1] == 1:
        return np.asarray(logits[..., 0] > 0, np.int64)
    return np.asarray(logits.argmax(axis=-1), np.int64)


def _without_numbers(value: Any) -> Any:
    """A decoded prediction without its scores, at any depth."""
    if isinstance(value, dict):
        return {key: _without_numbers(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_numbers(entry) for entry in value]
    return None if isinstance(value, float) else value
