from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.artifacts import write_json
from pipeline.export.continuing import ContinuingModel
from pipeline.export.generating import GeneratingModel, open_graph
from pipeline.export.layout import graph_files, search_file
from pipeline.export.runtime import OnnxModel
from pipeline.export.writing import quantize_graphs, write_graphs
from pipeline.models.pretrained import load_pretrained
from pipeline.tasks.base import ExportSpec
from pipeline.tasks.continuing_export import continuing_spec
from pipeline.tasks.encoder_decoder_export import encoder_decoder_spec, token_inputs
from pipeline.tasks.generation import GenerationOptions, Search, generate, search_of
from pipeline.tasks.registry import load_task
from tests.checkpoints import write_checkpoint

torch.set_num_threads(1)

LENGTHS = np.array([2, 5, 1, 7])
GREEDY = GenerationOptions(max_new_tokens=9)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = write_checkpoint(
        "gpt2", tmp_path_factory.mktemp("gpt2") / "gpt2", initializer_range=0.3
    )
    return load_pretrained(directory, "causal_lm", config={})


def spec_of(model: Any, search: Search) -> ExportSpec:
    return continuing_spec(model, search, load_task("causal_language_model", {}).export_spec(model))


@pytest.fixture(scope="module")
def graph(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    write_graphs(model, spec_of(model, search_of(model, GREEDY, pad_token_id=0)), path, opset=18)
    return path


def with_search(graph: Path, search: Search) -> OnnxModel:
    write_json(search_file(graph), search.model_dump(mode="json"))
    return open_graph(graph, num_threads=1)


def same_width(*found: Any) -> list[Any]:
    width = max(one.shape[1] for one in found)
    return [np.pad(one, ((0, 0), (0, width - one.shape[1]))).tolist() for one in found]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"no_repeat_ngram_size": 2},
        {"num_beams": 3, "early_stopping": True},
        {"num_beams": 2, "no_repeat_ngram_size": 2, "length_penalty": 0.0},
        {"max_length_ratio": 0.01},
    ],
)
@torch.no_grad()
def test_a_decoder_alone_continues_prompts_as_transformers_does(
    model: Any, graph: Path, options: dict[str, Any]
) -> None:
    search = search_of(model, GenerationOptions(max_new_tokens=9, **options), pad_token_id=0)
    opened = with_search(graph, search)
    assert isinstance(opened, ContinuingModel)
    assert "past.2.value" in opened.inputs
    assert opened.outputs == ("logits",)

    ids = np.random.default_rng(0).integers(3, 200, (4, 8))
    mask = (np.arange(8) < 8).astype(np.int64) * np.ones((4, 1), np.int64)
    batch = {"input_ids": ids, "attention_mask": mask, "prompt_length": LENGTHS}
    found = opened.run(batch)
    known = torch.from_numpy((np.arange(7) < LENGTHS[:, None]).astype(np.int64))
    given = {"input_ids": torch.from_numpy(ids)[:, :7] * known, "attention_mask": known}
    expected = generate(model, given, search, torch.from_numpy(LENGTHS)).numpy()
    ours, theirs = same_width(found["sequences"], expected)
    assert ours == theirs
    assert found["logits"].shape[:2] == (4, 8)


@pytest.mark.parametrize("num_beams", [1, 2])
def test_a_long_prompt_beside_a_short_one_changes_nothing(
    model: Any, graph: Path, num_beams: int
) -> None:
    """The short one is continued to the last position that the model has."""
    options = GenerationOptions(num_beams=num_beams, max_new_tokens=40)
    opened = with_search(graph, search_of(model, options, pad_token_id=0))
    ids = np.random.default_rng(1).integers(3, 200, (2, 30))
    lengths = np.array([30, 2])
    batch = {
        "input_ids": ids,
        "attention_mask": (np.arange(30) < lengths[:, None]).astype(np.int64),
        "prompt_length": lengths,
    }
    together = opened.run(batch)["sequences"]
    alone = [
        opened.run(
            {
                "input_ids": ids[row : row + 1, :length],
                "attention_mask": np.ones((1, length), np.int64),
                "prompt_length": lengths[row : row + 1],
            }
        )["sequences"]
        for row, length in enumerate(lengths)
    ]
    assert together.shape[1] == 30
    padded = same_width(together, *alone)
    assert padded[0] == [one[0] for one in padded[1:]]


