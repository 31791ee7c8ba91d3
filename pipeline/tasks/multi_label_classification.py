"""Multi-label classification: for a text a set of labels, which may be empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from pipeline.config.base import Probability, Section
from pipeline.metrics.multi_label import multi_label_metrics, row_f1
from pipeline.metrics.thresholds import DEFAULT, best_threshold, best_thresholds
from pipeline.tasks.base import (
    IGNORE_INDEX,
    TEXT,
    Arrays,
    Batch,
    Column,
    FloatArray,
    IntArray,
    MetricSpec,
    ModelSource,
    Tensors,
)
from pipeline.tasks.columns import list_values, require_columns
from pipeline.tasks.inputs import TextInputs
from pipeline.tasks.label_sets import (
    BoolArray,
    as_matrix,
    decode_sets,
    encode_sets,
    set_names,
    set_predictions,
)
from pipeline.tasks.probabilities import sigmoid

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from pipeline.tasks.processor import Processor

LABELS = Column("labels", "labels", is_target=True)
_HIGHEST_WEIGHT = 20.0


class Options(Section):
    """What a user may choose."""

    thresholds: Literal["per_label", "shared", "fixed"] = "per_label"
    """From which probability on a label is predicted. per_label: each label's threshold gives it
    the highest F1 on validation, if that is more than chance; otherwise it takes the shared one.
    shared: one for all, with the highest micro F1 on validation. fixed: one half."""
    positive_weights: Literal["balanced", "uniform"] = "balanced"
    """balanced: in the loss of a label, the rows of the train split that have it weigh as much in
    total as those that have not, but one of them at most 20 times as much as one of those. Labels
    are rare mostly, and learned much sooner so; probabilities come out higher than the labels are
    frequent, which thresholds make up for. uniform: all rows weigh the same, and probabilities are
    honest."""
    label_smoothing: Probability = 0.0
    """Share of each target that is taken away and spread evenly over yes and no."""


class MultiLabelClassification(TextInputs):
    """A set of labels for each text, from a sequence-classification model.

    Each label has its own probability and threshold. Metrics on the validation split are a little
    too good where the thresholds were tuned on it; those on the test split are not.
    """

    Options: ClassVar[type[Section]] = Options
    name: ClassVar[str] = "multi_label_classification"
    columns: tuple[Column, ...] = (TEXT, LABELS)
    tunes: ClassVar[bool] = True

    primary_metric = MetricSpec("f1_micro")
    metric_specs = (
        MetricSpec("f1_micro"),
        MetricSpec("f1_macro"),
        MetricSpec("f1_samples"),
        MetricSpec("precision_micro"),
        MetricSpec("recall_micro"),
        MetricSpec("subset_accuracy"),
        MetricSpec("mean_average_precision", test="bootstrap"),
        MetricSpec("log_loss", higher_is_better=False, test="bootstrap"),
    )

    def __init__(self, options: Section) -> None:
        assert isinstance(options, Options)
        self._options = options
        self._positive_weights: tuple[float, ...] | None = None
        self._thresholds: tuple[float, ...] | None = None

    def label_names(self, train: pa.Table, configured: Sequence[str] | None) -> tuple[str, ...]:
        """The sorted labels of the train split, or those configured, in their order."""
        require_columns(train, self.columns, needed_by=self.name)
        return set_names(train, LABELS.name, configured)

    def encode(
        self,
        rows: pa.Table,
        processor: Processor,
        label_names: Sequence[str],
        *,
        max_length: int,
    ) -> pa.Table:
        """Adds token ids, and `multi_hot` (int8, one for each label) where rows have `labels`."""
        encoded = self.encode_inputs(rows, processor, max_length)
        if LABELS.name in rows.column_names:
            encoded = encoded.append_column(
                "multi_hot", encode_sets(rows, LABELS.name, label_names)
            )
        return encoded

    def collate(self, rows: pa.Table, *, pad_token_id: int, pad_to_multiple_of: int) -> Arrays:
        """`input_ids`, `attention_mask` `[batch, length]`; `labels` `[batch, labels]` where known.

        Labels are 0 or 1; those of a row without a set are `IGNORE_INDEX`.
        """
        batch = self.collate_inputs(rows, pad_token_id, pad_to_multiple_of)
        if "multi_hot" in rows.column_names:
            batch["labels"] = decode_sets(rows["multi_hot"], unlabelled=IGNORE_INDEX)
        return batch

    def build_model(self, source: ModelSource, label_names: Sequence[str]) -> PreTrainedModel:
        """A sequence-classification model with one output for each label."""
        return source.load_model(
            "sequence_classification",
            id2label=dict(enumerate(label_names)),
            label2id={name: number for number, name in enumerate(label_names)},
            problem_type="multi_label_classification",
        )

    def fit(self, train: pa.Table, label_names: Sequence[str]) -> None:  # noqa: ARG002
        """Counts the train split's labels where the rows that have them are weighed."""
        if self._options.positive_weights == "balanced":
            hot = decode_sets(train["multi_hot"], unlabelled=IGNORE_INDEX)
            self._positive_weights = _balanced(hot[(hot != IGNORE_INDEX).all(axis=1)])

    def tune(self, predictions: pa.Table, rows: pa.Table, label_names: Sequence[str]) -> pa.Table:
        """Learns the thresholds as the options say, and decides the predictions by them."""
        if self._options.thresholds == "fixed" or not predictions.num_rows:
            return predictions
        scores = _scores(predictions, label_names)
        wanted = as_matrix(rows[LABELS.name], label_names)
        found = (
            np.full(len(label_names), best_threshold(scores.ravel(), wanted.ravel()))
            if self._options.thresholds == "shared"
            else best_thresholds(scores, wanted)
        )
        self._thresholds = tuple(found.tolist())
        decided = set_predictions(scores, found, label_names)
        place = predictions.column_names.index("prediction")
        return predictions.set_column(place, "prediction", decided["prediction"])

    def state(self) -> dict[str, Any]:
        """`thresholds`, one for each label, once they are tuned."""
        return {} if self._thresholds is None else {"thresholds": list(self._thresholds)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes thresholds; without them each is one half."""
        found = state.get("thresholds")
        self._thresholds = None if found is None else tuple(map(float, found))

    def loss(self, outputs: Tensors, batch: Batch) -> Tensor:
        """Binary cross-entropy, smoothed and weighted as the options say.

        The mean over labelled examples and all labels.
        """
        losses = _cell_losses(
            outputs["logits"],
            batch["labels"],
            smoothing=self._options.label_smoothing,
            positive_weights=self._positive_weights,
        )
        return losses.sum() / self.num_targets(batch).clamp(min=1)

    def example_losses(self, outputs: Tensors, batch: Batch) -> Tensor:
        """The mean binary cross-entropy of each example's labels, `[batch]`; 0 without a set."""
        losses = _cell_losses(
            outputs["logits"], batch["labels"], smoothing=0.0, positive_weights=None
        )
        return losses.detach().mean(dim=1)

    def decode(
        self,
        outputs: Arrays,
        rows: pa.Table,  # noqa: ARG002
        label_names: Sequence[str],
    ) -> pa.Table:
        """Predicted sets.

        Returns:
            `prediction` (list<string>, names in the order of their ids, none where no probability
            reaches its threshold) and `scores` (list<float64>, the probability of each label).
        """
        thresholds = np.full(len(label_names), DEFAULT)
        if self._thresholds is not None:
            thresholds = np.array(self._thresholds, np.float64)
        return set_predictions(sigmoid(outputs["logits"]), thresholds, label_names)

    def metrics(
        self,
        predictions: pa.Table,
        rows: pa.Table,
        label_names: Sequence[str],
        weights: IntArray | None = None,
    ) -> dict[str, FloatArray]:
        """Metrics of multi-label classification; see `multi_label_metrics`."""
        references, predicted = self._sets(predictions, rows, label_names)
        scores = _scores(predictions, label_names)
        return multi_label_metrics(references, predicted, scores, label_names, weights)

    def example_scores(
        self, predictions: pa.Table, rows: pa.Table, label_names: Sequence[str]
    ) -> FloatArray:
        """F1 of each row's set, 1 where none is expected and none given; `[rows]`."""
        return row_f1(*self._sets(predictions, rows, label_names))

    def _sets(
        self, predictions: pa.Table, rows: pa.Table, label_names: Sequence[str]
    ) -> tuple[BoolArray, BoolArray]:
        """References and predictions, `[rows, labels]` each."""
        require_columns(rows, (LABELS,), needed_by=self.name)
        return (
            as_matrix(rows[LABELS.name], label_names),
            as_matrix(predictions["prediction"], label_names),
        )


def _scores(predictions: pa.Table, label_names: Sequence[str]) -> FloatArray:
    scores, _ = list_values(predictions["scores"])
    return scores.astype(np.float64).reshape(-1, len(label_names))


def _balanced(hot: IntArray) -> tuple[float, ...]:
    """For each label how many rows without it there are for one with it; 1 where one is missing."""
    positives = hot.sum(axis=0)
    negatives = len(hot) - positives
    decided = (positives > 0) & (negatives > 0)
    weights = np.minimum(negatives / np.maximum(positives, 1), _HIGHEST_WEIGHT)
    return tuple(np.where(decided, weights, 1.0).tolist())


def _cell_losses(
    logits: Tensor,
    labels: Tensor,
    *,
    smoothing: float,
    positive_weights: tuple[float, ...] | None,
) -> Tensor:
    """The loss of each label of each example, `[batch, labels]`, 0 where it is ignored."""
    from torch.nn import functional

    scores = logits.float()
    losses = functional.binary_cross_entropy_with_logits(
        scores,
        labels.clamp(min=0).float() * (1 - smoothing) + smoothing / 2,
        pos_weight=None if positive_weights is None else scores.new_tensor(positive_weights),
        reduction="none",
    )
    return losses * (labels != IGNORE_INDEX)
