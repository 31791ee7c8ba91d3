from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline.training import row_gradients as module
from pipeline.training.row_gradients import row_gradients

torch.set_num_threads(1)


class Toy(nn.Module):
    """A large table, a small one and a projection."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 4, padding_idx=0)
        self.places = nn.Embedding(4, 4)
        self.head = nn.Linear(4, 1)

    def forward(self, ids: Tensor) -> Tensor:
        states = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        result: Tensor = self.head(states).square().mean()
        return result


def train(model: Any, batches: list[list[Tensor]], rows: Any) -> list[float]:
    optimizer: Any = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    norms = []
    for parts in batches:
        for ids in parts:
            model(ids).backward()
        gradients = [
            weight.grad if rows is None else rows.values(weight) for weight in model.parameters()
        ]
        norms.append(torch.nn.utils.get_total_norm(gradients).item())
        optimizer.step()
        if rows is not None:
            rows.clear()
        optimizer.zero_grad()
    return norms


def test_weights_and_norms_are_those_of_dense_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGE", 100)
    generator = torch.Generator().manual_seed(0)
    batches = [
        [torch.randint(0, 50, (3, 4), generator=generator) for _ in range(accumulated)]
        for accumulated in (1, 2, 1, 3)
    ]
    torch.manual_seed(0)
    dense, sparse = Toy(), Toy()
    sparse.load_state_dict(dense.state_dict())
    expected = train(dense, batches, None)
    with row_gradients(sparse) as rows:  # type: ignore[arg-type]
        assert sparse.words.sparse
        assert not sparse.places.sparse
        assert train(sparse, batches, rows) == pytest.approx(expected)
    assert not sparse.words.sparse
    for one, other in zip(dense.parameters(), sparse.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
