"""Which tensors of a batch a model's forward pass takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any


def known_inputs(model: Callable[..., Any], names: Sequence[str]) -> tuple[str, ...]:
    """Those names that a model's forward pass has as parameters.

    A tokenizer may give more than its model reads: DistilBERT has no token types, and a recurrent
    model neither.

    Args:
        model: A model, as it is or compiled, or any function.
        names: What a task would give.

    Returns:
        In order; all names for a forward pass that names none of its parameters.
    """
    body = getattr(model, "_orig_mod", model)
    parameters = _parameters(getattr(type(body), "forward", body))
    return tuple(names) if parameters is None else tuple(n for n in names if n in parameters)


@cache
def _parameters(function: Callable[..., Any]) -> frozenset[str] | None:
    """Names of a function's parameters; None where they are only `*args` and `**kwargs`."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = inspect.signature(function).parameters.values()
    names = frozenset(one.name for one in found if one.kind in named) - {"self"}
    return names or None
