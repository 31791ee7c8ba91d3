"""Causal language model: learn to continue texts, to answer prompts, or to answer in a chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.config.base import Section
from pipeline.metrics.language_model import token_metrics
from pipeline.metrics.translation import chrf, chrf_statistics
from pipeline.metrics.weighting import ratio, row_weights, weighted_sums
from pipeline.tasks.base import (
    IGNORE_INDEX,
    TEXT,
    Arrays,
    Batch,
    Column,
    ExportSpec,
    FloatArray,
    IntArray,
    MetricSpec,
    ModelSource,
    Task,
    Tensors,
)
from pipeline.tasks.chunking import LongTexts, chunk_texts, document_numbers, goes_on
from pipeline.tasks.columns import (
    input_columns,
    pad_lists,
    pad_text,
    require_columns,
)
from pipeline.tasks.continuing_export import continuing_spec
from pipeline.tasks.generation import (
    PROMPT_LENGTH,
    SEQUENCES,
    GenerationOptions,
    Search,
    generate,
    search_of,
    texts_of,
)
from pipeline.tasks.rendered_rows import encode_rendered
from pipeline.tasks.rendering import Answers, Rendered, Renderer
from pipeline.tasks.token_losses import (
    log_likelihoods,
    mean_of_rows,
    mean_over_tokens,
    token_losses,
)

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from pipeline.tasks.processor import Processor

Form = Literal["text", "prompt", "messages"]

MESSAGES = Column("messages", "messages")
COLUMNS: dict[Form, tuple[Column, ...]] = {
    "text": (
        replace(
            TEXT,
            instead={
                "messages": "for chats choose task=causal_language_model_chat",
                "prompt": "for answers to prompts choose task=causal_language_model_prompt",
            },
        ),
    ),
    "prompt": (Column("prompt", "text"), Column("target", "text", is_target=True)),
    "messages": (MESSAGES,),
}


class Options(Section):
    """What a user may choose."""

    form: Form = "text"
    """What a row is: a text, all of which is learned; a prompt and its target, which is learned; or
    the messages of a chat, of which the assistant's are learned."""
    separator: str = "\n"
    """Stands between prompt and target (form prompt)."""
    answers: Answers = "all"
    """Which of the assistant's turns are learned: all, or the last of each chat (form messages)."""
    long_texts: LongTexts = "chunk"
    """What becomes of texts longer than model.max_length (form text): chunk makes several rows of
    each, cut leaves out what is behind it."""
    generation: GenerationOptions | None = None
    """How rows are continued: written answers are then compared with the target or the last answer.
    By default nothing is written, and the prediction is the likeliest next token."""


