"""Texts to predictions: the steps of prepare, a model of any runtime, and the task's decoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.batching import plan_batches
from pipeline.tasks.base import FloatArray, Task

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MAX_TOKENS = 4_096
"""Most tokens of a batch, padding included."""


@dataclass(frozen=True)
class Predictor:
    """A model with all that surrounds it.

    Attributes:
        task: Encodes and decodes.
        label_names: Names by label id.
        tokenizer: Tokenises.
        max_length: Most tokens of a text that are read.
        clean: The cleaning that the training texts had: one text for each text.
        forward: The logits of encoded rows.
    """

    task: Task
    label_names: tuple[str, ...]
    tokenizer: PreTrainedTokenizerFast
    max_length: int
    clean: Callable[[Sequence[str]], list[str]]
    forward: Callable[[pa.Table], FloatArray]

    def predict(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Predicts for texts, in batches of similar length.

        Args:
            texts: Raw texts.

        Returns:
            For each text, in order, what can be written as JSON. Of a classifier: `text`,
            `prediction` (a label name), `score` and `scores` (probabilities by label name). Of any
            other task: `text` and the columns of its predictions; there `text` is cleaned, since
            offsets count its characters, and spans carry their own `text`. A text without a word
            has nulls in place of a prediction.
        """
        cleaned = self.clean(texts)
        full = [number for number, text in enumerate(cleaned) if text and not text.isspace()]
        found = self._decoded([cleaned[number] for number in full])
        shown = texts if self.task.classification_scores else cleaned
        nothing = dict.fromkeys(self._fields())
        records = [{"text": text, **nothing} for text in shown]
        for number, row in zip(full, found, strict=True):
            records[number].update(self._fields_of(row, cleaned[number]))
        return records

    def _decoded(self, texts: list[str]) -> list[dict[str, Any]]:
        if not texts:
            return []
        rows = pa.table({"text": pa.array(texts, pa.string())})
        encoded = self.task.encode(
            rows, self.tokenizer, self.label_names, max_length=self.max_length
        )
        for name in encoded.column_names:
            rows = rows.append_column(encoded.schema.field(name), encoded[name])
        plan = plan_batches(
            pc.list_value_length(rows["input_ids"]).to_numpy(),
            max_tokens=MAX_TOKENS,
            max_examples=None,
            shuffle=False,
        )
        parts = []
        for places in plan:
            batch = rows.take(pa.array(places)).combine_chunks()
            parts.append(self.task.decode(self.forward(batch), batch, self.label_names))
        order = np.argsort(np.concatenate(plan))
        decoded: list[dict[str, Any]] = pa.concat_tables(parts).take(pa.array(order)).to_pylist()
        return decoded

    def _fields(self) -> tuple[str, ...]:
        if self.task.classification_scores:
            return ("prediction", "score", "scores")
        return tuple(name for name in self.task.required_columns if name != "text")

    def _fields_of(self, row: dict[str, Any], text: str) -> dict[str, Any]:
        if not self.task.classification_scores:
            return {name: _with_text(value, text) for name, value in row.items()}
        scores = dict(zip(self.label_names, row["scores"], strict=True))
        return {"prediction": row["prediction"], "score": row["score"], "scores": scores}


def _with_text(value: Any, text: str) -> Any:
    """A list of spans with the text of each; anything else as it is."""
    if not isinstance(value, list):
        return value
    return [
        {"text": text[entry["start"] : entry["end"]], **entry}
        if isinstance(entry, dict) and {"start", "end"} <= entry.keys()
        else entry
        for entry in value
    ]
