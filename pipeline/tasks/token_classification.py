"""Token classification: entities of a text, as tags of its tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.config.base import Probability, Section
from pipeline.errors import DataError
from pipeline.metrics.entities import entity_metrics, row_f1
from pipeline.tasks.base import (
    ENTITIES,
    IGNORE_INDEX,
    TEXT,
    Arrays,
    Batch,
    Column,
    FloatArray,
    IntArray,
    MetricSpec,
    ModelSource,
    Task,
    Tensors,
)
from pipeline.tasks.batch_encoding import encode_texts
from pipeline.tasks.columns import list_values, pad_lists, pad_text, require_columns
from pipeline.tasks.probabilities import softmax
from pipeline.tasks.spans import SpanColumn, check_spans
from pipeline.tasks.tag_decoding import learn_transitions, likeliest_tags
from pipeline.tasks.tagging import Scheme, entity_types, read_entities, tag_names, token_tags

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from pipeline.tasks.processor import Processor


_SMALLEST = 1e-30
"""Below any probability of a softmax that counts; its logarithm is finite."""


class Options(Section):
    """What a user may choose."""

    scheme: Scheme = "bio"
    """Tags of an entity's tokens: bio, or bioes, which also marks the last and the only token."""
    label_smoothing: Probability = 0.0
    """Share of each target that is spread evenly over all tags."""
    transitions: float = Field(default=0.75, ge=0.0)
    """How much it counts which tags follow each other in the train split; 0 takes the likeliest tag
    of each token for itself."""


