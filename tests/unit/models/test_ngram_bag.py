from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.config.model import ArchitectureConfig
from pipeline.export.graph import export_onnx
from pipeline.export.runtime import OnnxModel
from pipeline.models.saving import load_saved_model, save_model
from pipeline.models.scratch import build_model
from pipeline.models.vocabulary import train_tokenizer
from pipeline.tasks.base import ExportSpec
from pipeline.tasks.processor import Processor

INPUTS = ("input_ids", "attention_mask")
SPEC = ExportSpec(INPUTS, ("logits",), {name: {0: "batch", 1: "length"} for name in INPUTS})
IDS = torch.tensor([[5, 6, 7, 8, 9], [10, 11, 0, 0, 0], [6, 5, 0, 0, 0]])
MASK = (IDS > 0).long()


def processor() -> Processor:
    words = [" ".join(f"w{number}" for number in range(30))]
    return Processor(
        train_tokenizer(words, kind="word", vocab_size=30, lowercase=True, special_tokens=False)
    )


def make(**sizes: Any) -> Any:
    torch.manual_seed(0)
    return build_model(
        ArchitectureConfig(
            kind="ngram_bag", **{"hidden_size": 8, "max_ngram": 3, "num_buckets": 500, **sizes}
        ),
        processor(),
        "sequence_classification",
        max_length=16,
        attention="sdpa",
        dropout=0.5,
        config={"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}},
    )


@torch.no_grad()
def test_padding_never_reaches_the_logits() -> None:
    model = make()
    batch = model(input_ids=IDS, attention_mask=MASK).logits
    for row, length in enumerate(MASK.sum(1).tolist()):
        alone = model(input_ids=IDS[row : row + 1, :length]).logits[0]
        torch.testing.assert_close(batch[row], alone)


@pytest.mark.parametrize(("max_ngram", "alike"), [(1, True), (2, False)])
@torch.no_grad()
def test_order_matters_from_pairs_on(max_ngram: int, alike: bool) -> None:
    model = make(max_ngram=max_ngram)
    one, other = model(input_ids=torch.tensor([[5, 6], [6, 5]])).logits
    assert torch.allclose(one, other) == alike


@torch.no_grad()
def test_the_state_is_the_sum_of_all_embeddings_over_the_root_of_the_length() -> None:
    model = make(max_ngram=2)
    bag = model.bag
    first, second = 5, 6
    bucket = (first * 1_000_003 + second + 1) % 2_147_483_647 % 500
    tokens = bag.embeddings.weight[first] + bag.embeddings.weight[second]
    expected = (tokens + bag.ngrams.weight[bucket]) / 2**0.5
    ids = torch.tensor([[first, second]])
    torch.testing.assert_close(bag(ids, torch.ones_like(ids))[0], expected)


def test_a_saved_model_loads_whole_and_its_graph_gives_the_same(tmp_path: Path) -> None:
    model = make()
    save_model(model, processor(), tmp_path / "model")
    loaded = load_saved_model(tmp_path / "model")
    assert type(loaded) is type(model)
    export_onnx(loaded, SPEC, tmp_path / "model.onnx", opset=18)
    exported = OnnxModel(tmp_path / "model.onnx", num_threads=1)
    for rows, length in ((3, 5), (1, 2), (2, 4)):
        ids, mask = IDS[:rows, :length], MASK[:rows, :length]
        found = exported.run({"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
        with torch.no_grad():
            expected = model(input_ids=ids, attention_mask=mask).logits
        np.testing.assert_allclose(found["logits"], expected.numpy(), atol=1e-5)