class CausalLanguageModel(Task):
    """A decoder that predicts each token from those before it.

    Perplexity is exp of the mean negative log-likelihood of the tokens that are learned, the end of
    each answer among them. It compares models with the same tokenizer on the same rows. Of prompts
    and chats longer than `model.max_length` the end is not learned; the quality report counts them.
    """

    Options: ClassVar[type[Section]] = Options
    name: ClassVar[str] = "causal_language_model"
    primary_metric = MetricSpec("perplexity", higher_is_better=False)

    def __init__(self, options: Section) -> None:
        assert isinstance(options, Options)
        self._options = options
        self._tokenizer: PreTrainedTokenizerFast | None = None
        self._ends: tuple[int, ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """By the form of rows."""
        return COLUMNS[self._options.form]

    @property
    def generates(self) -> bool:  # type: ignore[override]
        """Whether rows are continued."""
        return self._options.generation is not None

    @property
    def _has_references(self) -> bool:
        return self.generates and self._options.form != "text"

    @property
    def metric_specs(self) -> tuple[MetricSpec, ...]:
        """Those of tokens, and of what is written where there is something to compare it with."""
        tokens = (self.primary_metric, MetricSpec("token_accuracy"))
        if not self._has_references:
            return tokens
        return (*tokens, MetricSpec("exact_match"), MetricSpec("chrf"))

    def attach(self, processor: Processor) -> None:
        """Takes the tokenizer, which gets a chat template if it has none."""
        self._tokenizer = processor.tokenizer
        Renderer(processor.tokenizer)
        self._ends = (int(processor.tokenizer.eos_token_id),)

    def divide(self, rows: pa.Table, processor: Processor, *, max_length: int) -> pa.Table:
        """Texts in pieces of at most `max_length` tokens, unless they are to be cut."""
        if self._options.form != "text" or self._options.long_texts == "cut":
            return rows
        require_columns(rows, self.columns, needed_by=self.name)
        frame = Renderer(processor.tokenizer).text("").text
        encoded = processor.tokenizer.backend_tokenizer.encode(frame, add_special_tokens=False)
        return chunk_texts(rows, processor.tokenizer, max_length - len(encoded.ids))

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
        """Adds token ids and which of them are learned; see `encode_rendered`."""
        require_columns(rows, input_columns(self.columns), needed_by=self.name)
        encoded = encode_rendered(
            processor.tokenizer,
            self._rendered(rows, Renderer(processor.tokenizer)),
            max_length=max_length,
        )
        if self._options.form == "prompt" and "target" not in rows.column_names:
            return encoded.drop_columns(["labels"])
        return encoded

    def _rendered(self, rows: pa.Table, renderer: Renderer) -> list[Rendered]:
        if self._options.form == "text":
            return [
                renderer.text(text, goes_on=more)
                for text, more in zip(rows["text"].to_pylist(), goes_on(rows), strict=True)
            ]
        if self._options.form == "messages":
            return [
                renderer.chat(chat, self._options.answers) for chat in rows["messages"].to_pylist()
            ]
        targets = [None] * rows.num_rows
        if "target" in rows.column_names:
            targets = rows["target"].to_pylist()
        return [
            renderer.answered(prompt, self._options.separator, target)
            for prompt, target in zip(rows["prompt"].to_pylist(), targets, strict=True)
        ]

    def collate(self, rows: pa.Table, *, pad_token_id: int, pad_to_multiple_of: int) -> Arrays:
        """`input_ids`, `attention_mask`, `labels` `[batch, length]`, `prompt_length` `[batch]`."""
        batch = pad_text(rows, pad_token_id, pad_to_multiple_of)
        if "labels" in rows.column_names:
            batch["labels"], _ = pad_lists(
                rows["labels"], fill=IGNORE_INDEX, pad_to_multiple_of=pad_to_multiple_of
            )
        batch[PROMPT_LENGTH] = rows[PROMPT_LENGTH].to_numpy().astype(np.int64)
        return batch

    def build_model(
        self,
        source: ModelSource,
        label_names: Sequence[str],  # noqa: ARG002
    ) -> PreTrainedModel:
        """A causal language model."""
        return source.load_model("causal_lm")

    def loss(self, outputs: Tensors, batch: Batch) -> Tensor:
        """Cross-entropy, mean over the tokens that are learned."""
        following = _following(batch["labels"])
        return mean_over_tokens(token_losses(outputs["logits"], following), following)

    def example_losses(self, outputs: Tensors, batch: Batch) -> Tensor:
        """The mean cross-entropy of each row's learned tokens, `[batch]`; 0 where there is none."""
        following = _following(batch["labels"])
        return mean_of_rows(token_losses(outputs["logits"], following), following).detach()

    def predict(self, model: PreTrainedModel, batch: Batch, outputs: Tensors) -> Tensors:
        """Sums over tokens, the likeliest next one, and what is written; no logits.

        Returns:
            `next_token` `[batch]`; `log_likelihood` and `num_right` `[batch]` where rows have
            labels; `sequences` where rows are continued.
        """
        import torch

        logits, lengths = outputs["logits"], batch[PROMPT_LENGTH]
        last = (lengths - 1).clamp(min=0)
        rows = torch.arange(len(last), device=last.device)
        found = {"next_token": logits[rows, last].argmax(dim=-1)}
        if "labels" in batch:
            following = _following(batch["labels"])
            found["log_likelihood"] = -token_losses(logits, following).sum(dim=1)
            found["num_right"] = (logits.argmax(dim=-1) == following).sum(dim=1)
        if self._options.generation is not None:
            found[SEQUENCES] = self._written(model, batch)
        return found

    def _written(self, model: PreTrainedModel, batch: Batch) -> Tensor:
        """Tokens that continue each row's prompt; see `generation.SEQUENCES`."""
        import torch

        assert self._options.generation is not None
        assert self._tokenizer is not None, "attach was not called"
        lengths = batch[PROMPT_LENGTH]
        width = max(int(lengths.max()), 1)
        mask = torch.arange(width, device=lengths.device) < lengths[:, None]
        pad = int(self._tokenizer.pad_token_id)
        ids = batch["input_ids"][:, :width].masked_fill(~mask, pad)
        search = self._search(model, self._options.generation)
        return generate(model, {"input_ids": ids, "attention_mask": mask.long()}, search, lengths)

    def _search(self, model: PreTrainedModel, options: GenerationOptions) -> Search:
        assert self._tokenizer is not None, "attach was not called"
        search = search_of(model, options, pad_token_id=int(self._tokenizer.pad_token_id))
        self._ends = search.eos_token_ids
        return search

    def export_spec(self, model: PreTrainedModel) -> ExportSpec:
        """Tokens in, logits out; and how rows are continued, if they are."""
        spec = super().export_spec(model)
        if self._options.generation is None:
            return spec
        return continuing_spec(model, self._search(model, self._options.generation), spec)

    def decode(
        self,
        outputs: Arrays,
        rows: pa.Table,
        label_names: Sequence[str],  # noqa: ARG002
    ) -> pa.Table:
        """What is written, and sums over tokens.

        Returns:
            `prediction` (string: the continuation or answer; the likeliest next token where nothing
            is written), `log_likelihood` (float64, sum over the learned tokens), `num_right` and
            `num_tokens` (int64): null where rows have nothing to learn from.
        """
        assert self._tokenizer is not None, "attach was not called"
        found = dict(outputs)
        if "logits" in outputs:
            found |= self._of_logits(outputs["logits"], rows)
        written = found.get(SEQUENCES, np.asarray(found["next_token"])[:, np.newaxis])
        ends = self._ends if SEQUENCES in found else ()
        count = rows.num_rows
        counts: dict[str, Any] = dict.fromkeys(("log_likelihood", "num_right"), [None] * count)
        counts |= {name: found[name] for name in counts if name in found}
        tokens: Any = [None] * count
        if "labels" in rows.column_names:
            labels, _ = pad_lists(rows["labels"], fill=IGNORE_INDEX, pad_to_multiple_of=1)
            tokens = (labels != IGNORE_INDEX).sum(axis=1)
        return pa.table(
            {
                "prediction": pa.array(texts_of(written, self._tokenizer, ends), pa.string()),
                "log_likelihood": pa.array(counts["log_likelihood"], pa.float64()),
                "num_right": pa.array(counts["num_right"], pa.int64()),
                "num_tokens": pa.array(tokens, pa.int64()),
            }
        )

    def _of_logits(self, logits: FloatArray, rows: pa.Table) -> dict[str, npt.NDArray[Any]]:
        """What `predict` gives of tokens, of an exported graph's logits."""
        last = np.maximum(rows[PROMPT_LENGTH].to_numpy() - 1, 0)
        found: dict[str, npt.NDArray[Any]] = {
            "next_token": logits[np.arange(len(last)), last].argmax(axis=-1)
        }
        if "labels" in rows.column_names:
            labels, _ = pad_lists(rows["labels"], fill=IGNORE_INDEX, pad_to_multiple_of=1)
            following = np.full_like(labels, IGNORE_INDEX)
            following[:, :-1] = labels[:, 1:]
            kept = logits[:, : labels.shape[1]]
            found["log_likelihood"] = log_likelihoods(kept, following)
            found["num_right"] = (kept.argmax(axis=-1) == following).sum(axis=1)
        return found

    def metrics(
        self,
        predictions: pa.Table,
        rows: pa.Table,
        label_names: Sequence[str],  # noqa: ARG002
        weights: IntArray | None = None,
    ) -> dict[str, FloatArray]:
        """Perplexity and token accuracy; exact match and chrF of what is written.

        `exact_match` is the share of rows written as the reference, outer white space aside; chrF
        is from 0 to 100 (Popović, 2015). NaN are perplexity and token accuracy of predictions that
        are texts alone, such as a baseline's.
        """
        if "log_likelihood" in predictions.column_names:
            perplexity, accuracy = token_metrics(
                predictions["log_likelihood"].to_numpy(),
                predictions["num_right"].to_numpy(),
                predictions["num_tokens"].to_numpy(),
                weights,
            )
        else:
            undefined = np.full(1 if weights is None else len(weights), np.nan)
            perplexity, accuracy = undefined, undefined.copy()
        found = {"perplexity": perplexity, "token_accuracy": accuracy}
        if self._has_references:
            written = predictions["prediction"].to_pylist()
            wanted = self._references(rows)
            counts = row_weights(weights, len(written))
            same = np.array([one == other for one, other in zip(written, wanted, strict=True)])
            total = counts.sum(axis=1).astype(np.float64)
            found["exact_match"] = ratio(weighted_sums(counts, same.astype(np.float64)), total)
            kept = _chrf_statistics(tuple(written), tuple(wanted))
            found["chrf"] = chrf(weighted_sums(counts, kept))
        return found

    def _references(self, rows: pa.Table) -> list[str]:
        """What each row should be answered."""
        if self._options.form == "prompt":
            require_columns(rows, self.columns, needed_by=self.name)
            return [text.strip() for text in rows["target"].to_pylist()]
        return [
            next(
                (one["content"] for one in reversed(chat) if one["role"] == "assistant"), ""
            ).strip()
            for chat in rows["messages"].to_pylist()
        ]

    def example_scores(
        self,
        predictions: pa.Table,
        rows: pa.Table,  # noqa: ARG002
        label_names: Sequence[str],  # noqa: ARG002
    ) -> FloatArray:
        """The share of each row's tokens that are guessed right; 1 where there is none."""
        tokens = predictions["num_tokens"].to_numpy()
        right = np.where(tokens > 0, predictions["num_right"].to_numpy(), 1)
        scores: FloatArray = right / np.maximum(tokens, 1)
        return scores


def _following(labels: Tensor) -> Tensor:
    """For each place the token behind it, if it is learned, `[batch, length]`."""
    from torch.nn import functional

    return functional.pad(labels[:, 1:], (0, 1), value=IGNORE_INDEX)


@lru_cache(maxsize=8)
def _chrf_statistics(written: tuple[str, ...], wanted: tuple[str, ...]) -> FloatArray:
    """Counted once for all resamples of the same texts."""
    return chrf_statistics(written, wanted)
