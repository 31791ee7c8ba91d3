"""How text becomes tokens: a checkpoint's own tokenizer, or one trained on the train split."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.model import ModelConfig
from pipeline.errors import CheckpointError, ConfigError, Problem
from pipeline.models.locate import locate, read_json_object, read_model_config

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_BERT_LIKE = frozenset({"bert", "ernie", "distilbert", "electra"})
_BERT_CLASSES = frozenset({"BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer"})
_GPT2_CLASSES = frozenset({"GPT2Tokenizer", "GPT2TokenizerFast"})
_PLAIN_CLASSES = frozenset({"PreTrainedTokenizerFast", "TokenizersBackend"})
_NOT_FOR_SAVING = (
    "is_local",
    "local_files_only",
    "max_length",
    "name_or_path",
    "pad_to_multiple_of",
    "stride",
    "truncation_strategy",
)


def make_tokenizer(
    model: ModelConfig, *, root: Path, train_texts: Iterable[str]
) -> PreTrainedTokenizerFast:
    """Makes the tokenizer that the model's section describes; torch is not imported.

    Args:
        model: The section `model` of the config.
        root: The directory that relative paths start from.
        train_texts: The texts of the train split, cleaned; read only if a vocabulary is trained.

    Returns:
        A fast tokenizer with a padding token, padding on the right, neither padding nor truncating
        by itself, and with `model_max_length` equal to `model.max_length`.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged or has no usable tokenizer.
        ConfigError: If tokenizer, checkpoint and `max_length` contradict each other.
        DataError: If the train split gives no vocabulary.
    """
    from pipeline.models.architectures.sizes import has_token_types
    from pipeline.models.vocabulary import train_tokenizer

    options = model.tokenizer
    if model.checkpoint.source == "scratch":
        tokenizer = train_tokenizer(
            train_texts,
            kind=options.kind,
            vocab_size=options.vocab_size,
            lowercase=options.lowercase,
            special_tokens=options.special_tokens,
            token_types=has_token_types(model.architecture),
        )
    elif options.kind != "pretrained":
        raise ConfigError(
            [
                Problem(
                    "model.tokenizer.kind",
                    f"{options.kind!r} trains a new vocabulary, whose ids mean nothing to the "
                    f"pretrained weights of {model.checkpoint.location}",
                    remedy="set it to pretrained, or checkpoint.source to scratch",
                )
            ]
        )
    else:
        directory = locate(model.checkpoint, root=root, weights=False)
        tokenizer = load_tokenizer(directory)
        _check_fit(tokenizer, read_model_config(directory), directory, model.max_length)
    tokenizer.model_max_length = model.max_length
    return tokenizer


def load_tokenizer(directory: Path) -> PreTrainedTokenizerFast:
    """Loads the tokenizer of a checkpoint, of `outputs/dataset/tokenizer` or of a trained model.

    The tokenizer's class is chosen as transformers' AutoTokenizer chooses it, but AutoTokenizer is
    only imported (with torch) for classes that are unknown here. Where there is no padding token,
    the end-of-text token pads (GPT-2).

    Raises:
        CheckpointError: If its files are missing or damaged.
    """
    try:
        tokenizer = _tokenizer_class(directory).from_pretrained(
            str(directory), local_files_only=True, trust_remote_code=False
        )
    except CheckpointError:
        raise
    except Exception as error:  # tokenizers raises bare Exception for damaged files
        raise CheckpointError(
            f"the tokenizer in {directory} cannot be read: {str(error).splitlines()[0]}",
            remedy="fetch the checkpoint again, with tokenizer.json or its vocabulary files",
        ) from error
    if not tokenizer.is_fast:
        raise CheckpointError(
            f"{directory} holds a {type(tokenizer).__name__}, which has no fast version",
            remedy="choose a checkpoint with a tokenizer.json",
        )
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise CheckpointError(
                f"the tokenizer in {directory} has neither a padding nor an end-of-text token",
                remedy="add pad_token to its tokenizer_config.json",
            )
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "right"
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    for key in _NOT_FOR_SAVING:
        tokenizer.init_kwargs.pop(key, None)
    return tokenizer  # type: ignore[no-any-return]


def _tokenizer_class(directory: Path) -> Any:
    """The class that loads a directory's tokenizer, without torch where that is possible."""
    from transformers import BertTokenizer, GPT2Tokenizer, PreTrainedTokenizerFast

    if (directory / "source.spm").is_file():
        from pipeline.models.marian_tokenizer import MarianFastTokenizer

        return MarianFastTokenizer
    settings = directory / "tokenizer_config.json"
    name = read_json_object(settings).get("tokenizer_class") if settings.is_file() else None
    has_json = (directory / "tokenizer.json").is_file()
    model_type = None
    if name is None and (directory / "config.json").is_file():
        model_type = read_model_config(directory)["model_type"]
    if name in _PLAIN_CLASSES and has_json:
        return PreTrainedTokenizerFast
    if name in _BERT_CLASSES or model_type in _BERT_LIKE:
        _require(directory, ("tokenizer.json", "vocab.txt"))
        return BertTokenizer
    if name in _GPT2_CLASSES or model_type == "gpt2":
        _require(directory, ("tokenizer.json", "vocab.json"))
        return GPT2Tokenizer
    from transformers import AutoTokenizer

    return AutoTokenizer


def _require(directory: Path, names: tuple[str, ...]) -> None:
    """Refuses a directory without vocabulary, for which transformers would invent an empty one."""
    if not any((directory / name).is_file() for name in names):
        raise CheckpointError(
            f"{directory} has no tokenizer: {' and '.join(names)} are both missing",
            remedy="fetch the checkpoint again, with its tokenizer's files",
        )


def _check_fit(
    tokenizer: PreTrainedTokenizerFast, config: dict[str, Any], directory: Path, max_length: int
) -> None:
    """Refuses ids and positions that the model has no embedding for."""
    vocab_size = config.get("vocab_size")
    if isinstance(vocab_size, int) and len(tokenizer) > vocab_size:
        raise CheckpointError(
            f"the tokenizer in {directory} has {len(tokenizer)} tokens, but config.json says "
            f"vocab_size {vocab_size}: the model has no embedding for the others",
            remedy="take tokenizer and weights from the same checkpoint",
        )
    positions = config.get("max_position_embeddings", config.get("n_positions"))
    if isinstance(positions, int) and max_length > positions:
        raise ConfigError(
            [
                Problem(
                    "model.max_length",
                    f"{max_length} is more than the {positions} positions of this checkpoint",
                    remedy=f"set model.max_length to {positions} or less",
                )
            ]
        )
