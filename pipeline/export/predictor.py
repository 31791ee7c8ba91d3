"""Texts to predictions: the steps of prepare, a model of any runtime, and the task's decoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.batching import plan_batches
from pipeline.data.cleaning.clean import make_step
from pipeline.data.preprocessing import Preprocessing
from pipeline.export.origins import TracedText, trace
from pipeline.tasks.base import FloatArray, Task

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from pipeline.data.cleaning.step import AlignedStep

MAX_TOKENS = 4_096
"""Most tokens of a batch, padding included."""


@dataclass(frozen=True)
class Predictor:
    """A model with all that surrounds it.

    Attributes:
        task: Encodes and decodes.
        label_names: Names by label id.
        tokenizer: Tokenises.
        preprocessing: What texts go through before they are encoded.
        forward: The logits of encoded rows.
    """

    task: Task
    label_names: tuple[str, ...]
    tokenizer: PreTrainedTokenizerFast
    preprocessing: Preprocessing
    forward: Callable[[pa.Table], FloatArray]

    def predict(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Predicts for texts, in batches of similar length.

        Args:
            texts: Raw texts.

        Returns:
            For each text, in order, what can be written as JSON. Of a classifier: `text`,
            `prediction` (a label name), `score` and `scores` (probabilities by label name). Of any
            other task: `text` and the columns of its predictions, where spans carry their own
            `text` and their places count characters of the text as it was given. A text without a
            word has nulls in place of a prediction.
        """
        if self.task.classification_scores:
            cleaned = self.preprocessing.clean(texts)
            found = self._decoded(cleaned)
            return [
                {"text": text, **self._labelled(row)}
                for text, row in zip(texts, found, strict=True)
            ]
        steps = [step for step in map(make_step, self.preprocessing.cleaning) if step is not None]
        traced = [trace(text, cast("list[AlignedStep]", steps)) for text in texts]
        found = self._decoded([origin.text for origin in traced])
        return [
            {"text": text, **self._placed(row, text, origin)}
            for text, row, origin in zip(texts, found, traced, strict=True)
        ]

    def _labelled(self, row: dict[str, Any] | None) -> dict[str, Any]:
        if row is None:
            return {"prediction": None, "score": None, "scores": None}
        scores = dict(zip(self.label_names, row["scores"], strict=True))
        return {"prediction": row["prediction"], "score": row["score"], "scores": scores}

    def _placed(self, row: dict[str, Any] | None, text: str, origin: TracedText) -> dict[str, Any]:
        if row is None:
            return {name: None for name in self.task.required_columns if name != "text"}
        return {name: _in_given_text(value, text, origin) for name, value in row.items()}

    def _decoded(self, texts: Sequence[str]) -> list[dict[str, Any] | None]:
        """The task's predictions for cleaned texts; None for one without a word."""
        full = [number for number, text in enumerate(texts) if text and not text.isspace()]
        found: list[dict[str, Any] | None] = [None] * len(texts)
        if not full:
            return found
        rows = pa.table({"text": pa.array([texts[number] for number in full], pa.string())})
        encoded = self.task.encode(
            rows, self.tokenizer, self.label_names, max_length=self.preprocessing.max_length
        )
        for name in encoded.column_names:
            rows = rows.append_column(encoded.schema.field(name), encoded[name])
        plan = plan_batches(
            pc.list_value_length(rows["input_ids"]).to_numpy(),
            max_tokens=MAX_TOKENS,
            max_examples=None,
            shuffle=False,
        )
        for places in plan:
            batch = rows.take(pa.array(places)).combine_chunks()
            decoded = self.task.decode(self.forward(batch), batch, self.label_names)
            for place, row in zip(places.tolist(), decoded.to_pylist(), strict=True):
                found[full[place]] = row
        return found


def _in_given_text(value: Any, text: str, origin: TracedText) -> Any:
    """A list of spans with places in the given text, and that part of it; else the value."""
    if not isinstance(value, list):
        return value
    placed = []
    for entry in value:
        if isinstance(entry, dict) and {"start", "end"} <= entry.keys():
            start, end = origin.span(entry["start"], entry["end"])
            entry = {"text": text[start:end], **entry, "start": start, "end": end}  # noqa: PLW2901
        placed.append(entry)
    return placed
