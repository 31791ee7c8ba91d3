"""The keys and values that a decoder keeps of what it has read, as tensors with names.

They are inputs of an exported decoder, `past.<layer>.key` `[batch, heads, past, width]`, none at
first; it gives those of all tokens so far, `present.<layer>.key`. Those of a source, which an
encoder's graph gives once, are `cross.<layer>.key` `[batch, heads, source, width]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor, nn

Kind = Literal["past", "present", "cross"]

PAST_MASK = "past_mask"
"""For a decoder alone, which of the past places are tokens, `[batch, past]`, 1 or 0."""
POSITIONS = "position_ids"
"""For a decoder alone, the places of its tokens in their rows, `[batch, length]`."""

_PARTS = ("key", "value")
_FAILURES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
_TOLERANCE = 1e-3


def is_kept(name: str, kind: Kind) -> bool:
    """Whether a tensor's name is of that kind."""
    return name.startswith(f"{kind}.")


def past_of(name: str) -> str:
    """The input of the next step that a result of this one becomes."""
    return f"past.{name.removeprefix('present.')}"


def named(kind: Kind, cache: Any) -> dict[str, Tensor]:
    """A transformers cache as tensors.

    Raises:
        TypeError: If a layer keeps anything but the keys and values of all tokens.
    """
    from transformers.cache_utils import DynamicLayer

    found: dict[str, Tensor] = {}
    for number, layer in enumerate(cache.layers):
        if type(layer) is not DynamicLayer or layer.keys is None or layer.values is None:
            raise TypeError(f"{type(layer).__name__} does not keep all keys and values")
        found[f"{kind}.{number}.key"] = layer.keys
        found[f"{kind}.{number}.value"] = layer.values
    return found


def cache_of(kind: Kind, tensors: Mapping[str, Tensor]) -> Any:
    """Tensors as a transformers cache, the reverse of `named`."""
    from transformers.cache_utils import DynamicCache, DynamicLayer

    cache = DynamicCache()
    for number in range(sum(is_kept(name, kind) for name in tensors) // len(_PARTS)):
        keys, values = (tensors[f"{kind}.{number}.{part}"] for part in _PARTS)
        layer: Any = DynamicLayer()  # type: ignore[no-untyped-call]
        # Not by `update`, which would join them to an empty tensor in every graph.
        layer.keys, layer.values = keys, values
        layer.dtype, layer.device = keys.dtype, keys.device
        layer.is_initialized = True
        cache.layers.append(layer)
    return cache


def empty_past(present: Mapping[str, Tensor], length: int = 0) -> dict[str, Tensor]:
    """Zeros for so many tokens, for the layers of a decoder's results."""
    return {
        past_of(name): one.new_zeros(one.shape[0], one.shape[1], length, one.shape[3])
        for name, one in present.items()
        if is_kept(name, "present")
    }


def succeeds(attempt: Callable[[], tuple[Tensor, Tensor]]) -> bool:
    """Whether a model with a cache computes what it does without one.

    Args:
        attempt: Gives the logits of both ways; it may fail in any way in which models fail whose
            cache or attention is of another kind.
    """
    import torch

    try:
        with torch.no_grad():
            kept, whole = attempt()
    except _FAILURES:
        return False
    room = _TOLERANCE * max(float(whole.abs().max()), 1.0)
    return bool(((kept - whole).abs() <= room).all())


def module_of(model: nn.Module, forward: Callable[..., dict[str, Tensor]]) -> nn.Module:
    """A module with a model's weights and another forward pass, whose inputs go by name."""
    from torch import nn

    class Part(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
            return forward(self.model, **inputs)

    return Part()
