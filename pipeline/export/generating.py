"""Graphs that write sequences: an encoder's and a decoder's, or a decoder's alone; no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.export.continuing import ContinuingModel
from pipeline.export.layout import encoder_file, search_file
from pipeline.export.memory import Memory, Writer, joined, parts
from pipeline.export.runtime import OnnxModel
from pipeline.export.search import Step, search_sequences
from pipeline.tasks.base import IGNORE_INDEX, Arrays, FloatArray, IntArray
from pipeline.tasks.encoder_decoder import source_lengths
from pipeline.tasks.generation import DECODER_IDS, SEQUENCES


class GeneratingModel(Writer):
    """A decoder's graph that is run for each token, after its encoder's, which is run once."""

    def __init__(self, path: Path, *, num_threads: int | None = None) -> None:
        super().__init__(path, num_threads=num_threads)
        self._encoder = OnnxModel(encoder_file(path), num_threads=num_threads)

    def run(self, batch: Arrays) -> Arrays:
        """Sequences for a batch, and logits where it has targets.

        Returns:
            `sequences` `[batch, length]`, see `pipeline.tasks.generation`; and `logits` of the
            targets, each token after those before it.
        """
        given = {**batch, **self._encoder.run_as_is(batch)}
        given = {name: given[name] for name in self.inputs if name in given}
        lengths = source_lengths(batch)
        step = self._keeping_step(given) if self.keeps else self._whole_step(given)
        found: dict[str, npt.NDArray[Any]] = {
            SEQUENCES: search_sequences(step, self.search, lengths)
        }
        if "labels" in batch:
            shifted = {DECODER_IDS: self._shifted(batch["labels"])}
            if self.keeps:
                found["logits"] = self._read_in_parts(shifted[DECODER_IDS], given)
            else:
                found |= super().run({**given, **shifted})
        return found

    def _whole_step(self, given: Arrays) -> Step:
        """Reads all tokens so far each time."""

        def step(begun: IntArray, rows: IntArray, parents: IntArray) -> FloatArray:  # noqa: ARG001
            of_rows = {name: value[rows] for name, value in given.items()}
            logits: FloatArray = super(GeneratingModel, self).run(
                {**of_rows, DECODER_IDS: np.ascontiguousarray(begun)}
            )["logits"][:, -1]
            return logits

        return step

    def _keeping_step(self, given: Arrays) -> Step:
        """Reads each token once."""
        memory: Memory | None = None
        before = np.zeros(0, np.int64)

        def step(begun: IntArray, rows: IntArray, parents: IntArray) -> FloatArray:
            nonlocal memory, before
            new = begun[:, -1:]
            if memory is None:
                memory, new = Memory(self._session, len(rows)), begun
            else:
                memory.select(parents)
            if not np.array_equal(rows, before):
                memory.give({name: value[rows] for name, value in given.items()})
                before = rows
            logits: FloatArray = memory.read({DECODER_IDS: new})[:, -1].astype(np.float64)
            return logits

        return step

    def _read_in_parts(self, ids: IntArray, given: Arrays) -> FloatArray:
        """Logits of targets, of the first token and then of the rest: parity proves memory too."""
        memory = Memory(self._session, len(ids))
        memory.give(given)
        return joined([memory.read({DECODER_IDS: ids[:, part]}) for part in parts(ids)])

    def _shifted(self, labels: IntArray) -> IntArray:
        """What a decoder has read when it is asked for each target token."""
        begin = np.full((len(labels), 1), self.search.start_token_ids[0], np.int64)
        known = np.where(labels == IGNORE_INDEX, self.search.pad_token_id, labels)
        return np.concatenate([begin, known[:, :-1]], axis=1)


def open_graph(path: Path, *, num_threads: int | None = None) -> OnnxModel:
    """Opens an exported model, of one graph or of those that write sequences."""
    made: type[OnnxModel] = OnnxModel
    if search_file(path).is_file():
        made = GeneratingModel if encoder_file(path).is_file() else ContinuingModel
    return made(path, num_threads=num_threads)
