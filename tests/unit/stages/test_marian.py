"""A Marian checkpoint in the hub's layout through every stage, to what transformers alone reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.artifacts import Outputs, read_json
from pipeline.config.schema import Config
from pipeline.data.store import EncodedDataset
from pipeline.models.processor import load_processor
from tests.checkpoints import write_pieces
from tests.stage_projects import (
    ALIGNED,
    empty_project,
    predicted,
    run_stages,
    tiny_config,
    write_aligned,
)

torch.set_num_threads(1)

TOKENIZER = ("source.spm", "target.spm", "vocab.json")
_POSITIONS = tuple(f"model.{part}.embed_positions.weight" for part in ("encoder", "decoder"))
_SHARED = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight")


def write_checkpoint(directory: Path, rows: list[dict[str, str]], *, positions: bool) -> Path:
    """Random weights by the names that converted OPUS-MT checkpoints have.

    Args:
        directory: Where to.
        rows: Texts whose characters the tokenizer knows.
        positions: Whether the file has the positions, which are not learned, as older ones do.
    """
    import transformers

    directory.mkdir(parents=True)
    sides = [["▁", *sorted(set("".join(row[name] for row in rows)) - {" "})] for name in rows[0]]
    for name, pieces in zip(("source", "target"), sides, strict=True):
        write_pieces(directory / f"{name}.spm", pieces)
    tokens = dict.fromkeys(["</s>", "<unk>", *sides[0], *sides[1]])
    ids = {token: number for number, token in enumerate(tokens)}
    ids["<pad>"] = pad = len(ids)
    (directory / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    settings = {"source_lang": "eng", "target_lang": "zho"}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))

    sizes: dict[str, Any] = {f"{part}_layers": 1 for part in ("encoder", "decoder")}
    sizes |= {f"{part}_attention_heads": 2 for part in ("encoder", "decoder")}
    sizes |= {f"{part}_ffn_dim": 32 for part in ("encoder", "decoder")}
    ends: dict[str, Any] = {"pad_token_id": pad, "decoder_start_token_id": pad, "eos_token_id": 0}
    config = transformers.MarianConfig(
        vocab_size=len(ids), d_model=16, max_position_embeddings=64, init_std=0.3, **sizes, **ends
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = transformers.MarianMTModel(config)
    model.final_logits_bias[0] = torch.linspace(-0.5, 0.5, len(ids))
    model.save_pretrained(directory)
    weights = load_file(directory / "model.safetensors")
    kept = {name: one for name, one in weights.items() if name not in (*_POSITIONS, *_SHARED)}
    if positions:
        kept |= {name: model.get_parameter(name).detach().clone() for name in _POSITIONS}
    save_file(kept, directory / "model.safetensors", metadata={"format": "pt"})
    own: dict[str, Any] = {
        "bad_words_ids": [[pad]],
        "forced_eos_token_id": 0,
        "num_beams": 4,
        "max_length": 64,
    }
    own |= {"renormalize_logits": True, "bos_token_id": 0, **ends}
    (directory / "generation_config.json").write_text(json.dumps(own))
    return directory


def config() -> Config:
    return tiny_config(
        "sequence_to_sequence",
        ALIGNED,
        {"checkpoint": {"source": "directory", "location": "marian"}, "max_length": 64},
        options={
            "source_prefix": ">>cmn_Hans<< ",
            "generation": {"max_new_tokens": 8, "num_beams": 2},
        },
        optimizer={"lr": 1e-2},
        trainer={"max_steps": 4, "max_tokens_per_batch": 1024},
        export={"parity_rows": 6},
    )


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory, newsroom: Path) -> Outputs:
    root = empty_project(tmp_path_factory.mktemp("marian"))
    lines = newsroom.read_text(encoding="utf-8").splitlines()[:60]
    rows = [{name: json.loads(line)[name][:40] for name in ("en", "zh")} for line in lines]
    write_aligned(root, rows)
    write_checkpoint(root / "marian", rows, positions=False)
    return run_stages(config(), root)


def test_targets_were_cut_by_their_own_model(outputs: Outputs) -> None:
    tokenizer: Any = load_processor(outputs.dataset / "processor").tokenizer
    rows = EncodedDataset.open(outputs.dataset).split("train").table.slice(0, 5)
    for row in rows.to_pylist():
        assert row["labels"] == tokenizer(text_target=row["target"]).input_ids
        assert row["input_ids"] == tokenizer(f">>cmn_Hans<< {row['text']}").input_ids
        assert tokenizer.unk_token_id not in row["labels"]
        assert row["input_ids"].count(tokenizer.unk_token_id) == 1  # the vocabulary has no codes


def test_the_model_lies_beside_the_files_that_it_came_with(outputs: Outputs) -> None:
    checkpoint = outputs.root.parent / "marian"
    for directory in (outputs.model, outputs.export):
        found = {path.name: path for path in directory.rglob("*") if path.name in TOKENIZER}
        assert set(found) == set(TOKENIZER)
        for name, path in found.items():
            assert path.read_bytes() == (checkpoint / name).read_bytes()


def test_graphs_write_what_pytorch_and_transformers_alone_write(outputs: Outputs) -> None:
    import transformers

    report = read_json(outputs.export / "report.json")
    assert report["models"]["onnx"]["parity"]["prediction_agreement"] == 1.0
    texts = ["Snow closed the court.", "Polio drops", "☃☃ and 雪"]
    written = [row["prediction"] for row in predicted(outputs.export, *texts, backend="torch")]
    graphs = [row["prediction"] for row in predicted(outputs.export, *texts, backend="onnx")]
    assert written == graphs
    assert any(graphs)

    model: Any = transformers.AutoModelForSeq2SeqLM.from_pretrained(outputs.model)
    tokenizer: Any = load_processor(outputs.model).tokenizer
    pad = tokenizer.pad_token_id
    assert model.generation_config.bad_words_ids == [[pad]]
    alone = []
    for text in texts:
        ids = tokenizer(f">>cmn_Hans<< {text}", return_tensors="pt")
        (found,) = model.generate(**ids).tolist()
        assert pad not in found[1:]
        alone.append(tokenizer.decode(found, skip_special_tokens=True).strip())
    assert alone == written


def test_transformers_alone_translates_in_the_same_way(outputs: Outputs) -> None:
    """With its own tokenizer, which needs sentencepiece."""
    pytest.importorskip("sentencepiece")
    import transformers

    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(outputs.model)
    ours: Any = load_processor(outputs.model).tokenizer
    rows = EncodedDataset.open(outputs.dataset).split("test").table
    texts = [f">>cmn_Hans<< {text}" for text in rows["text"].to_pylist()]
    assert tokenizer(texts).input_ids == ours(texts).input_ids
    assert tokenizer(text_target=texts).input_ids == ours(text_target=texts).input_ids


@pytest.mark.parametrize("positions", [False, True])
def test_weights_with_and_without_positions_give_the_same_model(
    tmp_path: Path, positions: bool
) -> None:
    from pipeline.models.pretrained import load_pretrained

    rows = [{"en": "the match", "zh": "球赛"}]
    directory = write_checkpoint(tmp_path / "marian", rows, positions=positions)
    model: Any = load_pretrained(directory, "seq2seq_lm", config={}, allow_new_head=False)
    sine = model.model.encoder.embed_positions.weight
    assert sine[0].tolist() == [0.0] * 8 + [1.0] * 8
    assert sine[1, 0].item() == pytest.approx(0.8414710)
    assert model.final_logits_bias[0, 0].item() == -0.5
    assert model.lm_head.weight is model.model.shared.weight
    assert model.config.decoder_start_token_id == model.config.pad_token_id
