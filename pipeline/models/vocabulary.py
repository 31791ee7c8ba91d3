"""Tokenizers trained on the train split: the same texts give the same vocabulary and ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pipeline.errors import DataError
from pipeline.models.subwords import repeated, subword_splitter, subwords

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.normalizers import Normalizer
    from tokenizers.pre_tokenizers import PreTokenizer
    from transformers import PreTrainedTokenizerFast

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""Ids 0 to 4 of every trained vocabulary."""

_ALPHABET_LIMIT = 1_000
_PREFIX = "##"


def train_tokenizer(
    texts: Iterable[str],
    *,
    kind: Literal["pretrained", "word", "character", "wordpiece", "bpe", "byte_bpe", "none"],
    vocab_size: int,
    lowercase: bool,
    special_tokens: bool | Literal["end"],
    token_types: bool = False,
) -> PreTrainedTokenizerFast:
    """Trains a tokenizer; equally frequent tokens are taken in the order of their characters.

    Args:
        texts: The texts of the train split.
        kind: `word`: what white space separates; `character`: every character but white space;
            `wordpiece`: BERT's words in pieces (Schuster and Nakajima, 2012); `bpe`: see
            `pipeline.models.subwords`; `byte_bpe`: bytes
            merged to words, white space included (Radford et al., 2019), so that every text is
            known and can be written back.
        vocab_size: Largest vocabulary, special tokens included; of byte_bpe 261 at least.
        lowercase: Whether text is lower-cased first.
        special_tokens: Whether [CLS] and [SEP] frame a text; end: only [SEP] behind it. All five
            special tokens are in the vocabulary in any case.
        token_types: Whether the model is told which of two texts a token is of.

    Raises:
        DataError: If the texts hold no word.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    normalizer: Normalizer | None
    splitter: PreTokenizer
    if kind == "byte_bpe":
        splitter = pre_tokenizers.ByteLevel(add_prefix_space=False)
        normalizer = normalizers.Lowercase() if lowercase else None
    else:
        normalizer, splitter = _text_steps(kind, lowercase=lowercase)
    counts = _count_words(texts, normalizer, splitter)
    if not counts:
        raise DataError(
            "the train split holds no word to make a vocabulary from",
            remedy="check data.columns.text, and that cleaning does not empty every text",
        )
    if kind == "bpe":
        tokenizer = subwords(counts, vocab_size, SPECIAL_TOKENS)
        tokenizer.decoder = decoders.Metaspace()
    elif kind == "byte_bpe":
        tokenizer = _byte_pairs(counts, vocab_size)
        tokenizer.decoder = decoders.ByteLevel()
    elif kind == "wordpiece":
        pieces = _word_pieces(counts, vocab_size)
        tokenizer = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))  # noqa: S106
        tokenizer.decoder = decoders.WordPiece(prefix=_PREFIX)
    else:
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        words = [word for word in ranked if word not in SPECIAL_TOKENS]
        kept = [*SPECIAL_TOKENS, *words[: vocab_size - len(SPECIAL_TOKENS)]]
        vocabulary = {word: number for number, word in enumerate(kept)}
        tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))  # noqa: S106
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    if special_tokens:
        begin = "" if special_tokens == "end" else "[CLS] "
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{begin}$A [SEP]",
            pair=f"{begin}$A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
        )
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if token_types else [])]
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_input_names=names,
        pad_token="[PAD]",  # noqa: S106
        unk_token="[UNK]",  # noqa: S106
        cls_token="[CLS]",  # noqa: S106
        sep_token="[SEP]",  # noqa: S106
        mask_token="[MASK]",  # noqa: S106
        bos_token="[CLS]",  # noqa: S106
        eos_token="[SEP]",  # noqa: S106
    )


def _text_steps(kind: str, *, lowercase: bool) -> tuple[Normalizer | None, PreTokenizer]:
    """How text is normalised and cut into words."""
    from tokenizers import Regex, normalizers, pre_tokenizers

    if kind == "wordpiece":
        return normalizers.BertNormalizer(lowercase=lowercase), pre_tokenizers.BertPreTokenizer()
    if kind == "bpe":
        return normalizers.Lowercase() if lowercase else None, subword_splitter()
    steps: list[PreTokenizer] = [pre_tokenizers.WhitespaceSplit()]
    if kind == "character":
        steps.append(pre_tokenizers.Split(Regex("."), "isolated"))
    return normalizers.Lowercase() if lowercase else None, pre_tokenizers.Sequence(steps)


def _count_words(
    texts: Iterable[str], normalizer: Normalizer | None, splitter: PreTokenizer
) -> Counter[str]:
    """How often each word of the texts occurs."""
    counts: Counter[str] = Counter()
    for text in texts:
        normal = text if normalizer is None else normalizer.normalize_str(text)
        counts.update(word for word, _ in splitter.pre_tokenize_str(normal))
    return counts


def _word_pieces(counts: Counter[str], vocab_size: int) -> dict[str, int]:
    """Trains WordPiece on counted words.

    The trainer numbers characters in the order of a hash table that differs between processes, and
    ids break its ties. Naming the whole alphabet up front, in order, takes that freedom away.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for character in word:
            characters[character] += count
    limit = min(_ALPHABET_LIMIT, max((vocab_size - len(SPECIAL_TOKENS)) // 2, 1))
    ranked = sorted(characters, key=lambda character: (-characters[character], character))
    alphabet = sorted(ranked[:limit])
    named = [*SPECIAL_TOKENS, *alphabet, *(_PREFIX + character for character in alphabet)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        special_tokens=named,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        continuing_subword_prefix=_PREFIX,
    )
    scratch: Tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106
    scratch.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    scratch.train_from_iterator(repeated(counts), trainer)
    return dict(scratch.get_vocab())


def _byte_pairs(counts: Counter[str], vocab_size: int) -> Tokenizer:
    """Trains byte pairs on counted words; all 256 bytes are known, seen or not."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer: Tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.train_from_iterator(repeated(counts), trainer)
    return tokenizer
