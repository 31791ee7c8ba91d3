"""The contract between a task and the stages; no stage knows which task it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.config.base import Section

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

IGNORE_INDEX = -100
"""Label id that losses and metrics leave out."""

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Batch = dict[str, "Tensor"]
"""Tensors of one batch: the model's inputs, `labels`, and whatever else the loss needs."""

Head = Literal["sequence_classification", "token_classification"]


PairedTest = Literal["mcnemar", "randomisation", "bootstrap"]
"""How two models' values of a metric are compared on the same examples."""


@dataclass(frozen=True)
class MetricSpec:
    """A metric and how its values compare.

    Attributes:
        name: Without the split's prefix.
        higher_is_better: Which way is better.
        test: mcnemar for a share of examples that are right; randomisation for what decisions over
            the whole split determine, such as F1; bootstrap for rankings and calibration.
    """

    name: str
    higher_is_better: bool = True
    test: PairedTest = "randomisation"


class ModelSource(Protocol):
    """What can make a model: a pretrained checkpoint or a from-scratch architecture."""

    def load_model(self, head: Head, **config: Any) -> PreTrainedModel:
        """Makes the model in float32.

        Args:
            head: Which of transformers' Auto classes.
            **config: Entries of the model's config, for example `num_labels`, `id2label`.
        """
        ...


@dataclass(frozen=True)
class ExportSpec:
    """How the model's forward pass is exported.

    Attributes:
        inputs: Names of the model's tensors in order, each `[batch, length]`.
        outputs: Names of the results in order; the first is `logits`.
        dynamic_axes: For each input, axis number to its symbolic name.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dynamic_axes: Mapping[str, Mapping[int, str]]


class Task(Protocol):
    """One kind of fine-tuning: what is read, learned, predicted and measured.

    A table of *rows* has the mapped raw columns (`id`, `text`, and the task's own, such as `label`)
    and, once encoded, the columns that `encode` adds. References are read from rows; predictions
    are a table of their own with one row for each row decoded, in the same order.
    """

    Options: ClassVar[type[Section]]
    """The task's options, the section `task.options` of the config."""
    name: ClassVar[str]
    required_columns: ClassVar[tuple[str, ...]]
    """Mapped columns that a labelled row needs; `text` alone is needed to predict."""
    classification_scores: ClassVar[bool]
    """Whether each row has one `label` and its prediction has `prediction` (a label name), `score`
    (its probability) and `scores` (list<float64>, one for each label name): what confusion
    matrices, curves, calibration and baselines are made of."""

    def __init__(self, options: Section) -> None: ...

    @property
    def primary_metric(self) -> MetricSpec:
        """The metric that selects checkpoints, unless the config names another."""
        ...

    @property
    def metric_specs(self) -> tuple[MetricSpec, ...]:
        """All scalar metrics that `metrics` returns for any label set."""
        ...

    def label_names(self, train: pa.Table, configured: Sequence[str] | None) -> tuple[str, ...]:
        """The names of the model's outputs in the order of their ids, from the train split only.

        Raises:
            UserError: If a label is not among those configured, or fewer than two classes exist.
        """
        ...

    def encode(
        self,
        rows: pa.Table,
        tokenizer: PreTrainedTokenizerFast,
        label_names: Sequence[str],
        *,
        max_length: int,
    ) -> pa.Table:
        """Turns text into token ids, one output row for each input row, in order.

        Returns:
            The columns `input_ids` (list<int32>, at most `max_length`), `num_tokens` (int32, before
            truncation), `num_unknown` (int32), and the task's own, such as `labels`.
            Label columns are left out where rows have no labels.
        """
        ...

    def collate(self, rows: pa.Table, *, pad_token_id: int, pad_to_multiple_of: int) -> Batch:
        """Pads encoded rows to the longest of them (right side) and stacks them.

        Returns:
            `input_ids` and `attention_mask` `[batch, length]` int64, and `labels` where known.
        """
        ...

    def build_model(self, source: ModelSource, label_names: Sequence[str]) -> PreTrainedModel:
        """Makes the model to train, with label names and problem type in its config."""
        ...

    def fit_loss(self, train: pa.Table, label_names: Sequence[str]) -> None:
        """Learns what the loss needs to know of the train split, such as how frequent classes are.

        Called once, before training; the encoded train split alone is seen.
        """
        ...

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The training loss, a scalar in float32: the mean over the batch of what is not ignored.

        Zero, with gradients of zero, where everything is ignored.
        """
        ...

    def example_losses(self, logits: Tensor, batch: Batch) -> Tensor:
        """The unsmoothed, unweighted loss of each example, `[batch]`, float32."""
        ...

    def decode(self, logits: FloatArray, rows: pa.Table, label_names: Sequence[str]) -> pa.Table:
        """What a person would read: predictions for encoded rows.

        Args:
            logits: `[rows, …]` of the batch, padding included.
            rows: The encoded rows, in the batch's order; labels are not looked at.
            label_names: Names by label id.
        """
        ...

    def metrics(
        self,
        predictions: pa.Table,
        rows: pa.Table,
        label_names: Sequence[str],
        weights: IntArray | None = None,
    ) -> dict[str, FloatArray]:
        """Metrics over decoded predictions.

        Args:
            predictions: What `decode` returned, for all rows.
            rows: The same rows with their references.
            label_names: Names by label id.
            weights: How often each row counts, `[samples, rows]`; by default each counts once.

        Returns:
            For each metric one value per sample, `[samples]` (one sample without weights).
            Per-class values are named `f1/<label>`. An undefined value is NaN.
        """
        ...

    def example_scores(
        self, predictions: pa.Table, rows: pa.Table, label_names: Sequence[str]
    ) -> FloatArray:
        """How right each prediction is, from 0 to 1, which is entirely right; `[rows]`.

        Args:
            predictions: What `decode` returned, for all rows.
            rows: The same rows with their references.
            label_names: Names by label id.
        """
        ...

    def export_spec(self, model: PreTrainedModel) -> ExportSpec:
        """Inputs, outputs and dynamic axes of the exported graph."""
        ...
