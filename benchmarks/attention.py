"""Compares training's attention without dropout on a CPU with torch's, by the length of texts.

    python benchmarks/attention.py

Both take turns, forwards and backwards, on 2,048 tokens of 4 heads of 64, one thread, a tenth of a
second of processor time at least. Prints milliseconds of processor time and their ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from pipeline.training.cpu_dropout import KeepMasks, _attention

TOKENS, HEADS, SIZE = 2_048, 4, 64
LENGTHS = (8, 16, 32, 64, 128)
SECONDS = 0.1


class _Module(nn.Module):
    """What attention reads of the module that it is called for."""

    is_causal = False


def seconds(attend: Callable[..., Any], parts: list[torch.Tensor], mask: torch.Tensor) -> float:
    """The shortest processor time of one pass forwards and backwards."""
    best, end = float("inf"), time.process_time() + SECONDS
    while time.process_time() < end:
        begin = time.process_time()
        result = attend(_Module(), *parts, mask, dropout=0.0)[0]
        result.backward(torch.ones_like(result))
        best = min(best, time.process_time() - begin)
    return best


def main() -> None:
    """Prints a line for each precision and length."""
    torch.set_num_threads(1)
    masks = KeepMasks()

    def ours(*given: Any, **options: Any) -> Any:
        return _attention(masks, *given, **options)

    for dtype in (torch.bfloat16, torch.float32):
        for length in LENGTHS:
            batch = TOKENS // length
            shape = (batch, HEADS, length, SIZE)
            parts = [torch.randn(shape, dtype=dtype, requires_grad=True) for _ in range(3)]
            mask = torch.ones(batch, 1, length, length, dtype=torch.bool)
            mask[0, :, :, length // 2 :] = False
            rounds = [
                [seconds(way, parts, mask) for way in (sdpa_attention_forward, ours)] for _ in "123"
            ]
            theirs, own = (min(column) * 1_000 for column in zip(*rounds, strict=True))
            print(
                f"{str(dtype).removeprefix('torch.'):8} {length:4} tokens: torch {theirs:6.2f} ms, "
                f"ours {own:6.2f} ms, {theirs / own:5.2f} times"
            )


if __name__ == "__main__":
    main()
