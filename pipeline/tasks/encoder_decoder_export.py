"""What an encoder and its decoder export: a graph each, and how sequences are written with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.tasks.base import ExportSpec
from pipeline.tasks.encoder_decoder import ENCODED
from pipeline.tasks.generation import DECODER_IDS, Search

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

_SAMPLE_ROWS, _SAMPLE_SOURCE, _SAMPLE_TARGET = 3, 5, 4
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

    The decoder reads all tokens so far each time: it keeps no keys and values.

    Args:
        model: In evaluation mode.
        search: How it writes.
        reads: Inputs of the encoder. A mask among them has one entry for each of its results;
            without one, all of its results count, and their number is always the same.
    """
    encoder = replace(reads, outputs=(ENCODED,), part=_encoder)
    masked = _MASK in reads.inputs
    config: Any = model.config
    steps = _SAMPLE_SOURCE if masked else config.max_source_positions
    hidden = np.zeros((_SAMPLE_ROWS, steps, config.hidden_size), np.float32)
    axes: dict[str, Mapping[int, str]] = {
        DECODER_IDS: {0: "batch", 1: "target"},
        ENCODED: {0: "batch", 1: "source"} if masked else {0: "batch"},
    }
    samples = {DECODER_IDS: np.zeros((_SAMPLE_ROWS, _SAMPLE_TARGET), np.int64), ENCODED: hidden}
    if masked:
        axes[_MASK], samples[_MASK] = reads.dynamic_axes[_MASK], reads.samples[_MASK]
    return ExportSpec(
        inputs=tuple(samples),
        outputs=("logits",),
        dynamic_axes=axes,
        samples=samples,
        part=_decoder,
        before=encoder,
        search=search.model_dump(mode="json"),
    )


def _encoder(model: Any) -> nn.Module:
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = model.get_encoder()

        def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
            return {ENCODED: self.encoder(**inputs).last_hidden_state}

    return Encoder()


def _decoder(model: Any) -> nn.Module:
    from torch import nn
    from transformers.modeling_outputs import BaseModelOutput

    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self,
            decoder_input_ids: Tensor,
            encoder_last_hidden_state: Tensor,
            attention_mask: Tensor | None = None,
        ) -> dict[str, Tensor]:
            found = self.model(
                encoder_outputs=BaseModelOutput(last_hidden_state=encoder_last_hidden_state),
                attention_mask=attention_mask,
                decoder_input_ids=decoder_input_ids,
                use_cache=False,
            )
            return {"logits": found.logits}

    return Decoder()
