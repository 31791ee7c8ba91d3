"""Text pair classification: one label for two texts, such as whether one follows from the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa

from pipeline.tasks.base import LABEL, Arrays, Column
from pipeline.tasks.columns import label_ids
from pipeline.tasks.text_classification import TextClassification
from pipeline.tasks.text_pairs import PAIR, TextPairs, padded_types

if TYPE_CHECKING:
    from pipeline.tasks.processor import Processor


class TextPairClassification(TextPairs, TextClassification):
    """One label for each pair of texts; all else is as in text classification.

    Entailment, paraphrases, whether an answer answers a question.
    """

    name: ClassVar[str] = "text_pair_classification"
    columns: tuple[Column, ...] = (*PAIR, LABEL)

    def encode(
        self,
        rows: pa.Table,
        processor: Processor,
        label_names: Sequence[str],
        *,
        max_length: int,
    ) -> pa.Table:
        """Adds token ids and types, and `labels` (int64) where rows have the column `label`."""
        encoded = self._encoded_pairs(rows, processor, max_length)
        if LABEL.name in rows.column_names:
            encoded = encoded.append_column("labels", pa.array(label_ids(rows, label_names)))
        return encoded

    def collate(self, rows: pa.Table, *, pad_token_id: int, pad_to_multiple_of: int) -> Arrays:
        """What text classification gives, and `token_type_ids` where there are any."""
        batch = TextClassification.collate(
            self, rows, pad_token_id=pad_token_id, pad_to_multiple_of=pad_to_multiple_of
        )
        return {**batch, **padded_types(rows, pad_to_multiple_of)}
