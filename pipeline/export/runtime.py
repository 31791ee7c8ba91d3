"""ONNX graphs at work: without torch, so that a process starts in a second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import CheckpointError
from pipeline.tasks.base import FloatArray
from pipeline.tasks.columns import pad_lists

Arrays = Mapping[str, npt.NDArray[np.int64]]
"""The graph's inputs by name, each `[batch, length]`; others are ignored."""

PADDED_INPUTS = frozenset({"input_ids", "attention_mask"})
"""The inputs that `pad_rows` makes."""


class OnnxModel:
    """A graph that ONNX Runtime runs on the CPU.

    Args:
        path: The `.onnx` file.
        num_threads: Threads of one call; by default one for each physical core.

    Attributes:
        inputs: Names of the graph's inputs.

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

    def forward(self, batch: Arrays) -> FloatArray:
        """The logits `[batch, …]` of a batch, as float64."""
        logits = self._session.run(None, {name: batch[name] for name in self.inputs})[0]
        return np.asarray(logits, np.float64)


def pad_rows(rows: pa.Table, pad_token_id: int) -> dict[str, npt.NDArray[np.int64]]:
    """Pads encoded rows to the longest of them, on the right.

    Args:
        rows: With the column `input_ids`.
        pad_token_id: Fills `input_ids`.

    Returns:
        `input_ids` and `attention_mask`, `[rows, length]`.
    """
    ids, mask = pad_lists(rows["input_ids"], fill=pad_token_id, pad_to_multiple_of=1)
    return {"input_ids": ids, "attention_mask": mask}
