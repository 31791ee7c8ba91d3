"""Gradients of large embedding tables, of which a batch touches few rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

_LARGE = 2**20
"""Elements of a table from which the work saved is worth the trouble."""


class RowGradients:
    """Turns gradients of few rows into the dense ones that the optimizer reads, and back to zero.

    The dense gradient is a buffer that stays: filling a fresh one with zeros, and summing its
    squares, costs as much as the optimizer itself. What the optimizer computes is the same.
    """

    def __init__(self) -> None:
        self._buffers: dict[Tensor, Tensor] = {}
        self._touched: list[tuple[Tensor, Tensor]] = []

    def values(self, weight: Tensor) -> Tensor:
        """Makes a weight's gradient dense; returns all of it that can differ from zero."""
        gradient = weight.grad
        assert gradient is not None
        if not gradient.is_sparse:
            return gradient
        gradient = gradient.coalesce()
        rows = gradient.indices()[0]
        buffer = self._buffers.get(weight)
        if buffer is None:
            buffer = self._buffers[weight] = torch.zeros_like(weight)
        buffer[rows] = gradient.values()
        weight.grad = buffer
        self._touched.append((buffer, rows))
        return gradient.values()

    def clear(self) -> None:
        """Zeroes what was touched; the optimizer has read it."""
        for buffer, rows in self._touched:
            buffer[rows] = 0.0
        self._touched.clear()


@contextmanager
def row_gradients(model: PreTrainedModel) -> Iterator[RowGradients]:
    """Lets large embedding tables give gradients of the touched rows alone while the block runs."""
    tables = [
        module
        for module in model.modules()
        if isinstance(module, nn.Embedding)
        and module.weight.numel() >= _LARGE
        and not module.sparse
        and not module.scale_grad_by_freq
    ]
    for table in tables:
        table.sparse = True
    try:
        yield RowGradients()
    finally:
        for table in tables:
            table.sparse = False
