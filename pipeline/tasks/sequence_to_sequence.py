"""Text to text, such as translation and summarisation: an encoder reads, a decoder writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pipeline.config.base import Count, Probability, Section
from pipeline.metrics.translation import Tokenization, signatures
from pipeline.metrics.weighting import ratio, row_weights, weighted_sums
from pipeline.tasks.base import (
    IGNORE_INDEX,
    TEXT,
    Arrays,
    Column,
    ExportSpec,
    FloatArray,
    IntArray,
    MetricSpec,
    ModelSource,
)
from pipeline.tasks.columns import input_columns, pad_lists, pad_text, require_columns
from pipeline.tasks.encoder_decoder import EncoderDecoder, WritingOptions
from pipeline.tasks.encoder_decoder_export import encoder_decoder_spec, token_inputs
from pipeline.tasks.generation import Search, search_of
from pipeline.tasks.text_measures import (
    EMPTY,
    SPECS,
    Measure,
    guess_tokenization,
    sentence_scores,
    text_metrics,
)
from pipeline.tasks.text_to_text import (
    encode_sources,
    encode_targets,
    joined_lengths,
    language_id,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pipeline.tasks.processor import Processor

TARGET = Column("target", "text", is_target=True)
PERPLEXITY = MetricSpec("perplexity", higher_is_better=False, test="bootstrap")


class Options(WritingOptions):
    """What a user may choose."""

    measures: tuple[Measure, ...] = Field(default=("bleu", "chrf", "ter"), min_length=1)
    """Metrics of the written texts; the first selects checkpoints (of rouge, ROUGE-L)."""
    tokenization: Tokenization | Literal["auto"] = "auto"
    """sacreBLEU's tokenization, for BLEU and TER; auto: zh for Chinese targets, char for Japanese
    ones, 13a for all others."""
    source_prefix: str = ""
    """Stands before each source, such as T5's `translate English to German: `."""
    source_language: str | None = None
    """Code of the sources' language, for checkpoints of many languages: `en_XX` (mBART),
    `eng_Latn` (NLLB)."""
    target_language: str | None = None
    """Code of the targets' language, likewise."""
    target_max_length: Count | None = None
    """Longest target in tokens; by default model.max_length."""
    label_smoothing: Probability = 0.1
    """Share of each target token that is spread evenly over the vocabulary."""


