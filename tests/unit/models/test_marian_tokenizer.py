"""Marian's tokens are those of transformers' own tokenizer, which needs sentencepiece."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.config.model import CheckpointConfig, ModelConfig
from pipeline.errors import CheckpointError, ConfigError
from pipeline.models.locate import locate
from pipeline.models.processor import load_processor, save_processor
from pipeline.models.tokenizer import load_tokenizer, make_tokenizer
from pipeline.tasks.processor import Processor
from pipeline.tasks.text_to_text import encode_sources, encode_targets
from tests.checkpoints import write_pieces

CODE = ">>cmn_Hans<<"
FILES = ("source.spm", "target.spm", "vocab.json")
ODD = [
    *("", "   ", " a", "a  b   c ", "\ta\nb\u3000c\u200bd", "▁x", "e\u0301t\u00e9 naïve ﬁne ①"),
    *(
        "你好 world",
        "☃☃ snow 한국어",
        "１２３ＡＢＣ，全角。",
        "👨‍👩‍👧",
        "a\u0000b",
        "<s> x",
        "<unk>",
    ),
    *("a </s> b", "<pad>", f"{CODE} hello", f"{CODE}hello", f" {CODE} a", f"a {CODE} b"),
    *(">>xx<< hi", ">>no end", "don't “quote” — it…", "x" * 300),
]


def write_checkpoint(
    directory: Path, source: Sequence[str], target: Sequence[str], ids: Sequence[str], **more: Any
) -> Path:
    """The tokenizer's files in the hub's layout: the end is token 0, padding the last."""
    directory.mkdir()
    write_pieces(directory / "source.spm", source)
    write_pieces(directory / "target.spm", target)
    write_ids(directory, ids)
    settings = {"source_lang": "en", "target_lang": "zh", **more}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    return directory


def write_ids(directory: Path, pieces: Sequence[str]) -> None:
    ids = {piece: number for number, piece in enumerate(["</s>", "<unk>", *pieces, "<pad>"])}
    (directory / "vocab.json").write_text(json.dumps(ids))
    config = {"model_type": "marian", "vocab_size": len(ids), "max_position_embeddings": 64}
    (directory / "config.json").write_text(json.dumps(config))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    source = ["▁the", "▁", "home", "h", "o", "m", "e", "t", "q"]
    target = ["▁", "ho", "me", "t", "h", "e", "你"]
    return write_checkpoint(
        tmp_path / "marian", source, target, [CODE, *source[:-1], "ho", "me", "你", "你你"]
    )


def tokens(tokenizer: Any, ids: list[int]) -> list[str]:
    found: list[str] = tokenizer.convert_ids_to_tokens(ids)
    return found


def test_sources_and_targets_are_cut_by_models_of_their_own(checkpoint: Path) -> None:
    processor = Processor(load_tokenizer(checkpoint))
    texts = pa.chunked_array([["the home", "", "home"]])
    sources = encode_sources(processor, texts, prefix="", language=None, max_length=9)
    targets = encode_targets(processor, texts, language=None, max_length=9)
    again = encode_sources(processor, texts, prefix="", language=None, max_length=9)
    read = [tokens(processor.tokenizer, ids) for ids in sources["input_ids"].to_pylist()]
    assert read == [["▁the", "▁", "home", "</s>"], ["</s>"], ["▁", "home", "</s>"]]
    read = [tokens(processor.tokenizer, ids) for ids in targets["labels"].to_pylist()]
    assert read[0] == ["▁", "t", "h", "e", "▁", "ho", "me", "</s>"]
    assert read[1:] == [["</s>"], ["▁", "ho", "me", "</s>"]]
    assert again.equals(sources)


def test_long_texts_keep_their_end(checkpoint: Path) -> None:
    processor = Processor(load_tokenizer(checkpoint))
    texts = pa.chunked_array([["the home home"]])
    found = encode_targets(processor, texts, language=None, max_length=4)
    assert tokens(processor.tokenizer, found["labels"][0].as_py()) == ["▁", "t", "h", "</s>"]
    assert found["num_target_tokens"].to_pylist() == [11]


def test_the_code_of_a_language_is_one_token(checkpoint: Path) -> None:
    processor = Processor(load_tokenizer(checkpoint))
    texts = pa.chunked_array([["home", "the"]])
    found = encode_sources(processor, texts, prefix=f"{CODE} ", language=None, max_length=9)
    read = [tokens(processor.tokenizer, ids) for ids in found["input_ids"].to_pylist()]
    assert read == [[CODE, "▁", "home", "</s>"], [CODE, "▁the", "</s>"]]


def test_what_the_vocabulary_lacks_is_unknown(checkpoint: Path) -> None:
    """A piece that has no number, and characters without a piece, unless the whole run has one."""
    tokenizer = load_tokenizer(checkpoint)
    found = [tokens(tokenizer, ids) for ids in tokenizer(["qe", "zz", "你你", "你"]).input_ids]
    unknown = ["▁", "<unk>", "</s>"]
    assert found[:2] == [["▁", "<unk>", "e", "</s>"], unknown]
    assert found[2:] == [["▁", "你你", "</s>"], ["▁", "你", "</s>"]]
    counted = encode_sources(
        Processor(tokenizer),
        pa.chunked_array([["qe", "he"]]),
        prefix="",
        language=None,
        max_length=9,
    )
    assert counted["num_unknown"].to_pylist() == [1, 0]


def test_written_tokens_join_to_text(checkpoint: Path) -> None:
    tokenizer = load_tokenizer(checkpoint)
    ids = tokenizer(text_target="the home 你").input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == "the home 你"


def test_the_files_are_kept_as_they_were(checkpoint: Path, tmp_path: Path) -> None:
    model = ModelConfig(
        checkpoint=CheckpointConfig(source="directory", location=str(checkpoint)), max_length=32
    )
    processor = Processor(make_tokenizer(model, root=Path(), train_texts=()))
    save_processor(processor, tmp_path / "saved")
    for name in FILES:
        assert (tmp_path / "saved" / name).read_bytes() == (checkpoint / name).read_bytes()
    settings = json.loads((tmp_path / "saved" / "tokenizer_config.json").read_text())
    assert settings["tokenizer_class"] == "MarianTokenizer"
    assert settings["target_lang"] == "zh"
    loaded = load_processor(tmp_path / "saved")
    assert loaded.tokenizer.model_max_length == 32
    assert loaded.identity == processor.identity
    write_pieces(tmp_path / "saved" / "target.spm", ["▁", "t"])
    assert load_processor(tmp_path / "saved").identity != processor.identity


def test_more_tokens_than_positions_are_refused(checkpoint: Path) -> None:
    model = ModelConfig(
        checkpoint=CheckpointConfig(source="directory", location=str(checkpoint)), max_length=65
    )
    with pytest.raises(ConfigError, match="more than the 64 positions"):
        make_tokenizer(model, root=Path(), train_texts=())


@pytest.mark.parametrize("name", ["target.spm", "vocab.json"])
def test_a_missing_file_is_named(checkpoint: Path, name: str) -> None:
    (checkpoint / name).unlink()
    with pytest.raises(CheckpointError, match=rf"{name} cannot be read") as caught:
        load_tokenizer(checkpoint)
    assert "source.spm, target.spm and vocab.json" in str(caught.value.remedy)


@pytest.mark.parametrize("content", [b"\xff\xff", b""])
def test_a_damaged_model_of_pieces_is_named(checkpoint: Path, content: bytes) -> None:
    (checkpoint / "target.spm").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"target\.spm is .* sentencepiece model"):
        load_tokenizer(checkpoint)


def test_a_vocabulary_without_an_end_is_refused(checkpoint: Path) -> None:
    (checkpoint / "vocab.json").write_text(json.dumps({"<unk>": 0, "<pad>": 1}))
    with pytest.raises(CheckpointError, match=r"vocab\.json has no token </s>"):
        load_tokenizer(checkpoint)


def test_a_vocabulary_for_each_side_is_refused(tmp_path: Path) -> None:
    directory = write_checkpoint(tmp_path / "two", ["▁"], ["▁"], ["▁"], separate_vocabs=True)
    with pytest.raises(CheckpointError, match="vocabularies of their own"):
        load_tokenizer(directory)


def test_the_hub_is_asked_for_all_its_files(tmp_path: Path, monkeypatch: Any) -> None:
    asked: dict[str, Any] = {}

    def download(name: str, **settings: Any) -> str:
        asked.update(settings)
        (tmp_path / "config.json").write_text('{"model_type": "marian"}')
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    checkpoint = CheckpointConfig(source="hub", location="some/marian", revision="a" * 40)
    locate(checkpoint, root=tmp_path, weights=True)
    for name in (*FILES, "tokenizer_config.json", "generation_config.json", "model.safetensors"):
        assert any(fnmatch(name, pattern) for pattern in asked["allow_patterns"]), name


@pytest.fixture(scope="module", params=["nmt_nfkc", "identity"])
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, newsroom: Path
) -> Path:
    """English to Chinese with real models; some of their pieces have no number."""
    sentencepiece = pytest.importorskip("sentencepiece")
    directory = tmp_path_factory.mktemp("trained")
    rows = [json.loads(line) for line in newsroom.read_text(encoding="utf-8").splitlines()[:300]]
    numbered = [CODE]
    for side, language, size in (("source", "en", 600), ("target", "zh", 1900)):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([row[language] for row in rows]),
            model_writer=model,
            vocab_size=size,
            character_coverage=0.98,
            user_defined_symbols=["<sep>"],
            normalization_rule_name=request.param,
            num_threads=1,
            minloglevel=2,
        )
        (directory / f"{side}.spm").write_bytes(model.getvalue())
        pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        numbered += [pieces.id_to_piece(number) for number in range(3, size - 30)]
    write_ids(directory, list(dict.fromkeys(numbered)))
    (directory / "tokenizer_config.json").write_text('{"source_lang": "en", "target_lang": "zh"}')
    return directory


@pytest.fixture(scope="module")
def texts(newsroom: Path) -> list[str]:
    rows = [json.loads(line) for line in newsroom.read_text(encoding="utf-8").splitlines()[:500]]
    symbols = ["a <sep> b", "<sep><sep>c"]
    return ODD + symbols + [row["en"] for row in rows] + [row["zh"][:40] for row in rows]


@pytest.mark.parametrize("side", ["text", "text_target"])
def test_ids_and_texts_are_those_of_transformers(
    trained: Path, texts: list[str], side: str
) -> None:
    import transformers

    theirs: Any = transformers.AutoTokenizer.from_pretrained(trained)
    assert type(theirs).__name__ == "MarianTokenizer"
    ours: Any = load_tokenizer(trained)
    expected = theirs(**{side: texts}).input_ids
    for text, found, wanted in zip(texts, ours(**{side: texts}).input_ids, expected, strict=True):
        assert found == wanted, repr(text)
    encode: Any = encode_sources if side == "text" else encode_targets
    prefix = {"prefix": ""} if side == "text" else {}
    table = encode(
        Processor(ours), pa.chunked_array([texts]), language=None, max_length=16, **prefix
    )
    cut = [ids if len(ids) <= 16 else [*ids[:15], 0] for ids in expected]
    assert table["input_ids" if side == "text" else "labels"].to_pylist() == cut
    for ids in expected:
        settings = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        assert ours.decode(ids, **settings).strip() == theirs.decode(ids, **settings)
    assert len(ours) == len(theirs)
    assert (ours.eos_token_id, ours.pad_token_id) == (theirs.eos_token_id, theirs.pad_token_id)


def test_transformers_alone_reads_what_is_saved(
    trained: Path, texts: list[str], tmp_path: Path
) -> None:
    import transformers

    ours: Any = load_tokenizer(trained)
    ours.model_max_length = 64
    save_processor(Processor(ours), tmp_path)
    theirs: Any = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs(texts).input_ids == ours(texts).input_ids
    assert theirs(text_target=texts).input_ids == ours(text_target=texts).input_ids
    assert theirs.model_max_length == 64
    theirs.save_pretrained(tmp_path / "theirs")
    assert load_tokenizer(tmp_path / "theirs")(texts).input_ids == ours(texts).input_ids
