"""Checks of encoded rows: what was cut, what the tokenizer does not know, misaligned entities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.data import QualityConfig, Threshold
from pipeline.data.quality.checks import NUM_EXAMPLES
from pipeline.data.quality.finding import Finding, count_of, finding, show
from pipeline.data.quality.scripts import guess_language
from pipeline.data.quality.statistics import SplitStatistics


def truncated(
    statistics: Mapping[str, SplitStatistics], max_length: int, config: QualityConfig
) -> Finding:
    """Rows longer than `max_length`, whose end the model never sees."""
    by_split = {
        name: numbers.truncated_rows / numbers.rows if numbers.rows else 0.0
        for name, numbers in statistics.items()
    }
    rows = sum(numbers.rows for numbers in statistics.values())
    cut = sum(numbers.truncated_rows for numbers in statistics.values())
    share = cut / rows if rows else 0.0
    longest = max((numbers.lengths["p99"] for numbers in statistics.values()), default=0)
    return finding(
        "truncated_share",
        f"Cut at {max_length} tokens",
        share,
        config.truncated_share,
        message=f"{count_of(cut, 'row')} ({show(share, 'share')}) longer than model.max_length="
        f"{max_length}: the end is lost.",
        advice=f"Set model.max_length to {int(longest)} to keep 99 % of the rows whole, as far as "
        "the checkpoint allows; longer rows cost more time and memory.",
        by_split=by_split,
    )


def unknown_tokens(
    statistics: Mapping[str, SplitStatistics],
    tokenizer: str,
    config: QualityConfig,
    *,
    trained: bool,
) -> Finding:
    """Tokens outside the vocabulary: a tokenizer of another language reads noise.

    Args:
        statistics: Numbers of each split.
        tokenizer: Which tokenizer encoded the text, in words.
        config: Thresholds.
        trained: Whether its vocabulary was made from the train split. It then fits the language,
            and what it does not know are rare words, so it is a warning at most.
    """
    by_split = {
        name: numbers.unknown_tokens / numbers.tokens if numbers.tokens else 0.0
        for name, numbers in statistics.items()
    }
    tokens = sum(numbers.tokens for numbers in statistics.values())
    share = sum(numbers.unknown_tokens for numbers in statistics.values()) / max(tokens, 1)
    scripts = statistics["train"].scripts if "train" in statistics else {}
    language = guess_language(scripts)
    message = f"The tokenizer of {tokenizer} does not know {show(share, 'share')} of the tokens."
    advice = "Look at texts with rare characters (data.cleaning has the step `unicode`)."
    threshold = config.unknown_token_share
    if trained:
        threshold = Threshold(warn=threshold.warn)
        advice = (
            "The vocabulary was made from the train split and leaves rare words out: raise "
            "model.tokenizer.vocab_size, or choose model.tokenizer.kind=wordpiece."
        )
    elif share > 0.1 and language is not None:
        script, part = next(iter(scripts.items()))
        message = (
            f"THE TOKENIZER DOES NOT FIT THE TEXT: that of {tokenizer} does not know "
            f"{show(share, 'share')} of the tokens. {part:.0%} of the letters are {script}, so the "
            f"text seems to be {language}."
        )
        advice = (
            f"Choose a checkpoint whose vocabulary covers {language}"
            + (
                " (for Chinese: model=bert_base_chinese or model=ernie_zh)"
                if script == "Han"
                else ""
            )
            + ", or train a tokenizer with the model from scratch: a model learns little from "
            "tokens that it cannot tell apart."
        )
    return finding(
        "unknown_token_share",
        "Unknown tokens",
        share,
        threshold,
        message=message,
        advice=advice,
        by_split=by_split,
    )


def tokens_per_character(
    statistics: Mapping[str, SplitStatistics], tokenizer: str, *, trained: bool
) -> Finding:
    """More tokens than characters: the vocabulary falls back to bytes, as for a foreign script.

    Args:
        statistics: Numbers of each split.
        tokenizer: Which tokenizer encoded the text, in words.
        trained: Whether its vocabulary was made from the train split: it then covers the text, and
            short texts of single characters have more tokens with those at their ends.
    """
    by_split = {
        name: numbers.tokens / numbers.characters if numbers.characters else 0.0
        for name, numbers in statistics.items()
    }
    value = max(by_split.values(), default=0.0)
    scripts = statistics["train"].scripts if "train" in statistics else {}
    falls_back = value > 1 and not trained
    return Finding(
        check="tokens_per_character",
        title="Tokens per character",
        severity="warning" if falls_back else "ok",
        value=value,
        kind="ratio",
        message=f"The tokenizer of {tokenizer} makes {value:.2f} tokens of a character"
        + (
            f": its vocabulary does not cover the text, which seems to be "
            f"{guess_language(scripts) or 'no language'}, and spells it in bytes."
            if falls_back
            else "."
        ),
        advice="Choose a checkpoint trained on this language: it reads the same text in a fraction "
        "of the tokens, hence faster and better."
        if falls_back
        else "",
        by_split=by_split,
    )


def misaligned_entities(splits: Mapping[str, pa.Table], config: QualityConfig) -> Finding | None:
    """Entities whose ends lie inside a token, so that no sequence of token labels is exact.

    Returns:
        None for tables without the columns `entities` and `offsets`.
    """
    if not all({"entities", "offsets"} <= set(table.column_names) for table in splits.values()):
        return None
    by_split: dict[str, float] = {}
    examples: list[dict[str, object]] = []
    total = wrong = 0
    for name, table in splits.items():
        entities = bad = 0
        for rows in table.select(["id", "text", "entities", "offsets"]).to_batches():
            entities += len(pc.list_flatten(rows["entities"]))
            for case in _inside_tokens(rows):
                bad += 1
                if len(examples) < NUM_EXAMPLES:
                    examples.append({"split": name, **case})
        by_split[name] = bad / entities if entities else 0.0
        total, wrong = total + entities, wrong + bad
    share = wrong / total if total else 0.0
    return finding(
        "misaligned_share",
        "Misaligned entities",
        share,
        config.misaligned_share,
        message=f"{wrong:,} of {count_of(total, 'entity')} ({show(share, 'share')}) with an end "
        "inside a token.",
        advice="Check data.format.span_end (is the end inclusive in the file?) and whether "
        "cleaning moved characters; a tokenizer with shorter tokens, such as "
        "model.tokenizer.kind=character, helps where words are not separated.",
        by_split=by_split,
        examples=examples,
    )


def _inside_tokens(rows: pa.RecordBatch) -> Iterator[dict[str, object]]:
    """The entities that begin or end strictly inside a token, its outer spaces not counted."""
    places = rows["offsets"].flatten().to_numpy()
    row_of_token = np.repeat(
        np.arange(rows.num_rows), rows["offsets"].value_lengths().to_numpy() // 2
    )
    begins, ends = places[0::2].astype(np.int64), places[1::2].astype(np.int64)
    real = ends > begins
    token_keys = (row_of_token[real].astype(np.int64) << 32) + begins[real]
    token_ends = (row_of_token[real].astype(np.int64) << 32) + ends[real]
    entities = rows["entities"].flatten()
    row_of_entity = np.repeat(
        np.arange(rows.num_rows), rows["entities"].value_lengths().to_numpy()
    ).astype(np.int64)
    starts = pc.struct_field(entities, "start").to_numpy().astype(np.int64)
    stops = pc.struct_field(entities, "end").to_numpy().astype(np.int64)

    suspects: set[int] = set()
    for edges, is_start in ((starts, True), (stops, False)):
        keys = (row_of_entity << 32) + edges
        # The last token that begins before the edge holds it, unless it ends there or before.
        token = np.searchsorted(token_keys, keys, side="left") - 1
        inside = (token >= 0) & (token_ends[token] > keys)
        for number in np.flatnonzero(inside).tolist():
            row, edge = int(row_of_entity[number]), int(edges[number])
            text = rows["text"][row].as_py()
            begin = int(token_keys[token[number]] & 0xFFFFFFFF)
            end = int(token_ends[token[number]] & 0xFFFFFFFF)
            if not (text[begin:edge] if is_start else text[edge:end]).isspace():
                suspects.add(number)
    for number in sorted(suspects):
        row = int(row_of_entity[number])
        text = rows["text"][row].as_py()
        start, stop = int(starts[number]), int(stops[number])
        yield {
            "id": rows["id"][row].as_py(),
            "entity": text[start:stop],
            "text": f"…{text[max(0, start - 20) : start]}[{text[start:stop]}]"
            f"{text[stop : stop + 20]}…",
        }
