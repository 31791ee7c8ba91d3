"""Masked language model: guess hidden tokens of raw texts, to learn a language or a domain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.config.base import Section
from pipeline.metrics.language_model import token_metrics
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
    Task,
    Tensors,
)
from pipeline.tasks.batch_encoding import encode_texts
from pipeline.tasks.chunking import LongTexts, chunk_texts, document_numbers
from pipeline.tasks.columns import (
    list_values,
    pad_lists,
    pad_text,
    require_columns,
)
from pipeline.tasks.masking import (
    MaskingOptions,
    Vocabulary,
    fixed_masks,
    random_masks,
    token_places,
    word_numbers,
)
from pipeline.tasks.token_losses import (
    log_likelihoods,
    mean_of_rows,
    mean_over_tokens,
    token_losses,
)

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from pipeline.tasks.processor import Processor

BoolArray = npt.NDArray[np.bool_]


class Options(Section):
    """What a user may choose."""

    masking: MaskingOptions = MaskingOptions()
    """Which tokens are hidden."""
    long_texts: LongTexts = "chunk"
    """What becomes of texts longer than model.max_length: chunk makes several rows of each, cut
    leaves out what is behind it."""


class MaskedLanguageModel(Task):
    """Texts alone, without targets: of each, some tokens are hidden and have to be guessed.

    Training draws other tokens in every epoch (Liu et al., 2019, section 4.1), from the seed of the
    batch, so that an interrupted run goes on with the same ones. For validation and test the
    hidden tokens are fixed when the data are prepared, from each text alone.

    `pseudo_perplexity` is exp of the mean negative log-likelihood of the hidden tokens, all hidden
    at once. It compares models with the same tokenizer and masking on the same texts; it is not
    the score that hides one token at a time (Salazar et al., 2020), which costs a pass a token.
    """

    Options: ClassVar[type[Section]] = Options
    name: ClassVar[str] = "masked_language_model"
    columns: tuple[Column, ...] = (TEXT,)

    primary_metric = MetricSpec("pseudo_perplexity", higher_is_better=False)
    metric_specs = (primary_metric, MetricSpec("token_accuracy"))

    def __init__(self, options: Section) -> None:
        assert isinstance(options, Options)
        self._masking = options.masking
        self._long_texts = options.long_texts
        self._tokenizer: PreTrainedTokenizerFast | None = None
        self._known: Vocabulary | None = None

    def attach(self, processor: Processor) -> None:
        """Takes the tokenizer."""
        self._tokenizer = processor.tokenizer
        self._known = Vocabulary(processor.tokenizer)

    @property
    def _vocabulary(self) -> Vocabulary:
        assert self._known is not None, "attach was not called"
        return self._known

    def divide(self, rows: pa.Table, processor: Processor, *, max_length: int) -> pa.Table:
        """Texts in pieces of at most `max_length` tokens, unless they are to be cut."""
        if self._long_texts == "cut":
            return rows
        require_columns(rows, self.columns, needed_by=self.name)
        room = max_length - processor.num_special_tokens
        return chunk_texts(rows, processor.tokenizer, room)

    def units(self, rows: pa.Table) -> IntArray | None:
        """The pieces of a text together."""
        return document_numbers(rows)

    def encode(
        self,
        rows: pa.Table,
        processor: Processor,
        label_names: Sequence[str],  # noqa: ARG002
        *,
        max_length: int,
    ) -> pa.Table:
        """Adds token ids with some of them hidden, and what they were.

        Returns:
            `length`; `input_ids` (list<int32>) as the model sees them; `num_tokens`,
            `num_unknown`; `labels` (list<int32>): the hidden tokens, elsewhere `IGNORE_INDEX`; and
            `words` (list<int32>), the number of each token's word, where words are hidden whole.
        """
        require_columns(rows, self.columns, needed_by=self.name)
        whole = self._masking.whole_words
        encoded = encode_texts(
            processor.tokenizer, rows["text"], max_length=max_length, offsets=whole
        )
        ids, lengths = list_values(encoded["input_ids"])
        words = token_places(lengths)
        if whole:
            places, _ = list_values(encoded["offsets"])
            words = word_numbers(rows["text"].to_pylist(), places.reshape(-1, 2), lengths)
            encoded = encoded.drop_columns(["offsets"])
        seen, labels = fixed_masks(
            ids, lengths, words, Vocabulary(processor.tokenizer), self._masking.probability
        )
        encoded = encoded.set_column(
            encoded.column_names.index("input_ids"), "input_ids", _lists(seen, lengths)
        ).append_column("labels", _lists(labels, lengths))
        return encoded.append_column("words", _lists(words, lengths)) if whole else encoded

    def collate(self, rows: pa.Table, *, pad_token_id: int, pad_to_multiple_of: int) -> Arrays:
        """`input_ids`, `attention_mask`, `labels`, and `words` where they are hidden whole.

        Each is `[batch, length]`.
        """
        batch = pad_text(rows, pad_token_id, pad_to_multiple_of)
        for name, fill in (("labels", IGNORE_INDEX), ("words", 0)):
            if name in rows.column_names:
                batch[name], _ = pad_lists(
                    rows[name], fill=fill, pad_to_multiple_of=pad_to_multiple_of
                )
        return batch

    def augment(self, batch: Batch, seed: int) -> Batch:
        """Hides other tokens, drawn from the seed."""
        import torch

        labels, seen = batch["labels"], batch["input_ids"]
        ids = torch.where(labels == IGNORE_INDEX, seen, labels)
        seen, labels = random_masks(
            ids, batch.get("words"), self._vocabulary, self._masking.probability, seed
        )
        return {**batch, "input_ids": seen, "labels": labels}

    def build_model(
        self,
        source: ModelSource,
        label_names: Sequence[str],  # noqa: ARG002
    ) -> PreTrainedModel:
        """A model with a masked-language-model head."""
        return source.load_model("masked_lm")

    def forward(self, model: Callable[..., Any], batch: Batch) -> Tensors:
        """`logits` `[batch, length, vocabulary]`.

        In training those of the hidden tokens alone, `[batch, most hidden, vocabulary]`, and their
        `labels`: over a large vocabulary the others, which nothing is learned from, would take most
        of the time.
        """
        head = _head(model) if "labels" in batch else None
        if head is None:
            return super().forward(model, batch)
        places, labels = _hidden(batch["labels"])

        def keep(_: Any, inputs: tuple[Tensor]) -> tuple[Tensor]:
            (states,) = inputs
            return (states.gather(1, places[..., None].expand(-1, -1, states.shape[-1])),)

        handle = head.register_forward_pre_hook(keep)
        try:
            return {**super().forward(model, batch), "labels": labels}
        finally:
            handle.remove()

    def loss(self, outputs: Tensors, batch: Batch) -> Tensor:
        """Cross-entropy, mean over the hidden tokens."""
        labels = outputs.get("labels", batch["labels"])
        return mean_over_tokens(token_losses(outputs["logits"], labels), labels)

    def example_losses(self, outputs: Tensors, batch: Batch) -> Tensor:
        """The mean cross-entropy of each text's hidden tokens, `[batch]`; 0 where there is none."""
        losses = token_losses(outputs["logits"], batch["labels"])
        return mean_of_rows(losses, batch["labels"]).detach()

    def predict(
        self,
        model: PreTrainedModel,  # noqa: ARG002
        batch: Batch,
        outputs: Tensors,
    ) -> Tensors:
        """`guesses` `[batch, length]`, the likeliest tokens, and `log_likelihood` `[batch]`."""
        logits = outputs["logits"]
        return {
            "guesses": logits.argmax(dim=-1),
            "log_likelihood": -token_losses(logits, batch["labels"]).sum(dim=1),
        }

    def decode(
        self,
        outputs: Arrays,
        rows: pa.Table,
        label_names: Sequence[str],  # noqa: ARG002
    ) -> pa.Table:
        """Texts with their hidden tokens guessed.

        Returns:
            `prediction` (string: the text, with a guess in place of each token that is hidden or
            is the mask token), `log_likelihood` (float64, sum over the hidden tokens),
            `num_right` and `num_hidden` (int64).
        """
        labels, _ = pad_lists(rows["labels"], fill=IGNORE_INDEX, pad_to_multiple_of=1)
        asked = labels != IGNORE_INDEX
        width = labels.shape[1]
        if "logits" in outputs:
            guesses = outputs["logits"].argmax(axis=-1)
            likely = log_likelihoods(outputs["logits"][:, :width], labels)
        else:
            guesses, likely = outputs["guesses"], outputs["log_likelihood"]
        guesses = guesses[:, :width]
        return pa.table(
            {
                "prediction": pa.array(self._filled(rows, asked, guesses), pa.string()),
                "log_likelihood": pa.array(likely, pa.float64()),
                "num_right": pa.array((asked & (guesses == labels)).sum(axis=1), pa.int64()),
                "num_hidden": pa.array(asked.sum(axis=1), pa.int64()),
            }
        )

    def _filled(self, rows: pa.Table, asked: BoolArray, guesses: IntArray) -> list[str]:
        """The texts of rows with guesses where tokens are hidden, `[rows, length]` each."""
        assert self._tokenizer is not None, "attach was not called"
        ids, mask = pad_lists(rows["input_ids"], fill=0, pad_to_multiple_of=1)
        ids = np.where(asked | (ids == self._vocabulary.mask_id), guesses, ids)
        full = [row[kept].tolist() for row, kept in zip(ids, mask.astype(bool), strict=True)]
        found: list[str] = self._tokenizer.backend_tokenizer.decode_batch(full)
        return found

    def metrics(
        self,
        predictions: pa.Table,
        rows: pa.Table,  # noqa: ARG002
        label_names: Sequence[str],  # noqa: ARG002
        weights: IntArray | None = None,
    ) -> dict[str, FloatArray]:
        """Pseudo-perplexity, and the share of hidden tokens that are guessed right."""
        perplexity, accuracy = token_metrics(
            predictions["log_likelihood"].to_numpy(),
            predictions["num_right"].to_numpy(),
            predictions["num_hidden"].to_numpy(),
            weights,
        )
        return {"pseudo_perplexity": perplexity, "token_accuracy": accuracy}

    def example_scores(
        self,
        predictions: pa.Table,
        rows: pa.Table,  # noqa: ARG002
        label_names: Sequence[str],  # noqa: ARG002
    ) -> FloatArray:
        """The share of each text's hidden tokens that are guessed right; 1 where there is none."""
        hidden = predictions["num_hidden"].to_numpy()
        right = np.where(hidden > 0, predictions["num_right"].to_numpy(), 1)
        scores: FloatArray = right / np.maximum(hidden, 1)
        return scores


def _head(model: Any) -> nn.Module | None:
    """What makes logits of hidden states in training; None where all logits are wanted."""
    if hasattr(model, "_orig_mod") or not getattr(model, "training", False):
        return None
    found: nn.Module | None = model.get_output_embeddings()
    return found


def _hidden(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Places and labels of each row's hidden tokens, `[batch, most hidden]`, filled up with others.

    Args:
        labels: `[batch, length]`.
    """
    known = (labels != IGNORE_INDEX).long()
    most = max(int(known.sum(dim=1).max()), 1)
    places = known.argsort(dim=1, descending=True, stable=True)[:, :most]
    return places, labels.gather(1, places)


def _lists(values: npt.NDArray[np.int32], lengths: IntArray) -> pa.ListArray:
    """A list column of values that lie one row after the other."""
    bounds = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(bounds), pa.array(values))