class SequenceToSequence(EncoderDecoder):
    """A text for each text, from an encoder-decoder model with a language-model head.

    In training the decoder sees the target shifted by one, as the model itself shifts it. Batches
    count the tokens of source and target.
    """

    Options: ClassVar[type[Section]] = Options
    name: ClassVar[str] = "sequence_to_sequence"
    columns: tuple[Column, ...] = (TEXT, TARGET)

    def __init__(self, options: Section) -> None:
        assert isinstance(options, Options)
        super().__init__(options)
        self._options = options
        self._tokenization = options.tokenization

    @property
    def metric_specs(self) -> tuple[MetricSpec, ...]:
        """Those of the measures asked for, the share of empty outputs, and perplexity."""
        asked = dict.fromkeys(self._options.measures)
        return (*(spec for one in asked for spec in SPECS[one]), EMPTY, PERPLEXITY)

    @property
    def primary_metric(self) -> MetricSpec:
        """That of the first measure."""
        return self.metric_specs[0]

    def encode(
        self,
        rows: pa.Table,
        processor: Processor,
        label_names: Sequence[str],  # noqa: ARG002
        *,
        max_length: int,
    ) -> pa.Table:
        """Token ids of sources, and of targets where rows have them.

        Returns:
            `length` (int32, tokens of both after cutting), `input_ids`, `num_tokens` and
            `num_unknown` of the source, and `labels` (list<int32>) and `num_target_tokens` (int32,
            before cutting).
        """
        require_columns(rows, input_columns(self.columns), needed_by=self.name)
        options = self._options
        encoded = encode_sources(
            processor,
            rows["text"],
            prefix=options.source_prefix,
            language=options.source_language,
            max_length=max_length,
        )
        if TARGET.name not in rows.column_names:
            return encoded
        targets = encode_targets(
            processor,
            rows[TARGET.name],
            language=options.target_language,
            max_length=options.target_max_length or max_length,
        )
        encoded = encoded.set_column(0, "length", joined_lengths(encoded, targets))
        for name in targets.column_names:
            encoded = encoded.append_column(name, targets[name])
        return encoded

    def collate(self, rows: pa.Table, *, pad_token_id: int, pad_to_multiple_of: int) -> Arrays:
        """`input_ids`, `attention_mask` `[batch, source]`, and `labels` `[batch, target]`."""
        batch = pad_text(rows, pad_token_id, pad_to_multiple_of)
        if "labels" in rows.column_names:
            batch["labels"], _ = pad_lists(
                rows["labels"], fill=IGNORE_INDEX, pad_to_multiple_of=pad_to_multiple_of
            )
        return batch

    def build_model(
        self,
        source: ModelSource,
        label_names: Sequence[str],  # noqa: ARG002
    ) -> PreTrainedModel:
        """An encoder-decoder model that `transformers` alone generates with in the same way."""
        model = source.load_model("seq2seq_lm")
        self.write_alike(model)
        return model

    def fit(self, train: pa.Table, label_names: Sequence[str]) -> None:  # noqa: ARG002
        """Chooses what BLEU counts by the script of the targets, where that is left open."""
        if self._options.tokenization == "auto":
            self._tokenization = guess_tokenization(train[TARGET.name].to_pylist())

    def state(self) -> dict[str, Any]:
        """What BLEU and TER count, and the metrics' full names in sacreBLEU."""
        found = signatures(self._counted)
        kept = {name: found[name] for name in self._options.measures if name in found}
        return {"tokenization": self._counted, "signatures": kept}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes what `fit` chose."""
        self._tokenization = state.get("tokenization", self._tokenization)

    def search(self, model: PreTrainedModel) -> Search:
        """How texts are searched for; in many languages, the target's comes first."""
        tokenizer = self.processor.tokenizer
        prompt: tuple[int, ...] = ()
        if self._options.target_language is not None:
            key = "task.options.target_language"
            prompt = (language_id(tokenizer, self._options.target_language, key),)
        return search_of(
            model,
            self._options.generation,
            pad_token_id=self.processor.pad_token_id,
            prompt=prompt,
        )

    def metrics(
        self,
        predictions: pa.Table,
        rows: pa.Table,
        label_names: Sequence[str],  # noqa: ARG002
        weights: IntArray | None = None,
    ) -> dict[str, FloatArray]:
        """Metrics of the texts, and perplexity: e to the mean loss of a target token.

        NaN is the perplexity of predictions without losses, such as a baseline's.
        """
        require_columns(rows, (TARGET,), needed_by=self.name)
        found = text_metrics(
            predictions["prediction"].to_pylist(),
            rows[TARGET.name].to_pylist(),
            tuple(dict.fromkeys(self._options.measures)),
            self._counted,
            weights,
        )
        counts = row_weights(weights, rows.num_rows)
        if "loss" in predictions.column_names and "labels" in rows.column_names:
            tokens = pc.list_value_length(rows["labels"]).to_numpy().astype(np.float64)
            losses = predictions["loss"].to_numpy() * tokens
            mean = ratio(weighted_sums(counts, losses), weighted_sums(counts, tokens))
            found[PERPLEXITY.name] = np.exp(mean)
        else:
            found[PERPLEXITY.name] = np.full(len(counts), np.nan)
        return found

    def example_scores(
        self,
        predictions: pa.Table,
        rows: pa.Table,
        label_names: Sequence[str],  # noqa: ARG002
    ) -> FloatArray:
        """The chrF of each text as a share, `[rows]`."""
        require_columns(rows, (TARGET,), needed_by=self.name)
        return sentence_scores(predictions["prediction"].to_pylist(), rows[TARGET.name].to_pylist())

    def export_spec(self, model: PreTrainedModel) -> ExportSpec:
        """A graph of the encoder, one of the decoder, and the search."""
        return encoder_decoder_spec(model, self.search(model), token_inputs())

    @property
    def _counted(self) -> Tokenization:
        return "13a" if self._tokenization == "auto" else self._tokenization
