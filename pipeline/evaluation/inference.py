"""Predictions for a whole split: batches of similar length, put back into the split's order."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa

from pipeline.data.loader import BatchLoader
from pipeline.data.store import EncodedSplit
from pipeline.tasks.base import Batch, FloatArray, Task

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Forward = Callable[[Batch], FloatArray]
"""Gives the logits `[batch, …]` of a batch; PyTorch, ONNX Runtime or anything else."""


def torch_forward(
    model: PreTrainedModel, device: torch.device | str, precision: Literal["fp32", "bf16"]
) -> Forward:
    """Makes a forward pass that keeps no gradients and no dropout.

    Args:
        model: Moved to the device and put in evaluation mode.
        device: Where it runs.
        precision: bf16 computes under autocast; logits are float32 before they leave the device.
    """
    import torch

    where = torch.device(device)
    module: torch.nn.Module = model
    module.to(where).eval()
    inputs = set(inspect.signature(model.forward).parameters) - {"labels"}

    def forward(batch: Batch) -> FloatArray:
        tensors = {
            name: tensor.to(where, non_blocking=True)
            for name, tensor in batch.items()
            if name in inputs
        }
        autocast = torch.autocast(where.type, torch.bfloat16, enabled=precision == "bf16")
        with torch.inference_mode(), autocast:
            logits = model(**tensors).logits
        return logits.float().cpu().numpy().astype(np.float64)  # type: ignore[no-any-return]

    return forward


def predict_split(
    forward: Forward,
    split: EncodedSplit,
    loader: BatchLoader,
    task: Task,
    label_names: Sequence[str],
    *,
    on_rows: Callable[[int], None] = lambda _: None,
) -> pa.Table:
    """Predicts every row of a split.

    Args:
        forward: Gives logits, for example `torch_forward` of a model.
        split: The encoded rows; at least one.
        loader: Batches of that split, each row in one of them, in any order.
        task: Decodes logits and computes losses.
        label_names: Names by label id.
        on_rows: Told how many further rows are predicted.

    Returns:
        What `task.decode` gives, in the split's order; with the column `loss` (float64, unsmoothed
        and unweighted) where the rows have labels.
    """
    import torch

    parts: list[pa.Table] = []
    places: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
    for batch in loader:
        index = batch["index"].numpy()
        logits = forward(batch)
        decoded = task.decode(logits, split.rows(index), label_names)
        if "labels" in batch:
            losses = task.example_losses(torch.from_numpy(logits).float(), batch)
            decoded = decoded.append_column("loss", pa.array(losses.double().numpy()))
        parts.append(decoded)
        places.append(index)
        on_rows(len(index))
    order = np.argsort(np.concatenate(places), kind="stable")
    return pa.concat_tables(parts).take(pa.array(order)).combine_chunks()
