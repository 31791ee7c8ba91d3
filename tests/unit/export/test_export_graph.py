from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.errors import CheckpointError, EnvironmentProblem
from pipeline.export.graph import export_onnx
from pipeline.export.quantization import quantize_int8
from pipeline.export.runtime import OnnxModel
from pipeline.models.pretrained import load_pretrained
from pipeline.models.saving import load_saved_model
from pipeline.tasks.base import ExportSpec, Head
from tests.checkpoints import MakeCheckpoint, write_checkpoint
from tests.trained import LSTM, write_stages

torch.set_num_threads(1)

INPUTS = ("input_ids", "attention_mask")
SPEC = ExportSpec(INPUTS, ("logits",), {name: {0: "batch", 1: "length"} for name in INPUTS})
ENTRIES = {"id2label": {0: "a", 1: "b", 2: "c"}}
ONE_LAYER: dict[str, dict[str, Any]] = {
    "bert": {"num_hidden_layers": 1},
    "ernie": {"num_hidden_layers": 1},
    "distilbert": {"n_layers": 1},
    "gpt2": {"n_layer": 1},
}
HEADS: tuple[Head, ...] = ("sequence_classification", "token_classification")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model and its graph, which tests only read."""
    folder = tmp_path_factory.mktemp("bert")
    checkpoint = write_checkpoint("bert", folder / "checkpoint")
    model = load_pretrained(checkpoint, HEADS[0], pad_token_id=0, config=ENTRIES)
    export_onnx(model, SPEC, folder / "model.onnx", opset=18)
    return model, folder / "model.onnx"


def batch(size: int, length: int) -> dict[str, torch.Tensor]:
    """Rows of which every second is padded to half its length."""
    chance = torch.Generator().manual_seed(length)
    ids = torch.randint(5, 15, (size, length), generator=chance)
    mask = torch.ones_like(ids)
    mask[1::2, (length + 1) // 2 :] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


def check_same(model: Any, path: Path) -> None:
    graph = OnnxModel(path, num_threads=1)
    for size in (1, 5):
        for length in (3, 17):
            inputs = batch(size, length)
            with torch.no_grad():
                eager = model(**inputs).logits.numpy()
            exported = graph.run({name: value.numpy() for name, value in inputs.items()})["logits"]
            assert exported.shape == eager.shape
            np.testing.assert_allclose(exported, eager, atol=2e-6)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", ONE_LAYER)
def test_a_pretrained_family_exports_with_free_batch_and_length(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, kind: str, head: Head
) -> None:
    checkpoint = make_checkpoint(kind, **ONE_LAYER[kind])
    model = load_pretrained(checkpoint, head, pad_token_id=0, config=ENTRIES)
    export_onnx(model, SPEC, tmp_path / "model.onnx", opset=18)
    check_same(model, tmp_path / "model.onnx")


@pytest.mark.parametrize("task_kind", ["text_classification", "token_classification"])
@pytest.mark.parametrize("kind", LSTM)
def test_a_recurrent_model_exports_with_free_batch_and_length(
    tmp_path: Path, kind: str, task_kind: str
) -> None:
    model = load_saved_model(write_stages(tmp_path, kind, task_kind=task_kind).model)
    export_onnx(model, SPEC, tmp_path / "model.onnx", opset=18)
    check_same(model, tmp_path / "model.onnx")


def test_layers_above_each_other_export_too(bert: tuple[Any, Path]) -> None:
    model, graph = bert
    assert model.config.num_hidden_layers == 3
    check_same(model, graph)


def test_a_graph_names_its_axes_and_holds_no_path_of_this_machine(bert: tuple[Any, Path]) -> None:
    import onnx

    _, graph = bert
    loaded = onnx.load(graph)
    axes = [[d.dim_param for d in i.type.tensor_type.shape.dim] for i in loaded.graph.input]
    assert axes == [["batch", "length"]] * 2
    assert [entry.name for entry in loaded.graph.output] == ["logits"]
    assert b".py" not in graph.read_bytes()


def test_the_same_model_gives_the_same_bytes(bert: tuple[Any, Path], tmp_path: Path) -> None:
    model, graph = bert
    export_onnx(model, SPEC, tmp_path / "again.onnx", opset=18)
    assert graph.read_bytes() == (tmp_path / "again.onnx").read_bytes()


def test_weights_of_8_bits_are_smaller_and_near(bert: tuple[Any, Path], tmp_path: Path) -> None:
    _, whole = bert
    small = tmp_path / "small.onnx"
    quantize_int8(whole, small)
    arrays = {name: value.numpy() for name, value in batch(5, 17).items()}
    exact, rounded = (OnnxModel(p, num_threads=1).run(arrays)["logits"] for p in (whole, small))
    assert 0 < np.abs(exact - rounded).max() < 0.05 * np.abs(exact).max()
    import onnx

    types = {tensor.data_type for tensor in onnx.load(small).graph.initializer}
    assert onnx.TensorProto.INT8 in types


def test_what_torch_cannot_export_is_one_clear_error(
    bert: tuple[Any, Path], tmp_path: Path
) -> None:
    class DependsOnValues(torch.nn.Module):
        config = bert[0].config

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor
        ) -> dict[str, torch.Tensor]:
            factor = 2.0 if bool(input_ids.sum() > 100) else 1.0
            return {"logits": attention_mask * factor}

    model: Any = DependsOnValues()
    with pytest.raises(EnvironmentProblem, match="cannot export DependsOnValues") as caught:
        export_onnx(model, SPEC, tmp_path / "model.onnx", opset=18)
    assert caught.value.remedy is not None
    assert not (tmp_path / "model.onnx").exists()


def test_a_damaged_or_missing_graph_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(CheckpointError, match=r"model\.onnx is missing"):
        OnnxModel(path)
    path.write_bytes(b"\x08\x0aabc")
    with pytest.raises(CheckpointError, match=r"model\.onnx does not load"):
        OnnxModel(path)