def test_what_cannot_be_exported_with_a_memory_is_without(
    model: Any, graph: Path, tmp_path: Path
) -> None:
    class DependsOnValues(torch.nn.Module):
        def forward(self, **inputs: Any) -> Any:
            return inputs if bool(inputs["input_ids"].sum() > 100) else {}

    search = search_of(model, GenerationOptions(num_beams=2, max_new_tokens=9), pad_token_id=0)
    path = tmp_path / "model.onnx"
    write_graphs(
        model, replace(spec_of(model, search), part=lambda _: DependsOnValues()), path, opset=18
    )
    without = open_graph(path, num_threads=1)
    assert without.inputs == ("input_ids", "attention_mask")
    ids = np.random.default_rng(2).integers(3, 200, (4, 8))
    batch = {"input_ids": ids, "attention_mask": np.ones_like(ids), "prompt_length": LENGTHS}
    found, expected = without.run(batch), with_search(graph, search).run(batch)
    long = {**batch, "input_ids": np.resize(ids, (2, 30))}
    long |= {"attention_mask": np.ones((2, 30), np.int64), "prompt_length": np.array([30, 2])}
    with_search(path, search.model_copy(update={"max_new_tokens": 40}))
    assert open_graph(path, num_threads=1).run(long)["sequences"].shape == (2, 30)
    ours, theirs = same_width(found["sequences"], expected["sequences"])
    assert ours == theirs
    np.testing.assert_allclose(found["logits"], expected["logits"], atol=1e-4)


def test_weights_of_8_bits_continue_prompts_too(model: Any, graph: Path, tmp_path: Path) -> None:
    search = search_of(model, GREEDY, pad_token_id=0)
    with_search(graph, search)
    quantize_graphs(graph, tmp_path / "model_int8.onnx")
    assert len(graph_files(tmp_path / "model_int8.onnx")) == 2
    ids = np.random.default_rng(0).integers(3, 200, (4, 8))
    batch = {"input_ids": ids, "attention_mask": np.ones_like(ids), "prompt_length": LENGTHS}
    found = open_graph(tmp_path / "model_int8.onnx", num_threads=1).run(batch)
    assert found["sequences"].shape[0] == 4
    assert 1 <= found["sequences"].shape[1] <= 9


@torch.no_grad()
def test_an_encoder_and_its_decoder_write_as_transformers_does(tmp_path: Path) -> None:
    directory = write_checkpoint("marian", tmp_path / "marian", initializer_range=0.3)
    model: Any = load_pretrained(directory, "seq2seq_lm", pad_token_id=0, config={})
    model.final_logits_bias[0, 1] = 2.0  # texts end before their limit too
    lengths = np.array([7, 3, 5, 1])
    mask = (np.arange(7) < lengths[:, None]).astype(np.int64)
    batch = {"input_ids": np.random.default_rng(3).integers(4, 30, (4, 7)), "attention_mask": mask}
    tensors = {name: torch.from_numpy(value) for name, value in batch.items()}
    graphs = tmp_path / "model.onnx", tmp_path / "model_int8.onnx"
    for beams, prompt in ((1, ()), (3, (6,)), (4, ())):
        options = GenerationOptions(num_beams=beams, max_new_tokens=14)
        search = search_of(model, options, pad_token_id=0, prompt=prompt)
        if not graphs[0].is_file():
            spec = encoder_decoder_spec(model, search, token_inputs())
            write_graphs(model, spec, graphs[0], opset=18)
            quantize_graphs(*graphs)
        opened = with_search(graphs[0], search)
        assert isinstance(opened, GeneratingModel)
        assert "cross.1.key" in opened.inputs
        expected = generate(model, tensors, search, torch.from_numpy(lengths)).numpy()
        ours, theirs = same_width(opened.run(batch)["sequences"], expected)
        assert ours == theirs
        rounded = with_search(graphs[1], search).run(batch)["sequences"]
        assert rounded.shape[0] == 4
