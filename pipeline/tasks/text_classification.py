"""Text classification: one label for a text, of two or more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pyarrow as pa

from pipeline.config.base import Probability, Section
from pipeline.errors import ConfigError, Problem
from pipeline.metrics.classification import classification_metrics
from pipeline.tasks.base import (
    IGNORE_INDEX,
    LABEL,
    TEXT,
    Arrays,
    Batch,
    Column,
    FloatArray,
    Head,
    IntArray,
    MetricSpec,
    ModelSource,
    Tensors,
)
from pipeline.tasks.columns import (
    label_ids,
    list_values,
    require_columns,
)
from pipeline.tasks.inputs import TextInputs
from pipeline.tasks.labels import balanced_weights, class_names
from pipeline.tasks.probabilities import softmax

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from pipeline.tasks.processor import Processor


class Options(Section):
    """What a user may choose."""

    objective: Literal["softmax", "sigmoid"] = "softmax"
    """softmax: one logit for each label, cross-entropy. sigmoid: one logit, that of the second of
    two labels, binary cross-entropy."""
    label_smoothing: Probability = 0.0
    """Share of each target that is spread evenly over all labels."""
    class_weights: Literal["uniform", "balanced"] = "uniform"
    """balanced: rare labels weigh more, so that all labels have the same weight in total."""


class TextClassification(TextInputs):
    """One label for each text, from a sequence-classification model.

    A sigmoid model has a single output, and `id2label` of its config names what that output
    means: the positive label. `transformers` then gives the positive label's probability for every
    text; above 0.5 is the prediction. The negative label is `negative_label` in the config.
    """

    Options: ClassVar[type[Section]] = Options
    name: ClassVar[str] = "text_classification"
    columns: tuple[Column, ...] = (TEXT, LABEL)
    classification_scores: ClassVar[bool] = True
    head: ClassVar[Head] = "sequence_classification"
    """Which of transformers' Auto classes; that of a subclass for other inputs is another."""

    primary_metric = MetricSpec("accuracy", test="mcnemar")
    metric_specs: tuple[MetricSpec, ...] = (
        MetricSpec("accuracy", test="mcnemar"),
        MetricSpec("f1_macro"),
        MetricSpec("f1_micro", test="mcnemar"),
        MetricSpec("f1_weighted"),
        MetricSpec("mcc"),
        MetricSpec("roc_auc", test="bootstrap"),
        MetricSpec("average_precision", test="bootstrap"),
        MetricSpec("expected_calibration_error", higher_is_better=False, test="bootstrap"),
        MetricSpec("log_loss", higher_is_better=False, test="bootstrap"),
    )

    def __init__(self, options: Section) -> None:
        assert isinstance(options, Options)
        self._options = options
        self._class_weights: tuple[float, ...] | None = None

    def label_names(self, train: pa.Table, configured: Sequence[str] | None) -> tuple[str, ...]:
        """The sorted labels of the train split, or those configured, in their order."""
        require_columns(train, self.columns, needed_by=self.name)
        names = class_names(train, configured)
        if self._options.objective == "sigmoid" and len(names) != 2:
            raise ConfigError(
                [
                    Problem(
                        "task.options.objective",
                        f"sigmoid decides between two labels, but there are {len(names)}: "
                        f"{', '.join(names[:10])}",
                        remedy="set it to softmax, or make two labels with data.labels.positive",
                    )
                ]
            )
        return names

    def encode(
        self,
        rows: pa.Table,
        processor: Processor,
        label_names: Sequence[str],
        *,
        max_length: int,
    ) -> pa.Table:
        """Adds token ids, and `labels` (int64) where rows have the column `label`."""
        encoded = self.encode_inputs(rows, processor, max_length)
        if "label" in rows.column_names:
            encoded = encoded.append_column("labels", pa.array(label_ids(rows, label_names)))
        return encoded

    def collate(self, rows: pa.Table, *, pad_token_id: int, pad_to_multiple_of: int) -> Arrays:
        """`input_ids`, `attention_mask` `[batch, length]`, and `labels` `[batch]` where known."""
        batch = self.collate_inputs(rows, pad_token_id, pad_to_multiple_of)
        if "labels" in rows.column_names:
            batch["labels"] = rows["labels"].to_numpy().astype(np.int64)
        return batch

    def build_model(self, source: ModelSource, label_names: Sequence[str]) -> PreTrainedModel:
        """A sequence-classification model with one output for each label, or one for sigmoid."""
        if self._options.objective == "sigmoid":
            negative, positive = label_names
            model = source.load_model(
                self.head,
                id2label={0: positive},
                label2id={positive: 0},
                problem_type="multi_label_classification",
            )
            model.config.negative_label = negative
            return model
        return source.load_model(
            self.head,
            id2label=dict(enumerate(label_names)),
            label2id={name: number for number, name in enumerate(label_names)},
            problem_type="single_label_classification",
        )

    def fit(self, train: pa.Table, label_names: Sequence[str]) -> None:
        """Counts the train split's labels where classes are weighed."""
        if self._options.class_weights == "balanced":
            self._class_weights = balanced_weights(
                train["labels"].to_numpy().astype(np.int64), len(label_names)
            )

    def loss(self, outputs: Tensors, batch: Batch) -> Tensor:
        """Cross-entropy, smoothed and weighted as the options say; mean over labelled examples."""
        losses = self._losses(
            outputs["logits"],
            batch["labels"],
            smoothing=self._options.label_smoothing,
            class_weights=self._class_weights,
        )
        return losses.sum() / self.num_targets(batch).clamp(min=1)

    def example_losses(self, outputs: Tensors, batch: Batch) -> Tensor:
        """Plain cross-entropy of each example, `[batch]`; 0 where the label is ignored."""
        logits, labels = outputs["logits"], batch["labels"]
        return self._losses(logits, labels, smoothing=0.0, class_weights=None).detach()

    def _losses(
        self,
        logits: Tensor,
        labels: Tensor,
        *,
        smoothing: float,
        class_weights: tuple[float, ...] | None,
    ) -> Tensor:
        """The loss of each example, `[batch]`, 0 where the label is ignored."""
        from torch.nn import functional

        scores = logits.float()
        weight = None if class_weights is None else scores.new_tensor(class_weights)
        if self._options.objective == "softmax":
            return functional.cross_entropy(
                scores,
                labels,
                weight=weight,
                ignore_index=IGNORE_INDEX,
                reduction="none",
                label_smoothing=smoothing,
            )
        known = labels != IGNORE_INDEX
        targets = labels.clamp(min=0)
        losses = functional.binary_cross_entropy_with_logits(
            scores.squeeze(-1),
            targets.float() * (1 - smoothing) + smoothing / 2,
            weight=None if weight is None else weight[targets],
            reduction="none",
        )
        return losses * known

    def decode(
        self,
        outputs: Arrays,
        rows: pa.Table,  # noqa: ARG002
        label_names: Sequence[str],
    ) -> pa.Table:
        """Predicted labels.

        Returns:
            `prediction` (string, the label's name), `label_id` (int64), `score` (float64, its
            probability) and `scores` (list<float64>, of all labels; they sum to 1).
        """
        logits = outputs["logits"]
        if self._options.objective == "sigmoid":
            logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
        scores = softmax(logits)
        ids = scores.argmax(axis=-1)
        bounds = np.arange(len(scores) + 1, dtype=np.int32) * len(label_names)
        return pa.table(
            {
                "prediction": pa.array(label_names, pa.string()).take(pa.array(ids)),
                "label_id": pa.array(ids, pa.int64()),
                "score": pa.array(scores[np.arange(len(ids)), ids]),
                "scores": pa.ListArray.from_arrays(pa.array(bounds), pa.array(scores.ravel())),
            }
        )

    def metrics(
        self,
        predictions: pa.Table,
        rows: pa.Table,
        label_names: Sequence[str],
        weights: IntArray | None = None,
    ) -> dict[str, FloatArray]:
        """Metrics of single-label classification; see `classification_metrics`."""
        require_columns(rows, (LABEL,), needed_by=self.name)
        scores, _ = list_values(predictions["scores"])
        return classification_metrics(
            label_ids(rows, label_names),
            predictions["label_id"].to_numpy().astype(np.int64),
            scores.reshape(-1, len(label_names)),
            label_names,
            weights,
        )

    def example_scores(
        self, predictions: pa.Table, rows: pa.Table, label_names: Sequence[str]
    ) -> FloatArray:
        """1 for each right label, 0 for each wrong one, `[rows]`."""
        require_columns(rows, (LABEL,), needed_by=self.name)
        predicted: IntArray = predictions["label_id"].to_numpy()
        right: FloatArray = (predicted == label_ids(rows, label_names)).astype(np.float64)
        return right
