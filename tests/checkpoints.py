"""Tiny random checkpoints of every supported family, written as the hub would hold them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

WORDS = ["the", "match", "was", "won", "by", "home", "team", "in", "last", "minute"]
PIECES = ["<pad>", "</s>", "<unk>", "▁", *(f"▁{word}" for word in WORDS), *"abcdeghilmnorstuvwxy"]
BERT_VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *"球赛新闻"]


class MakeCheckpoint(Protocol):
    """What the fixture `make_checkpoint` gives."""

    def __call__(self, kind: str, name: str | None = None, **config: Any) -> Path:
        """Writes a checkpoint of a family that `write_checkpoint` knows under the test's directory.

        Args:
            kind: The family.
            name: The directory's name; by default the family's.
            **config: Entries of the model's config.
        """
        ...


def write_checkpoint(kind: str, directory: Path, **config: Any) -> Path:
    """Writes random weights, the same each time, a config and a tokenizer's files.

    Args:
        kind: bert, ernie, gpt2, distilbert, marian or t5.
        directory: Where to; made if missing.
        **config: Entries of the model's config.

    Returns:
        The directory.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _body(kind, config).save_pretrained(directory)
    if kind == "gpt2":
        _write_gpt2_tokenizer(directory)
    elif kind == "marian":
        _write_marian_tokenizer(directory)
    elif kind == "t5":
        _write_pieces_tokenizer(directory)
    else:
        _write_bert_tokenizer(directory)
    return directory


def _body(kind: str, config: dict[str, Any]) -> Any:
    import transformers

    if kind == "gpt2":
        sizes = {"n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 32, "vocab_size": 300}
        special = {"bos_token_id": 256, "eos_token_id": 256}
        return transformers.GPT2Model(transformers.GPT2Config(**{**sizes, **special, **config}))
    if kind == "distilbert":
        distil = {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32}
        settings: Any = transformers.DistilBertConfig(
            **{
                **distil,
                "vocab_size": len(BERT_VOCABULARY),
                "max_position_embeddings": 32,
                **config,
            }
        )
        return transformers.DistilBertModel(settings)
    if kind in {"marian", "t5"}:
        return _translator(kind, config)
    bert = {
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 32,
        "vocab_size": len(BERT_VOCABULARY),
        "pad_token_id": 0,
    }
    if kind == "ernie":
        return transformers.ErnieModel(transformers.ErnieConfig(**{**bert, **config}))
    return transformers.BertModel(transformers.BertConfig(**{**bert, **config}))


def _translator(kind: str, config: dict[str, Any]) -> Any:
    """An encoder and decoder with ids of `PIECES`."""
    import transformers

    ids = {"vocab_size": len(PIECES), "pad_token_id": 0, "eos_token_id": 1}
    ids |= {"decoder_start_token_id": 0}
    if kind == "t5":
        config = {"initializer_factor": 5 * config.pop("initializer_range", 0.2), **config}
        sizes = {"d_model": 16, "d_kv": 8, "num_heads": 2, "d_ff": 32, "num_layers": 2}
        return transformers.T5ForConditionalGeneration(
            transformers.T5Config(**{**ids, **sizes, **config})
        )
    sizes = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2}
    sizes |= {f"{part}_attention_heads": 2 for part in ("encoder", "decoder")}
    sizes |= {f"{part}_ffn_dim": 32 for part in ("encoder", "decoder")}
    config = {"init_std": config.pop("initializer_range", 0.1), **config}
    return transformers.MarianMTModel(
        transformers.MarianConfig(
            **{**ids, **sizes, "max_position_embeddings": 64, "dropout": 0.0, **config}
        )
    )


def _write_pieces_tokenizer(directory: Path) -> None:
    """Unigram pieces with marked word starts and an end token, as sentencepiece's are."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    scores = [(piece, -float(number)) for number, piece in enumerate(PIECES)]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    ).save_pretrained(directory)


def _write_marian_tokenizer(directory: Path) -> None:
    """A sentencepiece model for sources and one for targets, which cuts the word home, and ids."""
    words = PIECES[3:]
    write_pieces(directory / "source.spm", words)
    write_pieces(directory / "target.spm", [one for one in words if one != "▁home"])
    ids = {piece: number for number, piece in enumerate(PIECES)}
    (directory / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    settings = {"source_lang": "en", "target_lang": "en"}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))


def write_pieces(path: Path, pieces: Sequence[str], **normalizer: Any) -> None:
    """Writes a sentencepiece model of kind unigram, the first pieces being the likeliest.

    Args:
        path: The file.
        pieces: All but the special ones.
        **normalizer: Entries of its normalizer's settings.
    """
    from transformers.convert_slow_tokenizer import import_protobuf

    proto: Any = import_protobuf().ModelProto()  # type: ignore[no-untyped-call]
    proto.trainer_spec.model_type = 1
    for name, value in normalizer.items():
        setattr(proto.normalizer_spec, name, value)
    for kind, piece in ((2, "<unk>"), (3, "<s>"), (3, "</s>")):
        proto.pieces.add(piece=piece, score=0.0, type=kind)
    for number, piece in enumerate(pieces, 1):
        proto.pieces.add(piece=piece, score=-float(number), type=1)
    path.write_bytes(proto.SerializeToString())


def _write_bert_tokenizer(directory: Path) -> None:
    """Only vocab.txt and settings, as older repositories such as ERNIE's have them."""
    (directory / "vocab.txt").write_text("\n".join(BERT_VOCABULARY) + "\n", encoding="utf-8")
    settings = {"do_lower_case": True, "tokenizer_class": "BertTokenizer"}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))


def _write_gpt2_tokenizer(directory: Path) -> None:
    """vocab.json and merges.txt with all bytes, and no padding token, as GPT-2 has it."""
    from tokenizers.pre_tokenizers import ByteLevel

    vocabulary = {byte: number for number, byte in enumerate(sorted(ByteLevel.alphabet()))}
    vocabulary["<|endoftext|>"] = len(vocabulary)
    (directory / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (directory / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    (directory / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 1024}))
