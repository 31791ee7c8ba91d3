"""The contract between a task and the stages; no stage knows which task it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.config.base import Section
from pipeline.tasks.forward import known_inputs

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from pipeline.tasks.processor import Processor

IGNORE_INDEX = -100
"""Label id that losses and metrics leave out."""

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Batch = dict[str, "Tensor"]
"""Tensors of one batch: the model's inputs, `labels`, and whatever else the loss needs."""
Tensors = Mapping[str, "Tensor"]
"""Named results of a forward pass, each with the batch as its first axis."""
Arrays = Mapping[str, npt.NDArray[Any]]
"""The same as arrays, floating ones in float64."""

Head = Literal[
    "sequence_classification",
    "token_classification",
    "causal_lm",
    "masked_lm",
    "seq2seq_lm",
    "ctc",
    "speech_seq2seq",
    "audio_classification",
    "image_classification",
]
"""Which of transformers' Auto classes makes a model."""

Kind = Literal[
    "text", "label", "labels", "number", "entities", "messages", "audio", "image", "value"
]
"""What a column holds: a text; the name of a class; a set of names; a number; spans with types;
turns of a chat; a recording; a picture; or anything else, passed on as it is."""


@dataclass(frozen=True)
class Column:
    """A mapped raw column that a task reads.

    Attributes:
        name: Our name, the key in `data.columns`.
        kind: What it holds.
        is_target: Whether it is what the model has to find: not needed to predict.
        instead: Columns that the task reads in its place with other options, and what to set then.
    """

    name: str
    kind: Kind
    is_target: bool = False
    instead: Mapping[str, str] = field(default_factory=dict, compare=False)


TEXT = Column("text", "text")
LABEL = Column("label", "label", is_target=True)
ENTITIES = Column("entities", "entities", is_target=True)

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
        inputs: Names of the model's tensors in order, each `[batch, …]`.
        outputs: Names of the results in order.
        dynamic_axes: For each input, axis number to its symbolic name.
        samples: What to trace the model with, for inputs that are no ids or masks of tokens: three
            rows of any numbers, of a length at which no axis that is free has size 1.
        part: Makes, of the model, the module whose forward pass takes the inputs; by default the
            model itself.
        before: Another graph, run once for a batch, whose results are inputs of this one: an
            encoder before its decoder.
        search: How sequences are written with the graph, as `generation.Search` says it; None for
            a graph whose results are read as they are.
        otherwise: What is exported in its place where torch cannot export this.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dynamic_axes: Mapping[str, Mapping[int, str]]
    samples: Arrays = field(default_factory=dict)
    part: Callable[[Any], Any] | None = None
    before: ExportSpec | None = None
    search: Mapping[str, Any] | None = None
    otherwise: ExportSpec | None = None


