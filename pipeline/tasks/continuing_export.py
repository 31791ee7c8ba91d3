"""What a decoder alone exports: one graph that begins texts and continues them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.tasks.base import ExportSpec
from pipeline.tasks.forward import known_inputs
from pipeline.tasks.generation import Search
from pipeline.tasks.key_values import (
    PAST_MASK,
    POSITIONS,
    cache_of,
    empty_past,
    is_kept,
    module_of,
    named,
    past_of,
    succeeds,
)

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

_ROWS, _LENGTH, _PAST = 3, 4, 6
_NEEDED = ("input_ids", "attention_mask", POSITIONS, "past_key_values")


def continuing_spec(model: PreTrainedModel, search: Search, reads: ExportSpec) -> ExportSpec:
    """The graph of a model that continues tokens.

    It takes the keys and values of the tokens before, so that it reads each token once. The graph
    of a model that keeps none, or others than those of all tokens, reads all of them each time.

    Args:
        model: In evaluation mode.
        search: How it writes.
        reads: Tokens and their mask in, logits out.
    """
    whole = replace(reads, search=search.model_dump(mode="json"))
    if known_inputs(model, _NEEDED) != _NEEDED:
        return whole
    samples: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}

    def attempt() -> tuple[Tensor, Tensor]:
        import torch

        ids = (torch.arange(_ROWS * _LENGTH) % 7).view(_ROWS, _LENGTH)
        places = torch.arange(_LENGTH).expand(_ROWS, -1).contiguous()
        lengths = torch.tensor([3, 2, 3])
        mask = (places < lengths[:, None]).long()
        none = {PAST_MASK: mask[:, :0], **_none(model)}
        first = _read(model, ids[:, :-1], mask[:, :-1], places[:, :-1], **none)
        past = {past_of(name): one for name, one in first.items() if is_kept(name, "present")}
        last = {"input_ids": ids[:, -1:], "attention_mask": torch.ones_like(ids[:, -1:])}
        last |= {POSITIONS: lengths[:, None], PAST_MASK: mask[:, :-1]}
        rest = _read(model, **last, **past)
        kept = {PAST_MASK: torch.ones(_ROWS, _PAST).long(), **empty_past(first, _PAST)}
        samples.update({"input_ids": ids, "attention_mask": mask, POSITIONS: places, **kept})
        outputs.update(rest)
        # Row 1 has a gap in its memory, and none where it is read at once.
        ids[1, 2] = ids[1, 3]
        known = lengths.clone() + 1
        plain = model(input_ids=ids, attention_mask=(places < known[:, None]).long()).logits
        return rest["logits"][:, 0], plain[torch.arange(_ROWS), known - 1]

    if not succeeds(attempt):
        return whole
    axes = {name: {0: "batch", 1: "length"} for name in ("input_ids", "attention_mask", POSITIONS)}
    axes[PAST_MASK] = {0: "batch", 1: "past"}
    axes |= {name: {0: "batch", 2: "past"} for name in samples if is_kept(name, "past")}
    return replace(
        whole,
        inputs=tuple(samples),
        outputs=tuple(outputs),
        dynamic_axes=axes,
        samples={name: one.numpy() for name, one in samples.items()},
        part=partial(module_of, forward=_read),
        otherwise=whole,
    )


def _none(model: Any) -> dict[str, Tensor]:
    """An empty memory of as many rows as samples have."""
    import torch
    from transformers.cache_utils import DynamicCache

    ids, cache = torch.zeros(_ROWS, 1, dtype=torch.int64), DynamicCache(config=model.config)
    model(input_ids=ids, past_key_values=cache, use_cache=True)
    return empty_past(named("present", cache))


def _read(
    model: Any,
    input_ids: Tensor,
    attention_mask: Tensor,
    position_ids: Tensor,
    past_mask: Tensor,
    **past: Tensor,
) -> dict[str, Tensor]:
    import torch

    found = model(
        input_ids=input_ids,
        # Two masks, as the exporter would have to prove that one was as long as both together.
        attention_mask=torch.cat([past_mask, attention_mask], dim=1),
        position_ids=position_ids,
        past_key_values=cache_of("past", past),
        use_cache=True,
    )
    return {"logits": found.logits, **named("present", found.past_key_values)}
