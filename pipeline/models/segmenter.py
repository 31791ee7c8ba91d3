"""Cuts texts as a sentencepiece model does, with the `tokenizers` library alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import CheckpointError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_UNIGRAM = 1
_NORMAL, _USER_DEFINED = 1, 4
_SPACE = "▁"


def read_segmenter(path: Path, special_tokens: Sequence[str]) -> Tokenizer:
    """Makes a tokenizer whose tokens are the pieces of a sentencepiece model of kind unigram.

    Its ids are the model's own. Characters without a piece are one token for each run of them.

    Args:
        path: The model's file, such as `source.spm`.
        special_tokens: Tokens that are kept whole wherever a text has them.

    Raises:
        CheckpointError: If the file is missing or damaged, or is of a kind that is not supported.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

    proto = _read_proto(path)
    options = proto.normalizer_spec
    steps: list[Any] = []
    if options.precompiled_charsmap:
        steps.append(normalizers.Precompiled(options.precompiled_charsmap))
    if options.remove_extra_whitespaces:
        outer, inner = Regex(r"\A +| +\z"), Regex(" {2,}")
        steps += [normalizers.Replace(outer, ""), normalizers.Replace(inner, " ")]
    if options.add_dummy_prefix:
        steps.append(normalizers.Prepend(" "))
    steps.append(normalizers.Replace(" ", _SPACE))
    pieces = _scored_pieces(proto)
    cutter = Tokenizer(models.Unigram(pieces, unk_id=proto.trainer_spec.unk_id))
    cutter.normalizer = normalizers.Sequence(steps)
    if not any(_SPACE in piece[1:] for piece, _ in pieces):
        cutter.pre_tokenizer = pre_tokenizers.Split(_SPACE, "merged_with_next")
    cutter.add_special_tokens([AddedToken(one, normalized=False) for one in special_tokens])
    return cutter


def _read_proto(path: Path) -> Any:
    """The parsed file."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from transformers.convert_slow_tokenizer import import_protobuf

    proto: Any = import_protobuf().ModelProto()  # type: ignore[no-untyped-call]
    try:
        proto.ParseFromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise CheckpointError(
            f"{path} is not a sentencepiece model: {error}", remedy="fetch the checkpoint again"
        ) from error
    trainer = proto.trainer_spec
    suffix = trainer.treat_whitespace_as_suffix
    if trainer.model_type != _UNIGRAM or trainer.byte_fallback or suffix or not proto.pieces:
        raise CheckpointError(
            f"{path} is a sentencepiece model of a kind that is not supported: only unigram models "
            "without bytes, whose pieces begin with the space before them, are",
            remedy="choose another checkpoint",
        )
    return proto


def _scored_pieces(proto: Any) -> list[tuple[str, float]]:
    """Pieces and log probabilities; those that no text can have never match one.

    A piece that the user defined always wins, as in sentencepiece's `PopulateNodes`.
    source: https://github.com/google/sentencepiece/blob/master/src/unigram_model.cc
    """
    normal = [piece.score for piece in proto.pieces if piece.type == _NORMAL]
    least, most = min(normal, default=0.0), max(normal, default=0.0)
    found = []
    for piece in proto.pieces:
        if piece.type == _NORMAL:
            found.append((piece.piece, piece.score))
        elif piece.type == _USER_DEFINED:
            found.append((piece.piece, len(piece.piece) * most - 0.1))
        else:
            found.append((f" {piece.piece}", least))
    return found