class Task(Protocol):
    """One kind of fine-tuning: what is read, learned, predicted and measured.

    A table of *rows* has the mapped raw columns (`id` and those of `columns`) and, once encoded,
    the columns that `encode` adds. References are read from rows; predictions are a table of their
    own with one row for each row decoded, in the same order.

    A task subclasses this; methods with a body are what most tasks want.
    """

    Options: ClassVar[type[Section]]
    """The task's options, the section `task.options` of the config."""
    name: ClassVar[str]
    classification_scores: ClassVar[bool] = False
    """Whether each row has one `label` and its prediction has `prediction` (a label name), `score`
    (its probability) and `scores` (list<float64>, one for each label name): what confusion
    matrices, curves, calibration and baselines are made of."""
    tunes: ClassVar[bool] = False
    """Whether `tune` learns something of the validation split."""
    generates: ClassVar[bool] = False
    """Whether `predict` writes sequences token by token, which takes long: validations then predict
    no more rows than `trainer.validation_generation_rows`."""
    model_inputs: ClassVar[tuple[str, ...]] = ("input_ids", "attention_mask")
    """The tensors of a batch that the model's forward pass takes, where the batch has them and the
    forward pass has parameters of these names."""

    def __init__(self, options: Section) -> None: ...

    @property
    def columns(self) -> tuple[Column, ...]:
        """What a labelled row has, inputs first; the inputs alone are needed to predict."""
        ...

    @property
    def primary_metric(self) -> MetricSpec:
        """The metric that selects checkpoints, unless the config names another."""
        ...

    @property
    def metric_specs(self) -> tuple[MetricSpec, ...]:
        """All scalar metrics that `metrics` returns for any label set."""
        ...

    def attach(self, processor: Processor) -> None:
        """Hands over what encodes the rows, for a task that decodes ids to text with it.

        Called once, before anything is predicted.
        """

    def label_names(
        self,
        train: pa.Table,
        configured: Sequence[str] | None,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """The names of the model's outputs in the order of their ids, from the train split only.

        By default none, for a task whose outputs have no names.

        Raises:
            UserError: If a column is missing, a label is not among those configured, or fewer than
                two classes exist.
        """
        from pipeline.tasks.columns import require_columns

        require_columns(train, self.columns, needed_by=self.name)
        return ()

    def divide(
        self,
        rows: pa.Table,
        processor: Processor,  # noqa: ARG002
        *,
        max_length: int,  # noqa: ARG002
    ) -> pa.Table:
        """Rows as they are learned and measured, in order; by default as they are.

        A task whose inputs can be longer than a model reads may make several rows of one. It is
        asked before `encode` when a dataset is prepared, not for prediction, which gives one row
        for each.
        """
        return rows

    def encode(
        self,
        rows: pa.Table,
        processor: Processor,
        label_names: Sequence[str],
        *,
        max_length: int,
    ) -> pa.Table:
        """Turns inputs and targets into numbers, one output row for each input row, in order.

        Returns:
            First the column `length` (int32): what a row costs in a batch, in tokens or frames,
            after cutting. Then the task's own. For text: `input_ids` (list<int32>, at most
            `max_length`), `num_tokens` (int32, before cutting), `num_unknown` (int32). Target
            columns are left out where rows have no targets. A loss that compares rows with each
            other needs them in one batch: rows with equal numbers in a column `together` (int64)
            share one, as far as it can hold them.
        """
        ...

    def collate(self, rows: pa.Table, *, pad_token_id: int, pad_to_multiple_of: int) -> Arrays:
        """Pads encoded rows to the longest of them (right side) and stacks them.

        Returns:
            The model's inputs, such as `input_ids` and `attention_mask` `[batch, length]` int64,
            and `labels` where known.
        """
        ...

    def build_model(self, source: ModelSource, label_names: Sequence[str]) -> PreTrainedModel:
        """Makes the model to train, with label names and problem type in its config."""
        ...

    def fit(self, train: pa.Table, label_names: Sequence[str]) -> None:
        """Learns what loss and decoding need of the train split, such as class frequencies.

        Called once, before training; the encoded train split alone is seen.
        """

    def tune(
        self,
        predictions: pa.Table,
        rows: pa.Table,  # noqa: ARG002
        label_names: Sequence[str],  # noqa: ARG002
    ) -> pa.Table:
        """Learns what decisions need to know of the validation split, such as thresholds.

        Called at each validation, and at last with the predictions of the weights that were kept.

        Returns:
            The predictions, decided anew.
        """
        return predictions

    def state(self) -> dict[str, Any]:
        """What `fit` and `tune` learned that decoding needs, as JSON; empty where it is nothing."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes what `state` gave, in a process that neither fits nor tunes."""

    def augment(self, batch: Batch, seed: int) -> Batch:  # noqa: ARG002
        """A batch of training with random changes, such as noise or a flipped picture.

        By default the batch as it is. Never called for validation, evaluation or prediction.

        Args:
            batch: From `collate`, on its device; it is not changed in place.
            seed: Below 2^64, of this batch alone; the same seed gives the same changes. torch's
                global generator was seeded with it, for dropout: draw from one of your own.
        """
        return batch

    def forward(self, model: Callable[..., Any], batch: Batch) -> Tensors:
        """The forward pass that losses are made of; by default `logits` `[batch, …]`, float32.

        Args:
            model: The model, as it is or compiled; either way it has the model's attributes.
            batch: From `collate`, on the model's device.
        """
        names = known_inputs(model, self.model_inputs)
        inputs = {name: batch[name] for name in names if name in batch}
        return {"logits": model(**inputs).logits.float()}

    def num_targets(self, batch: Batch) -> Tensor:
        """How many terms the batch's mean loss has, a scalar."""
        return (batch["labels"] != IGNORE_INDEX).sum()

    def loss(self, outputs: Tensors, batch: Batch) -> Tensor:
        """The training loss, a scalar in float32: the mean over the batch of what is not ignored.

        Zero, with gradients of zero, where everything is ignored.

        Args:
            outputs: From `forward`.
            batch: Of `collate`.
        """
        ...

    def example_losses(self, outputs: Tensors, batch: Batch) -> Tensor:
        """The unsmoothed, unweighted loss of each example, `[batch]`, float32."""
        ...

    def predict(
        self,
        model: PreTrainedModel,  # noqa: ARG002
        batch: Batch,  # noqa: ARG002
        outputs: Tensors,
    ) -> Tensors:
        """What `decode` reads: by default the forward pass; a task that generates does it here.

        Args:
            model: In evaluation mode.
            batch: On its device.
            outputs: From `forward`.
        """
        return outputs

    def decode(self, outputs: Arrays, rows: pa.Table, label_names: Sequence[str]) -> pa.Table:
        """What a person would read: predictions for encoded rows.

        Args:
            outputs: From `predict` or an exported graph, `[rows, …]` each, padding included.
            rows: The encoded rows, in the batch's order; targets are not looked at.
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
            predictions: What `decode` returned, for all rows; with the column `loss` (float64, of
                `example_losses`) where those are known.
            rows: The same rows with their references.
            label_names: Names by label id.
            weights: How often each row counts, `[samples, rows]`; by default each counts once.

        Returns:
            For each metric one value per sample, `[samples]` (one sample without weights).
            Per-class values are named `f1/<label>`. An undefined value is NaN.
        """
        ...

    def units(self, rows: pa.Table) -> IntArray | None:  # noqa: ARG002
        """Which rows can only be measured together, such as the candidates of one query.

        Resamples draw the rows of a unit together, so `metrics` is asked under weights that are
        equal within each unit; and models are compared in these resamples alone (paired bootstrap),
        whatever test a metric names.

        Args:
            rows: Rows with their references.

        Returns:
            The unit of each row, numbered from 0 without a gap, `[rows]`; None where every row is
            measured for itself.
        """
        return None

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
        names = known_inputs(model, self.model_inputs)
        axes = {0: "batch", 1: "length"}
        return ExportSpec(names, ("logits",), dict.fromkeys(names, axes))
