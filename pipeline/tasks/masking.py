"""Which tokens a masked language model has to guess, and what it sees in their place."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.config.base import Probability, Section
from pipeline.errors import ConfigError, Problem
from pipeline.tasks.base import IGNORE_INDEX, IntArray

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

UnitArray = npt.NDArray[np.float64]

_SHOWN_AS_MASK, _SHOWN_AS_OTHER = 0.8, 0.1
"""Shares of the guessed tokens (Devlin et al., 2019, section 3.1); the rest is shown as it is, so
that the model cannot rely on seeing which tokens are asked for."""


class MaskingOptions(Section):
    """How tokens are chosen."""

    probability: Probability = 0.15
    """Share of tokens, or words, to guess; at least one of each text. Special tokens and unknown
    ones are never asked for."""
    whole_words: bool = False
    """Whether all pieces of a word are masked together (Cui et al., 2019): words of Chinese are
    those of jieba, of other scripts what white space separates."""


class Vocabulary:
    """The ids that masking needs to know.

    Args:
        tokenizer: The model's.

    Raises:
        ConfigError: If it has no mask token.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        if tokenizer.mask_token_id is None:
            raise ConfigError(
                [
                    Problem(
                        "model",
                        "its tokenizer has no mask token, and a masked language model shows it in "
                        "place of what is to be guessed",
                        remedy="choose an encoder such as bert_scratch, or "
                        "task=causal_language_model",
                    )
                ]
            )
        self.mask_id = int(tokenizer.mask_token_id)
        special = set(tokenizer.all_special_ids)
        self.ordinary: IntArray = np.array(
            [number for number in range(len(tokenizer)) if number not in special], np.int64
        )
        """Ids that are no special tokens, ascending."""
        self.is_ordinary = np.zeros(len(tokenizer), np.bool_)
        self.is_ordinary[self.ordinary] = True


def fixed_masks(
    ids: npt.NDArray[np.int32],
    lengths: IntArray,
    words: npt.NDArray[np.int32],
    vocabulary: Vocabulary,
    probability: float,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Masks that depend on nothing but a row's own ids: the same in every run and every process.

    A row that shows the mask token already is left as it is: there is nothing to compare with.

    Args:
        ids: Of all rows, one after the other, `[tokens]`.
        lengths: Tokens of each row, `[rows]`.
        words: For each token the number of its word within its row, `[tokens]`.
        vocabulary: Knows special tokens.
        probability: Share of words to guess.

    Returns:
        What the model sees, and what it has to guess (elsewhere `IGNORE_INDEX`), `[tokens]` each.
    """
    rows = np.repeat(np.arange(len(lengths)), lengths)
    places = token_places(lengths)
    row_keys = np.zeros(len(lengths), np.uint64)
    np.add.at(row_keys, rows, _mixed(ids.astype(np.uint64) ^ _mixed(places.astype(np.uint64))))
    keys = row_keys[rows]
    may = vocabulary.is_ordinary[ids]
    may &= ~np.bincount(rows, ids == vocabulary.mask_id, len(lengths)).astype(bool)[rows]

    noise = np.where(may, _unit(keys, words, 1), 2.0)
    least = np.full(len(lengths), 2.0)
    np.minimum.at(least, rows, noise)
    chosen = may & ((noise < probability) | (noise == least[rows]))
    how = _unit(keys, places, 2)
    drawn = (_unit(keys, places, 3) * len(vocabulary.ordinary)).astype(np.int64)
    seen = np.where(
        how < _SHOWN_AS_MASK,
        vocabulary.mask_id,
        np.where(how < _SHOWN_AS_MASK + _SHOWN_AS_OTHER, vocabulary.ordinary[drawn], ids),
    )
    return (
        np.where(chosen, seen, ids).astype(np.int32),
        np.where(chosen, ids, IGNORE_INDEX).astype(np.int32),
    )


def random_masks(
    ids: Tensor, words: Tensor | None, vocabulary: Vocabulary, probability: float, seed: int
) -> tuple[Tensor, Tensor]:
    """Masks of a batch in training, drawn anew for each seed.

    Args:
        ids: Unmasked, `[batch, length]`.
        words: The number of each token's word within its row, `[batch, length]`; None where each
            token is one.
        vocabulary: Knows special tokens; padding is one of them.
        probability: Share of words to guess.
        seed: Below 2^64.

    Returns:
        What the model sees, and what it has to guess (elsewhere `IGNORE_INDEX`), like `ids`.
    """
    import torch

    chance = torch.Generator(ids.device).manual_seed(seed)
    noise, how = (torch.rand(ids.shape, generator=chance, device=ids.device) for _ in range(2))
    if words is not None:
        noise = noise.gather(1, words)
    ordinary = torch.from_numpy(vocabulary.ordinary).to(ids.device)
    may = torch.from_numpy(vocabulary.is_ordinary).to(ids.device)[ids]
    may &= ~(ids == vocabulary.mask_id).any(dim=1, keepdim=True)
    noise = noise.masked_fill(~may, 2.0)
    chosen = may & ((noise < probability) | (noise == noise.amin(dim=1, keepdim=True)))
    drawn = torch.randint(len(ordinary), ids.shape, generator=chance, device=ids.device)
    other = torch.where(how < _SHOWN_AS_MASK + _SHOWN_AS_OTHER, ordinary[drawn], ids)
    seen = torch.where(how < _SHOWN_AS_MASK, vocabulary.mask_id, other)
    return torch.where(chosen, seen, ids), torch.where(chosen, ids, IGNORE_INDEX)


def word_numbers(
    texts: Sequence[str], offsets: IntArray, lengths: IntArray
) -> npt.NDArray[np.int32]:
    """The number of each token's word within its row, `[tokens]`; below the row's length.

    Args:
        texts: The rows' texts.
        offsets: Start and end of each token in its text, `[tokens, 2]`.
        lengths: Tokens of each row, `[rows]`.
    """
    import jieba

    jieba.setLogLevel(logging.ERROR)
    found = np.zeros(len(offsets), np.int32)
    first = 0
    for text, length in zip(texts, lengths.tolist(), strict=True):
        starts = np.array([start for _, start, _ in jieba.tokenize(text)], np.int64)
        places = slice(first, first + length)
        words = np.searchsorted(starts, offsets[places, 0], side="right")
        found[places] = np.unique(words, return_inverse=True)[1]
        first += length
    return found


def token_places(lengths: IntArray) -> npt.NDArray[np.int32]:
    """The place of each token within its row, `[tokens]`, for rows of these lengths."""
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return (np.arange(int(lengths.sum())) - starts).astype(np.int32)


def _unit(keys: npt.NDArray[np.uint64], places: npt.NDArray[np.int32], use: int) -> UnitArray:
    """A number in [0, 1) for each key, place and use, as if drawn at random."""
    mixed = _mixed(keys + _mixed(places.astype(np.uint64) * np.uint64(4) + np.uint64(use)))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Stirs the bits of whole numbers: SplitMix64 (Steele, Lea and Flood, 2014)."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
