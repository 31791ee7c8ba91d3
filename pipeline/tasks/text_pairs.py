"""What tasks share that read two texts as one sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy.typing as npt
import pyarrow as pa

from pipeline.tasks.base import TEXT, Column, ExportSpec
from pipeline.tasks.columns import input_columns, pad_lists, require_columns
from pipeline.tasks.inputs import TextInputs
from pipeline.tasks.pair_encoding import TOKEN_TYPES, PairTemplate, encode_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pipeline.tasks.processor import Processor

TEXT_PAIR = Column("text_pair", "text")
PAIR = (TEXT, TEXT_PAIR)


class TextPairs(TextInputs):
    """Encodes `text` and `text_pair` as the tokenizer frames two texts; comes before another task.

    Both texts meet in every layer of the model (a cross-encoder), so it can weigh each word of one
    against each of the other.
    """

    model_inputs: ClassVar[tuple[str, ...]] = ("input_ids", "attention_mask", TOKEN_TYPES)
    _typed = True

    def attach(self, processor: Processor) -> None:
        """Asks the tokenizer whether it tells its model which text a token is of."""
        self._typed = PairTemplate.of(processor.tokenizer).typed

    def export_spec(self, model: PreTrainedModel) -> ExportSpec:
        """The graph's inputs; token types only where the tokenizer gives them."""
        spec = super().export_spec(model)
        names = tuple(name for name in spec.inputs if self._typed or name != TOKEN_TYPES)
        return ExportSpec(names, spec.outputs, {name: spec.dynamic_axes[name] for name in names})

    def encode_inputs(self, rows: pa.Table, processor: Processor, max_length: int) -> pa.Table:
        """Token ids of both texts, and token types; see `encode_pairs`."""
        require_columns(rows, input_columns(self.columns), needed_by=self.name)
        return encode_pairs(
            processor.tokenizer, rows["text"], rows["text_pair"], max_length=max_length
        )

    def collate_inputs(
        self, rows: pa.Table, pad_token_id: int, pad_to_multiple_of: int
    ) -> dict[str, npt.NDArray[Any]]:
        """What one text gives, and `token_type_ids` where there are any."""
        batch = super().collate_inputs(rows, pad_token_id, pad_to_multiple_of)
        if TOKEN_TYPES in rows.column_names:
            types, _ = pad_lists(rows[TOKEN_TYPES], fill=0, pad_to_multiple_of=pad_to_multiple_of)
            batch[TOKEN_TYPES] = types
        return batch
