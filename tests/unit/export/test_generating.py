from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.artifacts import write_json
from pipeline.export.generating import ContinuingModel, open_graph
from pipeline.export.layout import search_file
from pipeline.export.writing import write_graphs
from pipeline.models.pretrained import load_pretrained
from pipeline.tasks.generation import GenerationOptions, generate, search_of
from pipeline.tasks.registry import load_task
from tests.checkpoints import write_checkpoint

torch.set_num_threads(1)

LENGTHS = np.array([2, 5, 1, 7])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = write_checkpoint(
        "gpt2", tmp_path_factory.mktemp("gpt2") / "gpt2", initializer_range=0.3
    )
    return load_pretrained(directory, "causal_lm", config={})


@pytest.fixture(scope="module")
def graph(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    write_graphs(model, load_task("causal_language_model", {}).export_spec(model), path, opset=18)
    return path


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
    write_json(search_file(graph), search.model_dump(mode="json"))
    opened = open_graph(graph, num_threads=1)
    assert isinstance(opened, ContinuingModel)

    ids = np.random.default_rng(0).integers(3, 200, (4, 8))
    mask = (np.arange(8) < 8).astype(np.int64) * np.ones((4, 1), np.int64)
    batch = {"input_ids": ids, "attention_mask": mask, "prompt_length": LENGTHS}
    found = opened.run(batch)
    known = torch.from_numpy((np.arange(7) < LENGTHS[:, None]).astype(np.int64))
    given = {"input_ids": torch.from_numpy(ids)[:, :7] * known, "attention_mask": known}
    expected = generate(model, given, search, torch.from_numpy(LENGTHS)).numpy()
    width = max(found["sequences"].shape[1], expected.shape[1])
    padded = [
        np.pad(one, ((0, 0), (0, width - one.shape[1]))) for one in (found["sequences"], expected)
    ]
    assert padded[0].tolist() == padded[1].tolist()
    assert found["logits"].shape[:2] == (4, 8)
