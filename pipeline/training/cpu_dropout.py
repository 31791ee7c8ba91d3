"""Dropout and attention for training on a CPU, where torch's own take a third of a step.

Torch draws one random number for each element, one after the other, and with dropout its attention
falls back to products of strided tensors and a softmax in bf16, both slow on a CPU. Here an element
takes 15 random bits of a fast generator and is zeroed by a bit mask; products get contiguous
tensors, and the softmax is in float32. The mathematics is the same, up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from pipeline.models.pretrained import quiet_transformers

_NAME = "pipeline_cpu_sdpa"
_LONG = 128
"""Above so many tokens torch's attention without dropout is as fast; with 16 of them in bf16 its
gradient takes 13 times as long as the one here."""
_BITS = 15
_WHOLE = {torch.bfloat16: torch.int16, torch.float32: torch.int32, torch.float64: torch.int64}
"""The integer type as wide as each floating-point type."""


class KeepMasks:
    """Draws which elements are kept, as bit masks.

    Probabilities are rounded to 1/32768.
    """

    def __init__(self) -> None:
        self.seed(0)

    def seed(self, word: int) -> None:
        """Makes the masks to come depend on this number alone."""
        self._generator = np.random.SFC64(word)

    def draw(self, like: Tensor, dropout: float) -> tuple[Tensor, float]:
        """Draws a mask.

        Args:
            like: Gives the shape and the width of an element.
            dropout: Probability that an element is dropped.

        Returns:
            All bits set where an element is kept, none where it is dropped, and the factor that
            keeps the mean.
        """
        threshold = round(dropout * 2**_BITS)
        words = self._generator.random_raw(-(-like.numel() // 4))
        bits = words.view(np.int16)[: like.numel()]
        np.bitwise_and(bits, 2**_BITS - 1, out=bits)
        np.subtract(threshold - 1, bits, out=bits)
        np.right_shift(bits, _BITS, out=bits)  # the sign bit in all places
        mask = torch.from_numpy(bits).view(like.shape).to(_WHOLE[like.dtype])
        return mask, 2**_BITS / (2**_BITS - threshold)


def _masked(values: Tensor, mask: Tensor) -> Tensor:
    """Values where the mask is set, otherwise zero."""
    return (values.view(mask.dtype) & mask).view(values.dtype)


def _precise(values: Tensor) -> Tensor:
    """Values in float32 at least."""
    return values.float() if values.dtype == torch.bfloat16 else values


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, dropout: float, masks: KeepMasks) -> Tensor:
        mask, ctx.factor = masks.draw(values, dropout)
        ctx.save_for_backward(mask)
        return _masked(values, mask).mul_(ctx.factor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (mask,) = ctx.saved_tensors
        return _masked(gradient.contiguous(), mask).mul_(ctx.factor), None, None


@dataclass(frozen=True)
class _Recipe:
    """What attention needs besides tensors."""

    heads: int
    scaling: float
    dropout: float
    masks: KeepMasks


class _Attention(torch.autograd.Function):
    """softmax(query · key × scaling + bias), dropped, times value.

    Query and result are `[batch × heads, length, size]`, key and value `[batch × heads, source,
    size]`; the bias broadcasts to `[batch, heads, length, source]` or is None.
    """

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd passes all by position
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, recipe: _Recipe
    ) -> Tensor:
        scores = _precise(torch.bmm(query, key.transpose(1, 2))).mul_(recipe.scaling)
        if bias is not None:
            scores.view(-1, recipe.heads, *scores.shape[1:]).add_(bias)
        weights = scores.softmax(-1).to(query.dtype)
        ctx.scaling, ctx.factor = recipe.scaling, 1.0
        if recipe.dropout == 0.0:
            ctx.save_for_backward(query, key, value, weights, None)
            return torch.bmm(weights, value)
        mask, ctx.factor = recipe.masks.draw(weights, recipe.dropout)
        ctx.save_for_backward(query, key, value, weights, mask)
        return torch.bmm(_masked(weights, mask), value).mul_(ctx.factor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, weights, mask = ctx.saved_tensors
        gradient = gradient.contiguous()
        kept = weights
        if mask is not None:
            gradient = gradient * ctx.factor
            kept = _masked(weights, mask)
        for_value = torch.bmm(kept.transpose(1, 2), gradient)
        for_weights = torch.bmm(gradient, value.transpose(1, 2))
        for_weights = _precise(for_weights if mask is None else _masked(for_weights, mask))
        for_scores = torch._softmax_backward_data(
            for_weights, _precise(weights), -1, for_weights.dtype
        ).mul_(ctx.scaling)
        for_scores = for_scores.to(query.dtype)
        for_query = torch.bmm(for_scores, key)
        for_key = torch.bmm(for_scores.transpose(1, 2), query)
        return for_query, for_key, for_value, None, None


def _attention(  # noqa: PLR0917 - the order in which transformers passes them
    masks: KeepMasks,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Transformers' interface of an attention function.

    Torch's own is left in evaluation, where it is as fast (over long texts without dropout), and
    where it alone knows how: heads that share keys or differ from values in size, and causal masks
    of unequal lengths that it makes itself.
    """
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    causal = causal and attention_mask is None
    lengths = query.shape[2], key.shape[2]
    if (
        not (module.training and torch.is_grad_enabled())
        or (dropout == 0.0 and max(lengths) > _LONG)
        or query.shape[:2] != key.shape[:2]
        or query.shape[3] != value.shape[3]
        or (causal and lengths[0] != lengths[1])
        or options.get("position_bias") is not None
    ):
        return sdpa_attention_forward(
            module,
            query,
            key,
            value,
            attention_mask,
            dropout=dropout,
            scaling=scaling,
            is_causal=is_causal,
            **options,
        )
    batch, heads, length, size = query.shape
    mask = attention_mask
    if causal:
        mask = torch.ones(length, length, dtype=torch.bool).tril()
    bias = mask
    if mask is not None and mask.dtype == torch.bool:
        bias = torch.zeros(mask.shape).masked_fill_(~mask, torch.finfo(torch.float32).min)
    result = _Attention.apply(  # type: ignore[no-untyped-call]
        *(part.contiguous().flatten(0, 1) for part in (query, key, value)),
        bias,
        _Recipe(heads, size**-0.5 if scaling is None else scaling, dropout, masks),
    )
    return result.view(batch, heads, length, size).transpose(1, 2), None


