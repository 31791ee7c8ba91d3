"""Inputs to predictions: the steps of prepare, a model of any runtime, and the task's decoding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from pipeline.data.batching import plan_batches
from pipeline.data.cleaning.clean import make_step
from pipeline.data.media_rows import content_of
from pipeline.data.messages import ChatError, asked_chat
from pipeline.data.preprocessing import Preprocessing
from pipeline.data.values import ARROW_TYPES
from pipeline.errors import DataError
from pipeline.export.origins import TracedText, trace
from pipeline.tasks.base import Arrays, Kind, Task
from pipeline.tasks.columns import CONTENT_TYPE, MEDIA_KINDS, input_columns, target_names
from pipeline.tasks.processor import Processor
from pipeline.tasks.served import names_scores

if TYPE_CHECKING:
    from pipeline.data.cleaning.step import AlignedStep

MAX_TOKENS = 4_096
"""Most tokens of a batch, padding included."""
CUT = "cut"
"""What is counted: rows longer than the model reads, whose end was left out."""
_UNCUT = ("num_tokens", "num_frames")
"""Encoded columns that hold lengths before cutting."""

Run = Callable[[Arrays], Arrays]
"""Gives what `Task.decode` reads of what `Task.collate` gives."""


@dataclass(frozen=True)
class Predictor:
    """A model with all that surrounds it.

    Attributes:
        task: Encodes and decodes.
        label_names: Names by label id.
        processor: Turns inputs into numbers.
        preprocessing: What texts go through before they are encoded.
        run: The model.
        tally: How many rows something was done to that their predictions do not show.
    """

    task: Task
    label_names: tuple[str, ...]
    processor: Processor
    preprocessing: Preprocessing
    run: Run
    tally: Counter[str] = field(default_factory=Counter, compare=False)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what is given to predict."""
        return tuple(column.name for column in input_columns(self.task.columns))

    def predict(self, records: Sequence[str | Mapping[str, str | bytes]]) -> list[dict[str, Any]]:
        """Predicts for records, in batches of similar length.

        Args:
            records: For each row its inputs by name, raw texts; a text alone stands for the only
                input. A recording or picture is its path, or its content as bytes; a chat is a
                list of turns as JSON, or a text that is the user's only turn.

        Returns:
            For each record, in order, what can be written as JSON: its inputs as they were given,
            and of a classifier `prediction` (a label name), `score` and `scores` (probabilities by
            label name); of any other task the columns of its predictions, where scores of labels
            stand by name, too, and spans carry their own `text` and their places count characters
            of the text as it was given. A record with a text that has no word has nulls in place of
            a prediction; so has one whose recording or picture cannot be read, and its `error` says
            why. Of a content given as bytes its SHA-256 is repeated.
        """
        given: list[dict[str, Any]] = [
            dict.fromkeys(self.inputs, record)
            if isinstance(record, str)
            else {name: record[name] for name in self.inputs}
            for record in records
        ]
        if any(column.kind == "entities" for column in self.task.columns):
            return self._predict_spans(given)
        values: dict[str, Sequence[Any]] = {}
        errors: dict[int, str] = {}
        for column in input_columns(self.task.columns):
            raw = [record[column.name] for record in given]
            if column.kind in MEDIA_KINDS:
                values[column.name] = _contents(raw, column.kind, errors)
            elif column.kind == "messages":
                values[column.name] = _chats(raw, column.name, errors)
            else:
                values[column.name] = self.preprocessing.clean(raw)
        shown = self._labelled if self.task.classification_scores else self._plain
        found = self._decoded(values, len(given))
        return [
            {**_repeated(record), **shown(row), **({"error": errors[i]} if i in errors else {})}
            for i, (record, row) in enumerate(zip(given, found, strict=True))
        ]

    def _predict_spans(self, given: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
        """Predictions with places in the text as it was given."""
        (name,) = self.inputs
        steps = [step for step in map(make_step, self.preprocessing.cleaning) if step is not None]
        traced = [trace(record[name], cast("list[AlignedStep]", steps)) for record in given]
        found = self._decoded({name: [origin.text for origin in traced]}, len(given))
        return [
            {**record, **self._placed(row, record[name], origin)}
            for record, row, origin in zip(given, found, traced, strict=True)
        ]

    def _labelled(self, row: dict[str, Any] | None) -> dict[str, Any]:
        if row is None:
            return {"prediction": None, "score": None, "scores": None}
        scores = dict(zip(self.label_names, row["scores"], strict=True))
        return {"prediction": row["prediction"], "score": row["score"], "scores": scores}

    def _plain(self, row: dict[str, Any] | None) -> dict[str, Any]:
        named = names_scores(self.task)
        if row is None:
            return {"prediction": None, "scores": None} if named else {"prediction": None}
        if named:
            return {**row, "scores": dict(zip(self.label_names, row["scores"], strict=True))}
        return row

    def _placed(self, row: dict[str, Any] | None, text: str, origin: TracedText) -> dict[str, Any]:
        if row is None:
            return dict.fromkeys(target_names(self.task.columns))
        return {name: _in_given_text(value, text, origin) for name, value in row.items()}

    def _decoded(
        self, values: Mapping[str, Sequence[Any]], count: int
    ) -> list[dict[str, Any] | None]:
        """The task's predictions for cleaned inputs by name; None where one is missing."""
        full = [row for row in range(count) if all(_is_there(one[row]) for one in values.values())]
        found: list[dict[str, Any] | None] = [None] * count
        if not full:
            return found
        kinds = {column.name: column.kind for column in self.task.columns}
        rows = pa.table(
            {
                name: pa.array(
                    [one[row] for row in full],
                    CONTENT_TYPE if kinds[name] in MEDIA_KINDS else ARROW_TYPES[kinds[name]],
                )
                for name, one in values.items()
            }
        )
        encoded = self.task.encode(
            rows, self.processor, self.label_names, max_length=self.preprocessing.max_length
        )
        for name in set(_UNCUT) & set(encoded.column_names):
            longer = encoded[name].to_numpy() > self.preprocessing.max_length
            self.tally[CUT] += int(longer.sum())
        for name in encoded.column_names:
            rows = rows.append_column(encoded.schema.field(name), encoded[name])
        plan = plan_batches(
            rows["length"].to_numpy(), max_tokens=MAX_TOKENS, max_examples=None, shuffle=False
        )
        for places in plan:
            batch = rows.take(pa.array(places)).combine_chunks()
            arrays = self.task.collate(
                batch, pad_token_id=self.processor.pad_token_id, pad_to_multiple_of=1
            )
            decoded = self.task.decode(self.run(arrays), batch, self.label_names)
            for place, row in zip(places.tolist(), decoded.to_pylist(), strict=True):
                found[full[place]] = row
        return found


def _contents(
    given: Sequence[str | bytes], kind: Kind, errors: dict[int, str]
) -> list[dict[str, Any] | None]:
    """The contents of files; None for one that is bad, of which `errors` says why by row."""
    found: list[dict[str, Any] | None] = []
    for row, value in enumerate(given):
        content = None
        try:
            content = content_of(value, kind, Path()) if value else None
        except DataError as error:
            errors[row] = error.message
        found.append(content)
    return found


def _chats(given: Sequence[Any], name: str, errors: dict[int, str]) -> list[list[dict[str, str]]]:
    """The turns of chats; none for a bad one, of which `errors` says why by row."""
    found: list[list[dict[str, str]]] = []
    for row, value in enumerate(given):
        try:
            found.append(asked_chat(value, name))
        except ChatError as error:
            errors[row] = str(error)
            found.append([])
    return found


def _is_there(value: Any) -> bool:
    return bool(value.strip() if isinstance(value, str) else value)


def _repeated(record: Mapping[str, str | bytes]) -> dict[str, str]:
    return {
        name: f"sha256:{sha256(value).hexdigest()}" if isinstance(value, bytes) else value
        for name, value in record.items()
    }


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