class TokenClassification(Task):
    """Entities with a start, an end and a type, from a token-classification model.

    References are the character offsets of the column `entities`, not tags: an entity that
    truncation cut away, or whose ends no token has, counts as missed.
    """

    Options: ClassVar[type[Section]] = Options
    name: ClassVar[str] = "token_classification"
    columns: tuple[Column, ...] = (TEXT, ENTITIES)

    primary_metric = MetricSpec("f1")
    metric_specs = (
        MetricSpec("f1"),
        MetricSpec("precision"),
        MetricSpec("recall"),
        MetricSpec("f1_macro"),
    )

    def __init__(self, options: Section) -> None:
        assert isinstance(options, Options)
        self._options = options
        self._gains: FloatArray | None = None

    def label_names(self, train: pa.Table, configured: Sequence[str] | None) -> tuple[str, ...]:
        """O and the tags of each entity type, sorted, or of those configured, in their order."""
        require_columns(train, self.columns, needed_by=self.name)
        spans = SpanColumn(train)
        found = sorted(set(spans.kind.to_pylist()))
        if not found:
            raise DataError(
                "the train split has no entity at all, so there is nothing to learn",
                remedy="check data.columns: `entities` for spans, `tokens` and `tags` for columns",
            )
        types = found if configured is None else list(configured)
        check_spans(train, spans, types)
        return tag_names(types, self._options.scheme)

    def encode(
        self,
        rows: pa.Table,
        processor: Processor,
        label_names: Sequence[str],
        *,
        max_length: int,
    ) -> pa.Table:
        """Adds token ids, `offsets`, and `labels` (list<int32>) where rows have `entities`."""
        require_columns(rows, (TEXT,), needed_by=self.name)
        encoded = encode_texts(
            processor.tokenizer, rows["text"], max_length=max_length, offsets=True
        )
        if "entities" not in rows.column_names:
            return encoded
        types = entity_types(label_names)
        spans = SpanColumn(rows)
        check_spans(rows, spans, types)
        tags = token_tags(spans, encoded["offsets"], types, self._options.scheme)
        return encoded.append_column("labels", tags)

    def collate(self, rows: pa.Table, *, pad_token_id: int, pad_to_multiple_of: int) -> Arrays:
        """`input_ids`, `attention_mask` and, where known, `labels`, each `[batch, length]`."""
        batch = pad_text(rows, pad_token_id, pad_to_multiple_of)
        if "labels" in rows.column_names:
            labels, _ = pad_lists(
                rows["labels"], fill=IGNORE_INDEX, pad_to_multiple_of=pad_to_multiple_of
            )
            batch["labels"] = labels
        return batch

    def build_model(self, source: ModelSource, label_names: Sequence[str]) -> PreTrainedModel:
        """A token-classification model with one output for each tag."""
        return source.load_model(
            "token_classification",
            id2label=dict(enumerate(label_names)),
            label2id={name: number for number, name in enumerate(label_names)},
        )

    def fit(self, train: pa.Table, label_names: Sequence[str]) -> None:
        """Counts which tags follow each other."""
        self._gains = learn_transitions(train["labels"], len(label_names))

    def state(self) -> dict[str, Any]:
        """How much likelier each tag is behind another; see `learn_transitions`."""
        return {} if self._gains is None else {"transitions": self._gains.round(4).tolist()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes what `state` gave."""
        if "transitions" in state:
            self._gains = np.array(state["transitions"], np.float64)

    def loss(self, outputs: Tensors, batch: Batch) -> Tensor:
        """Cross-entropy, smoothed as the options say; mean over the batch's labelled tokens."""
        smoothing = self._options.label_smoothing
        losses = _token_losses(outputs["logits"], batch["labels"], smoothing)
        return losses.sum() / self.num_targets(batch).clamp(min=1)

    def example_losses(self, outputs: Tensors, batch: Batch) -> Tensor:
        """Mean cross-entropy of each example's labelled tokens, `[batch]`; 0 without any."""
        losses = _token_losses(outputs["logits"], batch["labels"], 0.0).detach()
        return losses.sum(dim=1) / (batch["labels"] != IGNORE_INDEX).sum(dim=1).clamp(min=1)

    def decode(self, outputs: Arrays, rows: pa.Table, label_names: Sequence[str]) -> pa.Table:
        """Predicted entities.

        Args:
            outputs: `logits` `[rows, length, tags]`, padding included.
            rows: Encoded rows with `text`, `input_ids` and `offsets`.
            label_names: Tags by label id.

        Returns:
            `entities`: list<struct<start: int32, end: int32, type: string, score: float64>>, in
            characters, the end exclusive; the score is the mean probability of its tokens' tags.
        """
        _, mask = pad_lists(rows["input_ids"], fill=0, pad_to_multiple_of=1)
        probabilities = softmax(outputs["logits"][:, : mask.shape[1]][mask.astype(np.bool_)])
        tags = self._tags(probabilities, rows["offsets"])
        scores = probabilities[np.arange(len(tags)), tags]
        entities = read_entities(tags, scores, rows["offsets"], rows["text"], label_names)
        return pa.table({"entities": entities})

    def _tags(self, probabilities: FloatArray, offsets: pa.ChunkedArray) -> IntArray:
        """The tags of all tokens; those without characters have no place in the sequence."""
        tags: IntArray = probabilities.argmax(axis=-1)
        if self._gains is not None and self._options.transitions > 0:
            places, lengths = list_values(offsets)
            real = places[::2] < places[1::2]
            row = np.repeat(np.arange(len(lengths)), lengths // 2)[real]
            tags[real] = likeliest_tags(
                np.log(np.maximum(probabilities[real], _SMALLEST)),
                np.bincount(row, minlength=len(lengths)),
                self._options.transitions * self._gains,
            )
        return tags

    def metrics(
        self,
        predictions: pa.Table,
        rows: pa.Table,
        label_names: Sequence[str],
        weights: IntArray | None = None,
    ) -> dict[str, FloatArray]:
        """Strict entity-level metrics; see `entity_metrics`."""
        types = entity_types(label_names)
        references, predicted = self._entities(predictions, rows, types)
        return entity_metrics(references, predicted, rows.num_rows, types, weights)

    def example_scores(
        self, predictions: pa.Table, rows: pa.Table, label_names: Sequence[str]
    ) -> FloatArray:
        """F1 of each row's entities, 1 where there is none to find and none was found; `[rows]`."""
        references, predicted = self._entities(predictions, rows, entity_types(label_names))
        return row_f1(references, predicted, rows.num_rows)

    def _entities(
        self, predictions: pa.Table, rows: pa.Table, types: Sequence[str]
    ) -> tuple[IntArray, IntArray]:
        """References and predictions: row, start, end and type id, `[entities, 4]` each."""
        require_columns(rows, (ENTITIES,), needed_by=self.name)
        references, predicted = (
            np.stack([spans.row, spans.start, spans.end, spans.type_ids(types)], axis=1)
            for spans in (SpanColumn(rows), SpanColumn(predictions))
        )
        return references, predicted


def _token_losses(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """The loss of each token, `[batch, length]`, 0 where the label is ignored."""
    from torch.nn import functional

    return functional.cross_entropy(
        logits.float().transpose(1, 2),
        labels,
        ignore_index=IGNORE_INDEX,
        reduction="none",
        label_smoothing=smoothing,
    )