@contextmanager
def cpu_dropout(model: PreTrainedModel) -> Iterator[KeepMasks]:
    """Gives a model this module's dropout and attention while the block runs.

    Models of transformers drop elements with `nn.Dropout` or call torch's function themselves, so
    that function is replaced, for the whole process.

    Args:
        model: On the CPU. Attention is replaced where it is transformers' `sdpa`.

    Yields:
        What draws the masks; seed it before each batch.
    """
    masks = KeepMasks()
    torchs = nn.functional.dropout
    attention = model.config._attn_implementation
    try:
        nn.functional.dropout = partial(_dropped, masks)
        if attention == "sdpa":
            AttentionInterface.register(_NAME, partial(_attention, masks))
            AttentionMaskInterface.register(_NAME, sdpa_mask)
            with quiet_transformers():
                model.set_attn_implementation(_NAME)
        yield masks
    finally:
        nn.functional.dropout = torchs
        if attention == "sdpa":
            model.set_attn_implementation(attention)


def _dropped(
    masks: KeepMasks,
    input: Tensor,  # noqa: A002 - as torch's function calls it
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,  # noqa: ARG001
) -> Tensor:
    """`torch.nn.functional.dropout`, never in place."""
    if not training or p == 0.0:
        return input
    result: Tensor = _Dropout.apply(input, p, masks)  # type: ignore[no-untyped-call]
    return result
