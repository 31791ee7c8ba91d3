"""The memory of a decoder's graph that takes keys and values and gives those of new tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.artifacts import read_json
from pipeline.export.layout import search_file
from pipeline.export.runtime import OnnxModel
from pipeline.tasks.base import FloatArray, IntArray
from pipeline.tasks.generation import Search
from pipeline.tasks.key_values import is_kept, past_of

Values = Mapping[str, npt.NDArray[Any]]


class Memory:
    """Runs a graph on new tokens after those that it has read, whose keys and values stay with it.

    They pass from one call to the next in ONNX Runtime's own memory, without a copy.

    Args:
        session: Of a graph that takes keys and values.
        rows: Rows of the first call.
    """

    def __init__(self, session: Any, rows: int) -> None:
        self._session = session
        self._outputs = [one.name for one in session.get_outputs()]
        empty = {
            one.name: np.zeros((rows, one.shape[1], 0, one.shape[3]), np.float32)
            for one in session.get_inputs()
            if is_kept(one.name, "past")
        }
        self._past = _handed(empty)
        self._given: dict[str, Any] = {}

    def give(self, constants: Values) -> None:
        """Hands over inputs that stay the same in the calls that follow."""
        self._given = _handed(constants)

    def read(self, new: Values) -> npt.NDArray[np.float32]:
        """Logits of new tokens, `[rows, length, vocabulary]`."""
        given = {**self._given, **self._past, **_handed(new)}
        found = dict(
            zip(
                self._outputs,
                self._session.run_with_ort_values(self._outputs, given),
                strict=True,
            )
        )
        self._past = {
            past_of(name): value for name, value in found.items() if is_kept(name, "present")
        }
        logits: npt.NDArray[np.float32] = found["logits"].numpy()
        return logits

    def select(self, rows: IntArray, width: int | None = None) -> None:
        """Keeps the memory of these rows, in this order, and of the first `width` tokens."""
        first = next(iter(self._past.values())).shape()
        if width in {None, first[2]} and np.array_equal(rows, np.arange(first[0])):
            return
        self._past = _handed(
            {name: value.numpy()[:, :, :width][rows] for name, value in self._past.items()}
        )


class Writer(OnnxModel):
    """A decoder's graph with the search's settings, which lie beside it.

    Args:
        path: The graph.
        num_threads: Threads of one call; by default one for each physical core.

    Attributes:
        search: How sequences are searched for.
        keeps: Whether the graph has a memory.

    Raises:
        CheckpointError: If a file is missing or damaged.
    """

    def __init__(self, path: Path, *, num_threads: int | None = None) -> None:
        super().__init__(path, num_threads=num_threads)
        self.search = Search.model_validate(read_json(search_file(path)))
        self.keeps = any(is_kept(name, "past") for name in self.inputs)
        self.outputs = tuple(name for name in self.outputs if not is_kept(name, "present"))


def parts(ids: IntArray) -> tuple[slice, ...]:
    """The first token of each row and the rest, `[rows, length]`."""
    return (slice(0, 1), slice(1, None)) if ids.shape[1] > 1 else (slice(0, None),)


def joined(logits: Sequence[npt.NDArray[np.float32]]) -> FloatArray:
    """Logits of all parts, `[rows, length, vocabulary]`."""
    return np.concatenate(logits, axis=1).astype(np.float64)


def _handed(arrays: Values) -> dict[str, Any]:
    """Arrays as ONNX Runtime takes them; it reads them where they lie."""
    from onnxruntime import OrtValue

    return {
        name: OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))
        for name, array in arrays.items()
    }
