"""How the inputs of a row become numbers, apart from what is to be found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import pyarrow as pa

from pipeline.tasks.base import Task
from pipeline.tasks.batch_encoding import encode_texts
from pipeline.tasks.columns import input_columns, pad_text, require_columns

if TYPE_CHECKING:
    from pipeline.tasks.processor import Processor


class TextInputs(Task):
    """Reads one text, the column `text`; a task of other inputs replaces both methods."""

    def encode_inputs(self, rows: pa.Table, processor: Processor, max_length: int) -> pa.Table:
        """The columns of `encode` that need no target, `[rows]`."""
        require_columns(rows, input_columns(self.columns), needed_by=self.name)
        return encode_texts(processor.tokenizer, rows["text"], max_length=max_length)

    def collate_inputs(
        self, rows: pa.Table, pad_token_id: int, pad_to_multiple_of: int
    ) -> dict[str, npt.NDArray[Any]]:
        """The arrays of `collate` that need no target; `[batch, length]` each."""
        return pad_text(rows, pad_token_id, pad_to_multiple_of)
