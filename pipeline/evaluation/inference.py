"""Predictions for a whole split: batches of similar length, put back into the split's order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.data.loader import BatchLoader
from pipeline.data.store import EncodedSplit
from pipeline.models.precision import Precision, mixed_precision
from pipeline.tasks.base import Arrays, Batch, Task
from pipeline.tasks.tensors import to_arrays

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Run = Callable[[Batch], Arrays]
"""Gives what `Task.decode` reads of a batch, and what losses are made of, where that is known."""


def torch_run(
    task: Task,
    model: PreTrainedModel,
    device: torch.device | str,
    precision: Precision,
    *,
    with_outputs: bool = False,
) -> Run:
    """Makes a prediction pass that keeps no gradients and no dropout.

    Args:
        task: Says what the forward pass is and what is read of it.
        model: Moved to the device and put in evaluation mode.
        device: Where it runs.
        precision: bf16 computes under autocast; results are float32 before they leave the device.
        with_outputs: Whether to give the forward pass's own results too, which can be large.

    Returns:
        The pass; beside the arrays that `decode` reads it gives `example_losses` where the batch
        has targets.
    """
    import torch

    where = torch.device(device)
    module: torch.nn.Module = model
    module.to(where).eval()

    def run(batch: Batch) -> Arrays:
        tensors = {name: tensor.to(where, non_blocking=True) for name, tensor in batch.items()}
        with torch.inference_mode():
            with mixed_precision(where, precision):
                outputs = task.forward(model, tensors)
                found = dict(task.predict(model, tensors, outputs))
            if with_outputs:
                found = {**outputs, **found}
            if "labels" in batch:
                found[LOSSES] = task.example_losses(outputs, tensors)
        return to_arrays(found)

    return run


LOSSES = "example_losses"
"""The name of each example's loss among the arrays of a pass."""


def predict_split(
    run: Run,
    split: EncodedSplit,
    loader: BatchLoader,
    task: Task,
    label_names: Sequence[str],
    *,
    on_rows: Callable[[int], None] = lambda _: None,
) -> pa.Table:
    """Predicts every row of a split.

    Args:
        run: For example `torch_run` of a model.
        split: The encoded rows; at least one.
        loader: Batches of that split, each row in one of them, in any order.
        task: Decodes.
        label_names: Names by label id.
        on_rows: Told how many further rows are predicted.

    Returns:
        What `task.decode` gives, in the split's order; with the column `loss` (float64, unsmoothed
        and unweighted) where the rows have targets.
    """
    parts: list[pa.Table] = []
    places: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
    for batch in loader:
        index = batch["index"].numpy()
        outputs = run(batch)
        decoded = task.decode(outputs, split.rows(index), label_names)
        if LOSSES in outputs:
            decoded = decoded.append_column("loss", pa.array(outputs[LOSSES], pa.float64()))
        parts.append(decoded)
        places.append(index)
        on_rows(len(index))
    order = np.argsort(np.concatenate(places), kind="stable")
    return pa.concat_tables(parts).take(pa.array(order)).combine_chunks()
