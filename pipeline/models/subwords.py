"""Words in pieces that can be put together again: for models that write in several scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import PreTokenizer

MARK = "▁"
"""Stands for the space before a word (Kudo and Richardson, 2018)."""

_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}]"
_PUNCTUATION = rf"[^\w\s{MARK}]"


def subword_splitter() -> PreTokenizer:
    """Cuts text into words with their space marked; Chinese and Japanese into characters.

    Punctuation stands alone. Joined again, with marks as spaces, the parts are the text, but for
    space at its ends.
    """
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="always"),
            pre_tokenizers.Split(Regex(_UNSPACED), "isolated"),
            pre_tokenizers.Split(Regex(_PUNCTUATION), "isolated"),
        ]
    )


def subwords(counts: Counter[str], vocab_size: int, special_tokens: Sequence[str]) -> Tokenizer:
    """Trains byte-pair encoding on characters (Sennrich et al., 2016).

    Characters beyond half of the vocabulary, the rarest, are unknown. Equal words in equal numbers
    give the same vocabulary in every process: the alphabet is named up front, in order.

    Args:
        counts: How often each part of `subword_splitter` occurs.
        vocab_size: Largest vocabulary, special tokens included.
        special_tokens: The first ids; the second of them stands for what is unknown.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    characters: Counter[str] = Counter({MARK: 1})
    for word, count in counts.items():
        for character in word:
            characters[character] += count
    ranked = sorted(characters, key=lambda character: (-characters[character], character))
    alphabet = sorted(ranked[: max((vocab_size - len(special_tokens)) // 2, 1)])
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        special_tokens=[*special_tokens, *alphabet],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
    )
    tokenizer: Tokenizer = Tokenizer(models.BPE(unk_token=special_tokens[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.train_from_iterator(repeated(counts), trainer)
    learned = tokenizer.model
    fresh: Tokenizer = Tokenizer(learned)
    return fresh


def repeated(counts: Counter[str]) -> Iterable[str]:
    """The counted words again, each as often as it occurs, in a fixed order."""
    for word in sorted(counts):
        count = counts[word]
        while count > 0:
            part = min(count, 1_000)
            yield " ".join([word] * part)
            count -= part
