"""Sources and targets to token ids, in the form that a checkpoint was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import ConfigError, Problem, did_you_mean
from pipeline.tasks.batch_encoding import encode_texts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from pipeline.tasks.processor import Processor

_OPTIONS = "task.options"


def encode_sources(
    processor: Processor,
    texts: pa.ChunkedArray,
    *,
    prefix: str,
    language: str | None,
    max_length: int,
) -> pa.Table:
    """Encodes what is read; see `encode_texts`.

    Args:
        processor: Has the tokenizer.
        texts: Strings, `[rows]`.
        prefix: Stands before each text.
        language: Code of the texts' language, for a tokenizer of many; None for any other.
        max_length: Most tokens that a row keeps, the prefix included.

    Raises:
        ConfigError: If the tokenizer knows no languages, or not this one.
    """
    tokenizer: Any = processor.tokenizer
    if language is not None:
        language_id(tokenizer, language, f"{_OPTIONS}.source_language")
        tokenizer.src_lang = language
    if prefix:
        texts = pc.binary_join_element_wise(pa.scalar(prefix), texts, "")
    return encode_texts(tokenizer, texts, max_length=max_length)


def encode_targets(
    processor: Processor, texts: pa.ChunkedArray, *, language: str | None, max_length: int
) -> pa.Table:
    """Encodes what is to be written, its end included.

    Args:
        processor: Has the tokenizer.
        texts: Strings, `[rows]`.
        language: Code of the texts' language, for a tokenizer of many; None for any other.
        max_length: Most tokens that a row keeps.

    Returns:
        `labels` (list<int32>) and `num_target_tokens` (int32, before cutting).

    Raises:
        ConfigError: If the tokenizer knows no languages, or not this one, or ends no text: a model
            would never learn to stop.
    """
    tokenizer: Any = processor.tokenizer
    if language is not None:
        language_id(tokenizer, language, f"{_OPTIONS}.target_language")
        tokenizer.tgt_lang = language
    with _target_mode(tokenizer):
        encoded = encode_texts(tokenizer, texts, max_length=max_length)
    _check_end(encoded["input_ids"], tokenizer)
    return pa.table({"labels": encoded["input_ids"], "num_target_tokens": encoded["num_tokens"]})


@contextmanager
def _target_mode(tokenizer: Any) -> Iterator[None]:
    """Has targets encoded, where transformers' tokenizer does so in another way than sources.

    One of many languages needs the target's for that.
    """
    switch = getattr(tokenizer, "_switch_to_target_mode", None)
    if switch is None or getattr(tokenizer, "tgt_lang", "") is None:
        yield
        return
    switch()
    try:
        yield
    finally:
        tokenizer._switch_to_input_mode()


def language_id(tokenizer: PreTrainedTokenizerFast, language: str, key: str) -> int:
    """The token that stands for a language.

    Raises:
        ConfigError: If the tokenizer has no languages, or not this one.
    """
    found = tokenizer.convert_tokens_to_ids(language)
    has_languages = hasattr(tokenizer, "src_lang")
    if has_languages and isinstance(found, int) and found != tokenizer.unk_token_id:
        return found
    if not has_languages:
        why = "this model's tokenizer has no tokens for languages"
        remedy = (
            "leave it out; where the model wants an instruction, set task.options.source_prefix"
        )
    else:
        why = f"this model's tokenizer has no language {language!r}"
        remedy = did_you_mean(language, [str(one) for one in tokenizer.all_special_tokens])
    raise ConfigError([Problem(key, why, remedy=remedy)])


def _check_end(ids: pa.ChunkedArray, tokenizer: PreTrainedTokenizerFast) -> None:
    first = ids[0].as_py() if len(ids) else []
    if first and tokenizer.eos_token_id not in first[-2:]:
        raise ConfigError(
            [
                Problem(
                    "model",
                    "its tokenizer does not end a text with an end token, so a model could not "
                    "learn where to stop writing",
                    remedy="choose a model that was made to write from texts, such as "
                    "model=seq2seq_scratch or a T5, BART or Marian checkpoint",
                )
            ]
        )


def joined_lengths(sources: pa.Table, targets: pa.Table) -> pa.Array:
    """Tokens of source and target together, after cutting, `[rows]` int32."""
    ours = pc.list_value_length(targets["labels"]).to_numpy()
    return pa.array((sources["length"].to_numpy() + ours).astype(np.int32))
