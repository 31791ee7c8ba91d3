"""What an encoder and its decoder export: a graph each, and how sequences are written with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.tasks.base import Arrays, ExportSpec
from pipeline.tasks.encoder_decoder import ENCODED
from pipeline.tasks.forward import known_inputs
from pipeline.tasks.generation import DECODER_IDS, Search
from pipeline.tasks.key_values import (
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

_SAMPLE_ROWS, _SAMPLE_SOURCE, _SAMPLE_TARGET, _SAMPLE_PAST = 3, 5, 4, 6
_MASK = "attention_mask"


def token_inputs() -> ExportSpec:
    """What an encoder of tokens reads."""
    source = {0: "batch", 1: "source"}
    mask = np.ones((_SAMPLE_ROWS, _SAMPLE_SOURCE), np.int64)
    mask[1, 3:] = 0
    return ExportSpec(
        inputs=("input_ids", _MASK),
        outputs=(ENCODED,),
        dynamic_axes={"input_ids": source, _MASK: source},
        samples={"input_ids": np.ones_like(mask), _MASK: mask},
    )


def encoder_decoder_spec(model: PreTrainedModel, search: Search, reads: ExportSpec) -> ExportSpec:
    """The two graphs of a model that writes tokens.

    The encoder's gives each decoder layer's keys and values of the source; the decoder's takes
    those and its own of the tokens before, so that it reads each token once. Of a model that keeps
    none, or others than those of all tokens, the decoder reads all tokens so far each time.

    Args:
        model: In evaluation mode.
        search: How it writes.
        reads: Inputs of the encoder. A mask among them has one entry for each of its results;
            without one, all of its results count, and their number is always the same.
    """
    whole = _whole_spec(model, search, reads)
    return _keeping_spec(model, whole, reads) or whole


def _whole_spec(model: PreTrainedModel, search: Search, reads: ExportSpec) -> ExportSpec:
    """Graphs without memory."""
    masked = _MASK in reads.inputs
    config: Any = model.config
    steps = _SAMPLE_SOURCE if masked else config.max_source_positions
    axes: dict[str, Mapping[int, str]] = {
        DECODER_IDS: {0: "batch", 1: "target"},
        ENCODED: {0: "batch", 1: "source"} if masked else {0: "batch"},
    }
    samples = {
        DECODER_IDS: np.zeros((_SAMPLE_ROWS, _SAMPLE_TARGET), np.int64),
        ENCODED: np.zeros((_SAMPLE_ROWS, steps, config.hidden_size), np.float32),
    }
    if masked:
        axes[_MASK], samples[_MASK] = reads.dynamic_axes[_MASK], reads.samples[_MASK]
    return ExportSpec(
        inputs=tuple(samples),
        outputs=("logits",),
        dynamic_axes=axes,
        samples=samples,
        part=partial(module_of, forward=_decode),
        before=replace(reads, outputs=(ENCODED,), part=partial(module_of, forward=_encode)),
        search=search.model_dump(mode="json"),
    )


def _keeping_spec(
    model: PreTrainedModel, whole: ExportSpec, reads: ExportSpec
) -> ExportSpec | None:
    """Graphs that keep keys and values, of a model that writes the same with them."""
    if not known_inputs(model, ("past_key_values",)):
        return None
    samples: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}

    def attempt() -> tuple[Tensor, Tensor]:
        given = _tensors({name: reads.samples[name] for name in reads.inputs})
        mask = {name: given[name] for name in (_MASK,) if name in given}
        ids = _tensors(whole.samples)[DECODER_IDS]
        crossed = _encode_keys(model, **given)
        none = empty_past({n.replace("cross", "present"): t for n, t in crossed.items()})
        first = _decode_kept(model, **{DECODER_IDS: ids[:, :2]}, **mask, **crossed, **none)
        past = {past_of(n): t for n, t in first.items() if is_kept(n, "present")}
        rest = _decode_kept(model, **{DECODER_IDS: ids[:, 2:]}, **mask, **crossed, **past)
        outputs.update(rest)
        samples.update({DECODER_IDS: ids, **mask, **empty_past(first, _SAMPLE_PAST), **crossed})
        plain = _decode(model, ids, _encode(model, **given)[ENCODED], **mask)["logits"]
        return rest["logits"], plain[:, 2:]

    if not succeeds(attempt):
        return None
    axes = {name: whole.dynamic_axes[name] for name in samples if name in whole.dynamic_axes}
    axes |= {name: {0: "batch", 2: "past"} for name in samples if is_kept(name, "past")}
    source = {0: "batch", 2: "source"} if _MASK in samples else {0: "batch"}
    crossed = tuple(name for name in samples if is_kept(name, "cross"))
    return replace(
        whole,
        inputs=tuple(samples),
        outputs=tuple(outputs),
        dynamic_axes=axes | dict.fromkeys(crossed, source),
        samples={name: one.numpy() for name, one in samples.items()},
        part=partial(module_of, forward=_decode_kept),
        before=replace(reads, outputs=crossed, part=partial(module_of, forward=_encode_keys)),
        otherwise=whole,
    )


def _tensors(arrays: Arrays) -> dict[str, Tensor]:
    import torch

    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _encode(model: Any, **inputs: Tensor) -> dict[str, Tensor]:
    return {ENCODED: model.get_encoder()(**inputs).last_hidden_state}


def _encode_keys(model: Any, **inputs: Tensor) -> dict[str, Tensor]:
    """Keys and values of a source: what a decoder keeps of it, whatever its first token is."""
    from transformers.cache_utils import DynamicCache, EncoderDecoderCache
    from transformers.modeling_outputs import BaseModelOutput

    hidden = _encode(model, **inputs)[ENCODED]
    cache = EncoderDecoderCache(
        DynamicCache(config=model.config), DynamicCache(config=model.config)
    )
    model(
        encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
        attention_mask=inputs.get(_MASK),
        decoder_input_ids=hidden.new_zeros(hidden.shape[0], 1).long(),
        past_key_values=cache,
        use_cache=True,
    )
    named("present", cache.self_attention_cache)
    return named("cross", cache.cross_attention_cache)


def _decode(
    model: Any,
    decoder_input_ids: Tensor,
    encoder_last_hidden_state: Tensor,
    attention_mask: Tensor | None = None,
) -> dict[str, Tensor]:
    from transformers.modeling_outputs import BaseModelOutput

    found = model(
        encoder_outputs=BaseModelOutput(last_hidden_state=encoder_last_hidden_state),
        attention_mask=attention_mask,
        decoder_input_ids=decoder_input_ids,
        use_cache=False,
    )
    return {"logits": found.logits}


def _decode_kept(
    model: Any, decoder_input_ids: Tensor, attention_mask: Tensor | None = None, **kept: Tensor
) -> dict[str, Tensor]:
    from transformers.cache_utils import EncoderDecoderCache
    from transformers.modeling_outputs import BaseModelOutput

    past, cross = cache_of("past", kept), cache_of("cross", kept)
    keys = cross.layers[0].keys
    # Of what the encoder made, only the shape is still needed.
    shape = (keys.shape[0], keys.shape[2], model.config.hidden_size)
    found = model(
        encoder_outputs=BaseModelOutput(last_hidden_state=keys.new_zeros(shape)),
        attention_mask=attention_mask,
        decoder_input_ids=decoder_input_ids,
        past_key_values=EncoderDecoderCache(past, cross),
        use_cache=True,
    )
    present = named("present", found.past_key_values.self_attention_cache)
    return {"logits": found.logits, **present}
