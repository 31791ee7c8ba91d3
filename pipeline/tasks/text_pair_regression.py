"""Text pair regression: a number for two texts, such as how alike they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from pipeline.tasks.base import Arrays, Column
from pipeline.tasks.regression import TARGET, Regression
from pipeline.tasks.text_pairs import PAIR, TextPairs, padded_types

if TYPE_CHECKING:
    from pipeline.tasks.processor import Processor


class TextPairRegression(TextPairs, Regression):
    """One number for each pair of texts; all else is as in regression."""

    name: ClassVar[str] = "text_pair_regression"
    columns: tuple[Column, ...] = (*PAIR, TARGET)

    def encode(
        self,
        rows: pa.Table,
        processor: Processor,
        label_names: Sequence[str],  # noqa: ARG002
        *,
        max_length: int,
    ) -> pa.Table:
        """Adds token ids and types, and `labels` (float64) where rows have `target`."""
        encoded = self._encoded_pairs(rows, processor, max_length)
        if TARGET.name in rows.column_names:
            encoded = encoded.append_column("labels", rows[TARGET.name].cast(pa.float64()))
        return encoded

    def collate(self, rows: pa.Table, *, pad_token_id: int, pad_to_multiple_of: int) -> Arrays:
        """What regression gives, and `token_type_ids` where there are any."""
        batch = Regression.collate(
            self, rows, pad_token_id=pad_token_id, pad_to_multiple_of=pad_to_multiple_of
        )
        return {**batch, **padded_types(rows, pad_to_multiple_of)}
