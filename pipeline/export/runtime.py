"""ONNX graphs at work: without torch, so that a process starts in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import CheckpointError
from pipeline.tasks.base import Arrays


class OnnxModel:
    """A graph that ONNX Runtime runs on the CPU.

    Args:
        path: The `.onnx` file.
        num_threads: Threads of one call; by default one for each physical core.

    Attributes:
        inputs: Names of the graph's inputs.
        outputs: Names of its results.

    Raises:
        CheckpointError: If the file is missing or damaged.
    """

    def __init__(self, path: Path, *, num_threads: int | None = None) -> None:
        import onnxruntime

        if not path.is_file():
            raise CheckpointError(
                f"{path} is missing",
                remedy="add its format to export.formats and run `dvc repro export`",
            )
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = num_threads or 0
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors have no root but Exception
            raise CheckpointError(
                f"{path} does not load in ONNX Runtime: {str(error).splitlines()[0]}",
                remedy="make it anew with `dvc repro --force export`",
            ) from error
        self.inputs = tuple(entry.name for entry in self._session.get_inputs())

        self.outputs = tuple(entry.name for entry in self._session.get_outputs())

    def run(self, batch: Arrays) -> Arrays:
        """The graph's results for a batch by name, `[batch, …]`; floating ones in float64.

        Args:
            batch: From `Task.collate`; what the graph does not read is ignored.
        """
        return {
            name: value.astype(np.float64) if np.issubdtype(value.dtype, np.floating) else value
            for name, value in self.run_as_is(batch).items()
        }

    def run_as_is(self, batch: Arrays) -> Arrays:
        """The same, as precise as the graph gives them."""
        found = self._session.run(None, {name: batch[name] for name in self.inputs})
        return dict(zip(self.outputs, found, strict=True))
