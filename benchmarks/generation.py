"""Compares exported models that keep keys and values with graphs that read all tokens each time.

    python benchmarks/generation.py [model [length …]]

A model from scratch that reads 64 tokens and writes (3 and 3 layers of width 256, 8,000 tokens) and
one of GPT-2's smallest shape that continues 16 tokens, of random weights, which never end a text;
one row, one thread. Both ways take turns, and the shortest of three counts, or of fewer where they
take more than 20 seconds. Prints seconds, tokens a second and how many times as fast the memory
makes it. All of it takes half an hour, most of which GPT-2 without memory needs for 256 tokens with
4 beams: name a model (seq2seq or gpt2) and lengths to have less.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.artifacts import write_json
from pipeline.export.generating import open_graph
from pipeline.export.layout import search_file
from pipeline.export.runtime import OnnxModel
from pipeline.export.writing import write_graphs
from pipeline.tasks.base import Arrays, ExportSpec
from pipeline.tasks.continuing_export import continuing_spec
from pipeline.tasks.encoder_decoder_export import encoder_decoder_spec, token_inputs
from pipeline.tasks.generation import PROMPT_LENGTH, SEQUENCES, Search

LENGTHS = (16, 64, 256)
BEAMS = (1, 4)
ROUNDS, SECONDS = 3, 20.0
SOURCE, PROMPT = 64, 16


def models() -> dict[str, tuple[Any, ExportSpec, Search]]:
    """Models with what is exported of them and how they write."""
    import transformers

    torch.manual_seed(0)
    sizes: dict[str, Any] = {f"{half}_attention_heads": 4 for half in ("encoder", "decoder")}
    sizes |= {f"{half}_layers": 3 for half in ("encoder", "decoder")}
    sizes |= {f"{half}_ffn_dim": 1024 for half in ("encoder", "decoder")}
    marian = transformers.MarianConfig(
        vocab_size=8_000,
        d_model=256,
        max_position_embeddings=512,
        pad_token_id=1,
        eos_token_id=0,
        decoder_start_token_id=1,
        **sizes,
    )
    writer: Any = transformers.MarianMTModel(marian)
    continuer: Any = transformers.GPT2LMHeadModel(transformers.GPT2Config())
    begun = Search(pad_token_id=1, eos_token_ids=(0,), start_token_ids=(1,))
    alone = Search(pad_token_id=1, eos_token_ids=(0,))
    writer.final_logits_bias[0, 0] = -1e4  # the other has too many tokens to end soon
    mask = {0: "batch", 1: "length"}
    reads = ExportSpec(
        ("input_ids", "attention_mask"),
        ("logits",),
        {"input_ids": mask, "attention_mask": mask},
    )
    return {
        "seq2seq": (writer.eval(), encoder_decoder_spec(writer, begun, token_inputs()), begun),
        "gpt2": (continuer.eval(), continuing_spec(continuer, alone, reads), alone),
    }


def batch_of(name: str) -> Arrays:
    """Random tokens."""
    width = SOURCE if name == "seq2seq" else PROMPT
    ids = np.random.default_rng(0).integers(2, 8_000, (1, width))
    return {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        PROMPT_LENGTH: np.full(1, width),
    }


def compare(name: str, graphs: dict[str, Path], search: Search, lengths: Sequence[int]) -> None:
    """Prints a line for each length and number of beams."""
    batch = batch_of(name)
    for beams in BEAMS:
        for length in lengths:
            chosen = search.model_copy(update={"num_beams": beams, "max_new_tokens": length})
            opened: dict[str, OnnxModel] = {}
            for way, path in graphs.items():
                write_json(search_file(path), chosen.model_dump(mode="json"))
                opened[way] = open_graph(path, num_threads=1)
            best = dict.fromkeys(opened, float("inf"))
            written: dict[str, Any] = {}
            end = time.perf_counter() + SECONDS
            for number in range(ROUNDS):
                if number and time.perf_counter() > end:
                    break
                for way, model in opened.items():
                    begin = time.perf_counter()
                    written[way] = model.run(batch)[SEQUENCES]
                    best[way] = min(best[way], time.perf_counter() - begin)
            tokens = written["whole"].size
            same = np.mean(written["whole"] == written["kept"])
            print(
                f"{name:8} {beams} beam(s), {length:3} tokens: "
                + ", ".join(
                    f"{way} {seconds:7.3f} s ({tokens / seconds:7.1f} tokens/s)"
                    for way, seconds in best.items()
                )
                + f", {best['whole'] / best['kept']:5.2f} times as fast, {same:.0%} same",
                flush=True,
            )


def main() -> None:
    """Exports both models in both ways and compares them."""
    torch.set_num_threads(1)
    chosen, *lengths = sys.argv[1:] or [""]
    with tempfile.TemporaryDirectory() as folder:
        for name, (model, spec, search) in models().items():
            if chosen not in {"", name}:
                continue
            assert spec.otherwise is not None, f"{name} keeps no keys and values"
            graphs = {}
            for way, one in {"whole": spec.otherwise, "kept": spec}.items():
                graphs[way] = Path(folder) / f"{name}_{way}.onnx"
                write_graphs(model, one, graphs[way], opset=18)
            compare(name, graphs, search, [int(one) for one in lengths] or LENGTHS)


if __name__ == "__main__":
    main()
