"""What an encoder and its decoder export: a graph each, and how sequences are written with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.tasks.base import ExportSpec
from pipeline.tasks.generation import DECODER_IDS, Search

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

ENCODED = "encoder_last_hidden_state"
"""The encoder's result among a graph's inputs and outputs, `[batch, source, width]`."""

_SAMPLE_ROWS, _SAMPLE_SOURCE, _SAMPLE_TARGET = 3, 5, 4


def encoder_decoder_spec(model: PreTrainedModel, search: Search) -> ExportSpec:
    """The two graphs of a model that reads tokens and writes tokens.

    The decoder reads all tokens so far each time: it keeps no keys and values.

    Args:
        model: In evaluation mode.
        search: How it writes.
    """
    source, target = {0: "batch", 1: "source"}, {0: "batch", 1: "target"}
    config: Any = model.config
    mask = np.ones((_SAMPLE_ROWS, _SAMPLE_SOURCE), np.int64)
    mask[1, 3:] = 0
    hidden = np.zeros((_SAMPLE_ROWS, _SAMPLE_SOURCE, config.hidden_size), np.float32)
    begun = np.zeros((_SAMPLE_ROWS, _SAMPLE_TARGET), np.int64)
    encoder = ExportSpec(
        inputs=("input_ids", "attention_mask"),
        outputs=(ENCODED,),
        dynamic_axes={"input_ids": source, "attention_mask": source},
        samples={"input_ids": np.ones_like(mask), "attention_mask": mask},
        part=_encoder,
    )
    return ExportSpec(
        inputs=(DECODER_IDS, ENCODED, "attention_mask"),
        outputs=("logits",),
        dynamic_axes={DECODER_IDS: target, ENCODED: source, "attention_mask": source},
        samples={DECODER_IDS: begun, ENCODED: hidden, "attention_mask": mask},
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

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
            found = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
            return {ENCODED: found.last_hidden_state}

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
            attention_mask: Tensor,
        ) -> dict[str, Tensor]:
            found = self.model(
                encoder_outputs=BaseModelOutput(last_hidden_state=encoder_last_hidden_state),
                attention_mask=attention_mask,
                decoder_input_ids=decoder_input_ids,
                use_cache=False,
            )
            return {"logits": found.logits}

    return Decoder()
