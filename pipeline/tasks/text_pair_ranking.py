"""Text pair ranking: the order of items for a query, or for what a user has read before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.config.base import Section
from pipeline.errors import DataError
from pipeline.metrics.ranking_lists import pair_order, ranking_list_metrics
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
from pipeline.tasks.columns import describe_row, number_values, require_columns
from pipeline.tasks.probabilities import sigmoid
from pipeline.tasks.queries import any_differs, query_hashes, query_numbers
from pipeline.tasks.ranking_losses import pointwise_losses, query_pairs
from pipeline.tasks.text_pairs import PAIR, TextPairs

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from pipeline.tasks.processor import Processor

RELEVANCE = Column("relevance", "number", is_target=True)
QUERY = Column("query", "value", is_target=True)
TOGETHER = "together"


class Options(Section):
    """What a user may choose."""

    objective: Literal["cross_entropy", "mse", "pairwise"] = "cross_entropy"
    """cross_entropy: how likely an item is relevant; degrees of relevance are shares of the largest
    one. mse: the relevance itself. pairwise: which of two items of a query is more relevant
    (RankNet; Burges et al., 2005): its scores order items and mean nothing else."""
    query: Literal["text", "column"] = "text"
    """Which rows are one query's: those of equal `text`, or of an equal value in the column `query`
    (data.columns.query), such as a user whose history grows from row to row."""
    cutoffs: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1, 3, 10), min_length=1)
    """Places from the top that NDCG and recall look at."""


class TextPairRanking(TextPairs):
    """Scores items (`text_pair`) for a query (`text`); metrics compare the items of each query.

    Each row is one item for one query, with a `relevance` of 0 (not relevant) or more. The model
    sees one pair at a time, so it scores any number of items; a ranking exists only among the rows
    of a query. Divide data by query (`data.split.method: group` with the query as the group), or a
    query's items are torn apart.

    Search and question answering: `text` is the query, `text_pair` a document. Recommendation:
    `text` is what the user did before, in words and in order ("read: …; read: …"), `text_pair` the
    candidate's title or description, `relevance` a click, a purchase or a rating. Where a user's
    history grows from row to row, `query: column` with the user or session says what is compared.

    The pairwise loss is over the pairs of a query that are in one batch, and batches are made so
    that a query's rows share one wherever it can hold them (the encoded column `together`).
    """

    Options: ClassVar[type[Section]] = Options
    name: ClassVar[str] = "text_pair_ranking"

    def __init__(self, options: Section) -> None:
        assert isinstance(options, Options)
        self._options = options
        self._largest = 1.0

    @property
    def columns(self) -> tuple[Column, ...]:
        """Both texts and the relevance; `query` where the options say so."""
        query = (QUERY,) if self._options.query == "column" else ()
        return (*PAIR, RELEVANCE, *query)

    @property
    def primary_metric(self) -> MetricSpec:
        """NDCG of the most places."""
        return MetricSpec(f"ndcg_at_{max(self._options.cutoffs)}", test="bootstrap")

    @property
    def metric_specs(self) -> tuple[MetricSpec, ...]:
        """NDCG and recall of each cutoff, mean reciprocal rank, mean average precision."""
        cutoffs = dict.fromkeys(self._options.cutoffs)
        names = [f"{name}_at_{k}" for name in ("ndcg", "recall") for k in cutoffs]
        return tuple(
            MetricSpec(name, test="bootstrap") for name in (*names, "mrr", "map", "judged_share")
        )

    def label_names(
        self,
        train: pa.Table,
        configured: Sequence[str] | None,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """None: the output is a number.

        Raises:
            DataError: If no item of the train split is more relevant than another: of the same
                query, where pairs are compared.
        """
        require_columns(train, self.columns, needed_by=self.name)
        relevance = number_values(train[RELEVANCE.name])
        is_pairwise = self._options.objective == "pairwise"
        queries = self.units(train)
        if not any_differs(relevance, queries if is_pairwise else np.zeros_like(queries)):
            where = "of the same query" if is_pairwise else "of the split"
            raise DataError(
                f"no item of the train split is more relevant than another {where}; there is "
                "nothing to learn",
                remedy=f"check data.columns.{RELEVANCE.name}, and task.options.query, which says "
                "which rows are one query's",
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
        """Adds token ids and types, and `labels` (float64) where rows have `relevance`.

        Where pairs are compared, also `together` (int64), equal for the rows of a query.

        Raises:
            DataError: If a relevance is below 0.
        """
        encoded = self.encode_inputs(rows, processor, max_length)
        if RELEVANCE.name not in rows.column_names:
            return encoded
        below = np.flatnonzero(number_values(rows[RELEVANCE.name]) < 0)
        if len(below):
            row = int(below[0])
            raise DataError(
                f"{describe_row(rows, row)} has the relevance "
                f"{rows[RELEVANCE.name][row].as_py():g}, but 0 is not relevant at all",
                remedy="shift the numbers so that the least relevant is 0",
            )
        encoded = encoded.append_column("labels", rows[RELEVANCE.name].cast(pa.float64()))
        if self._options.objective == "pairwise":
            encoded = encoded.append_column(TOGETHER, pa.array(query_hashes(self._queries(rows))))
        return encoded

    def collate(self, rows: pa.Table, *, pad_token_id: int, pad_to_multiple_of: int) -> Arrays:
        """The model's inputs `[batch, length]`, and `labels` `[batch]` where known.

        Labels are float32, shares of the train split's largest relevance; NaN where there is none.
        Where pairs are compared, also `together` `[batch]`.
        """
        batch = self.collate_inputs(rows, pad_token_id, pad_to_multiple_of)
        if "labels" in rows.column_names:
            batch["labels"] = (number_values(rows["labels"]) / self._largest).astype(np.float32)
        if TOGETHER in rows.column_names:
            batch[TOGETHER] = rows[TOGETHER].to_numpy().astype(np.int64)
        return batch

    def build_model(
        self,
        source: ModelSource,
        label_names: Sequence[str],  # noqa: ARG002
    ) -> PreTrainedModel:
        """A sequence-classification model with one output.

        transformers' pipelines then give a probability for the objective `cross_entropy`, and
        otherwise the output as it is.
        """
        is_probability = self._options.objective == "cross_entropy"
        return source.load_model(
            "sequence_classification",
            id2label={0: RELEVANCE.name},
            label2id={RELEVANCE.name: 0},
            problem_type="multi_label_classification" if is_probability else "regression",
        )

    def fit(self, train: pa.Table, label_names: Sequence[str]) -> None:  # noqa: ARG002
        """Learns the train split's largest relevance."""
        self._largest = float(np.nanmax(number_values(train["labels"]), initial=0.0)) or 1.0

    def state(self) -> dict[str, Any]:
        """`largest`, the train split's largest relevance, and `cutoffs`, to show rankings by."""
        return {"largest": self._largest, "cutoffs": list(self._options.cutoffs)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes the largest relevance."""
        self._largest = float(state["largest"])

    def num_targets(self, batch: Batch) -> Tensor:
        """How many items, or pairs of items, the mean is over, a scalar."""
        if self._options.objective == "pairwise":
            return query_pairs(batch["labels"], batch[TOGETHER]).sum()
        return (~batch["labels"].isnan()).sum()

    def loss(self, outputs: Tensors, batch: Batch) -> Tensor:
        """The mean over items of known relevance, or over pairs of a query's items."""
        losses, terms = self._losses(outputs["logits"], batch)
        return losses.sum() / terms.sum().clamp(min=1)

    def example_losses(self, outputs: Tensors, batch: Batch) -> Tensor:
        """Each item's loss, `[batch]`; of pairs the mean over its own; 0 where there is none."""
        losses, terms = self._losses(outputs["logits"], batch)
        if self._options.objective == "pairwise":
            losses, terms = losses + losses.T, terms | terms.T
            return (losses.sum(1) / terms.sum(1).clamp(min=1)).detach()
        return losses.detach()

    def _losses(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Terms of the loss, 0 where there is none, and which there are.

        `[batch]` each; of pairs `[batch, batch]`, the more relevant item first.
        """
        from torch.nn import functional

        scores, labels = logits.float().squeeze(-1), batch["labels"].float()
        if self._options.objective == "pairwise":
            pairs = query_pairs(labels, batch[TOGETHER])
            return functional.softplus(scores[None, :] - scores[:, None]) * pairs, pairs
        losses = pointwise_losses(scores, labels, self._options.objective)
        return losses, ~labels.isnan()

    def decode(
        self,
        outputs: Arrays,
        rows: pa.Table,  # noqa: ARG002
        label_names: Sequence[str],  # noqa: ARG002
    ) -> pa.Table:
        """Scores; the higher, the more relevant.

        Returns:
            `prediction` (float64): the expected relevance, which is the probability of being
            relevant where the largest is 1; of the pairwise objective a score without a unit.
        """
        scores = outputs["logits"][:, 0].astype(np.float64)
        if self._options.objective == "cross_entropy":
            scores = sigmoid(scores)
        if self._options.objective != "pairwise":
            scores = scores * self._largest
        return pa.table({"prediction": pa.array(scores, pa.float64())})

    def metrics(
        self,
        predictions: pa.Table,
        rows: pa.Table,
        label_names: Sequence[str],  # noqa: ARG002
        weights: IntArray | None = None,
    ) -> dict[str, FloatArray]:
        """How well each query's items are ordered; see `ranking_list_metrics`.

        `judged_share` is the share of queries that have a relevant item; the others count in
        nothing else.
        """
        cutoffs = tuple(dict.fromkeys(self._options.cutoffs))
        return ranking_list_metrics(*self._lists(predictions, rows), cutoffs, weights)

    def units(self, rows: pa.Table) -> IntArray:
        """The query of each row, numbered in the order of their first rows."""
        return query_numbers(self._queries(rows))

    def example_scores(
        self,
        predictions: pa.Table,
        rows: pa.Table,
        label_names: Sequence[str],  # noqa: ARG002
    ) -> FloatArray:
        """Of each item the share of the query's less or more relevant ones on the right side of it.

        Their mean is how often two items of a query are in the right order, each item weighing the
        same; 1 where no item of the query is more relevant than another.
        """
        return pair_order(*self._lists(predictions, rows))

    def _lists(
        self, predictions: pa.Table, rows: pa.Table
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        """Relevance, scores and queries, `[rows]` each."""
        require_columns(rows, self.columns, needed_by=self.name)
        scores = number_values(predictions["prediction"])
        return number_values(rows[RELEVANCE.name]), scores, self.units(rows)

    def _queries(self, rows: pa.Table) -> pa.ChunkedArray:
        """What tells queries apart, `[rows]`."""
        column = TEXT if self._options.query == "text" else QUERY
        require_columns(rows, (column,), needed_by=self.name)
        return rows[column.name]
