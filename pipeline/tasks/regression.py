"""Regression: a number for a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.base import Positive, Section
from pipeline.errors import DataError
from pipeline.metrics.regression import closeness, regression_metrics
from pipeline.tasks.base import (
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
from pipeline.tasks.columns import number_values, require_columns
from pipeline.tasks.inputs import TextInputs

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from pipeline.tasks.processor import Processor

TARGET = Column("target", "number", is_target=True)


class Options(Section):
    """What a user may choose."""

    loss: Literal["mse", "huber"] = "mse"
    """mse: the squared error. huber: squared up to `delta`, beyond that proportional to the error,
    so that single numbers far off count less (Huber, 1964)."""
    delta: Positive = 1.0
    """Error from which on the loss `huber` is proportional, in standard deviations of the train
    split's numbers."""


class Regression(TextInputs):
    """One number for each text, from a sequence-classification model with one output.

    The model gives standardised numbers: 0 is the mean of the train split, 1 its standard
    deviation. So learning rates are the same for any unit; losses are in these units squared, and
    predictions and metrics in the unit of the data.

    The primary metric is R²: it orders models on the same rows as the squared error does, which is
    what is trained, it sees a wrong scale or offset, which correlations do not, and it can be read
    without knowing the unit: 0 is as good as the mean of these rows, 1 is perfect.
    """

    Options: ClassVar[type[Section]] = Options
    name: ClassVar[str] = "regression"
    columns: tuple[Column, ...] = (TEXT, TARGET)

    primary_metric = MetricSpec("r2")
    metric_specs = (
        MetricSpec("r2"),
        MetricSpec("mse", higher_is_better=False),
        MetricSpec("rmse", higher_is_better=False),
        MetricSpec("mae", higher_is_better=False),
        MetricSpec("pearson", test="bootstrap"),
        MetricSpec("spearman", test="bootstrap"),
    )

    def __init__(self, options: Section) -> None:
        assert isinstance(options, Options)
        self._options = options
        self._mean = 0.0
        self._scale = 1.0

    def label_names(
        self,
        train: pa.Table,
        configured: Sequence[str] | None,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """None: the output is a number.

        Raises:
            DataError: If the train split has no two different numbers.
        """
        require_columns(train, self.columns, needed_by=self.name)
        numbers = pc.unique(train[TARGET.name]).drop_null()
        if len(numbers) < 2:
            only = f"only the number {numbers[0]}" if len(numbers) else "no number at all"
            raise DataError(
                f"the train split has {only}; there is nothing to learn",
                remedy=f"check data.columns.{TARGET.name}",
            )
        return ()

    def encode(
        self,
        rows: pa.Table,
        processor: Processor,
        label_names: Sequence[str],  # noqa: ARG002
        *,
        max_length: int,
    ) -> pa.Table:
        """Adds token ids, and `labels` (float64, in the data's unit) where rows have `target`."""
        encoded = self.encode_inputs(rows, processor, max_length)
        if TARGET.name in rows.column_names:
            numbers = rows[TARGET.name].cast(pa.float64())
            encoded = encoded.append_column("labels", numbers)
        return encoded

    def collate(self, rows: pa.Table, *, pad_token_id: int, pad_to_multiple_of: int) -> Arrays:
        """`input_ids`, `attention_mask` `[batch, length]`, and `labels` `[batch]` where known.

        Labels are float32 and standardised, before which no digit is lost; NaN where there is none.
        """
        batch = self.collate_inputs(rows, pad_token_id, pad_to_multiple_of)
        if "labels" in rows.column_names:
            numbers = (number_values(rows["labels"]) - self._mean) / self._scale
            batch["labels"] = numbers.astype(np.float32)
        return batch

    def build_model(
        self,
        source: ModelSource,
        label_names: Sequence[str],  # noqa: ARG002
    ) -> PreTrainedModel:
        """A sequence-classification model with one output."""
        return source.load_model(
            "sequence_classification",
            id2label={0: TARGET.name},
            label2id={TARGET.name: 0},
            problem_type="regression",
        )

    def fit(self, train: pa.Table, label_names: Sequence[str]) -> None:  # noqa: ARG002
        """Learns mean and standard deviation of the train split's numbers."""
        numbers = number_values(train["labels"])
        numbers = numbers[~np.isnan(numbers)]
        self._mean, self._scale = float(numbers.mean()), float(numbers.std()) or 1.0

    def state(self) -> dict[str, Any]:
        """`mean` and `scale` of the train split's numbers."""
        return {"mean": self._mean, "scale": self._scale}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes mean and scale."""
        self._mean, self._scale = float(state["mean"]), float(state["scale"])

    def num_targets(self, batch: Batch) -> Tensor:
        """How many examples have a number, a scalar."""
        return (~batch["labels"].isnan()).sum()

    def loss(self, outputs: Tensors, batch: Batch) -> Tensor:
        """The mean over examples that have a number of what `example_losses` gives."""
        losses = self._losses(outputs["logits"], batch["labels"])
        return losses.sum() / self.num_targets(batch).clamp(min=1)

    def example_losses(self, outputs: Tensors, batch: Batch) -> Tensor:
        """The squared standardised error of each example, or Huber's loss; 0 without a number."""
        return self._losses(outputs["logits"], batch["labels"]).detach()

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of each example, `[batch]`."""
        from torch.nn import functional

        numbers = logits.float().squeeze(-1)
        known = ~labels.isnan()
        targets = labels.float().where(known, numbers.detach())
        if self._options.loss == "mse":
            return functional.mse_loss(numbers, targets, reduction="none")
        return functional.huber_loss(numbers, targets, reduction="none", delta=self._options.delta)

    def decode(
        self,
        outputs: Arrays,
        rows: pa.Table,  # noqa: ARG002
        label_names: Sequence[str],  # noqa: ARG002
    ) -> pa.Table:
        """Predicted numbers.

        Returns:
            `prediction` (float64, in the data's unit).
        """
        numbers = outputs["logits"][:, 0].astype(np.float64) * self._scale + self._mean
        return pa.table({"prediction": pa.array(numbers, pa.float64())})

    def metrics(
        self,
        predictions: pa.Table,
        rows: pa.Table,
        label_names: Sequence[str],  # noqa: ARG002
        weights: IntArray | None = None,
    ) -> dict[str, FloatArray]:
        """Metrics of numbers in the data's unit; see `regression_metrics`."""
        return regression_metrics(*self._pairs(predictions, rows), weights)

    def example_scores(
        self,
        predictions: pa.Table,
        rows: pa.Table,
        label_names: Sequence[str],  # noqa: ARG002
    ) -> FloatArray:
        """How near each number is, `[rows]`: 1 without error, 1/2 one standard deviation off.

        The standard deviation is that of the train split's numbers; see `closeness`.
        """
        return closeness(*self._pairs(predictions, rows), self._scale)

    def _pairs(self, predictions: pa.Table, rows: pa.Table) -> tuple[FloatArray, FloatArray]:
        """References and predictions, `[rows]` each."""
        require_columns(rows, (TARGET,), needed_by=self.name)
        return number_values(rows[TARGET.name]), number_values(predictions["prediction"])
