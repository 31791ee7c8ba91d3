"""Batches and results between numpy and torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipeline.tasks.base import Arrays, Batch, Tensors


def to_tensors(arrays: Arrays) -> Batch:
    """Arrays as tensors that share their memory."""
    import torch

    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def to_arrays(tensors: Tensors) -> Arrays:
    """Tensors of any device as arrays; floating ones in float64."""
    found = {}
    for name, tensor in tensors.items():
        here = tensor.detach().cpu()
        found[name] = here.double().numpy() if here.is_floating_point() else here.numpy()
    return found
