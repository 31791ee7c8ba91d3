"""A model's forward pass as an ONNX file, made by torch's exporter."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.artifacts import cannot_write
from pipeline.errors import EnvironmentProblem
from pipeline.tasks.base import ExportSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_SAMPLE_ROWS = 3
_SAMPLE_LENGTH = 4


class _Outputs(nn.Module):
    """The model with its inputs by position and only the outputs that are asked for."""

    def __init__(self, model: nn.Module, spec: ExportSpec) -> None:
        super().__init__()
        self.model = model
        self.spec = spec

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        result = self.model(**dict(zip(self.spec.inputs, tensors, strict=True)))
        return tuple(result[name] for name in self.spec.outputs)


def export_onnx(model: PreTrainedModel, spec: ExportSpec, path: Path, *, opset: int) -> None:
    """Writes and checks an ONNX graph whose batch and length are free.

    Weights of more than 1.5 GB in all go to a file of their own beside it, `<name>.data`.

    Args:
        model: In evaluation mode, in float32, on the CPU.
        spec: Names of inputs and outputs, and the axes that stay free.
        path: The file to write.
        opset: Version of the ONNX operators.

    Raises:
        EnvironmentProblem: If the installed torch cannot export this model, or there is no space.
    """
    import onnx

    length = min(_SAMPLE_LENGTH, getattr(model.config, "max_position_embeddings", _SAMPLE_LENGTH))
    axes = [dict(spec.dynamic_axes[name]) for name in spec.inputs]
    try:
        with _quiet_exporter():
            program = torch.onnx.export(
                _Outputs(spec.part(model) if spec.part else model, spec).eval(),
                tuple(_sample(name, length, spec) for name in spec.inputs),
                dynamo=True,
                opset_version=opset,
                input_names=list(spec.inputs),
                output_names=list(spec.outputs),
                dynamic_shapes={"tensors": tuple(axes)},
                verbose=False,
            )
            assert program is not None
            _strip_traces(program)
            program.save(str(path))
    except OSError as error:
        raise cannot_write(path, error) from error
    except torch.onnx.errors.OnnxExporterError as error:
        raise EnvironmentProblem(
            f"torch {torch.__version__} cannot export {type(model).__name__} to ONNX: "
            f"{str(error).strip().splitlines()[0]}",
            remedy="leave ONNX out with export.formats=[], or choose another export.opset",
        ) from error
    onnx.checker.check_model(str(path), full_check=True)


def _strip_traces(program: torch.onnx.ONNXProgram) -> None:
    """Removes the Python stack of each node: paths of this machine, larger than a small model."""
    graph = program.model.graph
    graph.metadata_props.clear()
    for node in graph.all_nodes():
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*graph.inputs, *graph.initializers.values()):
        value.metadata_props.clear()


def _sample(name: str, length: int, spec: ExportSpec) -> Tensor:
    """An input to trace with: three rows, one of them padded; its values are not kept."""
    if name in spec.samples:
        return torch.from_numpy(spec.samples[name])
    if name == "input_ids":
        return torch.ones(_SAMPLE_ROWS, length, dtype=torch.int64)
    sample = torch.zeros(_SAMPLE_ROWS, length, dtype=torch.int64)
    if name == "attention_mask":
        sample[:] = 1
        sample[1, length // 2 :] = 0
    return sample


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silences the exporter's reports on packages that are not installed and names it chooses."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
