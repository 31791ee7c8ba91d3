"""An encoder's and a decoder's graphs that write sequences together, without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.artifacts import read_json
from pipeline.export.layout import encoder_file, search_file
from pipeline.export.runtime import OnnxModel
from pipeline.export.search import search_sequences
from pipeline.tasks.base import IGNORE_INDEX, Arrays, FloatArray, IntArray
from pipeline.tasks.encoder_decoder import source_lengths
from pipeline.tasks.generation import DECODER_IDS, SEQUENCES, Search


class GeneratingModel(OnnxModel):
    """A decoder's graph that is run for each token, after its encoder's, which is run once.

    Args:
        path: The decoder's graph; the encoder's and the search's settings lie beside it.
        num_threads: Threads of one call; by default one for each physical core.

    Raises:
        CheckpointError: If a file is missing or damaged.
    """

    def __init__(self, path: Path, *, num_threads: int | None = None) -> None:
        super().__init__(path, num_threads=num_threads)
        self._encoder = OnnxModel(encoder_file(path), num_threads=num_threads)
        self._search = Search.model_validate(read_json(search_file(path)))

    def run(self, batch: Arrays) -> Arrays:
        """Sequences for a batch, and logits where it has targets.

        Returns:
            `sequences` `[batch, length]`, see `pipeline.tasks.generation`; and `logits` of the
            targets, each token after those before it.
        """
        given = {**batch, **self._encoder.run(batch)}
        given = {name: given[name] for name in self.inputs if name in given}
        # The encoder's floats came back wider than the graph reads them.
        given = {
            name: value.astype(np.float32) if value.dtype == np.float64 else value
            for name, value in given.items()
        }

        def step(begun: IntArray, rows: IntArray) -> FloatArray:
            of_rows = {name: value[rows] for name, value in given.items()}
            logits: FloatArray = super(GeneratingModel, self).run(
                {**of_rows, DECODER_IDS: np.ascontiguousarray(begun)}
            )["logits"][:, -1]
            return logits

        found = {SEQUENCES: search_sequences(step, self._search, source_lengths(batch))}
        if "labels" in batch:
            found |= super().run({**given, DECODER_IDS: self._shifted(batch["labels"])})
        return found

    def _shifted(self, labels: IntArray) -> IntArray:
        """What a decoder has read when it is asked for each target token."""
        begin = np.full((len(labels), 1), self._search.start_token_ids[0], np.int64)
        known = np.where(labels == IGNORE_INDEX, self._search.pad_token_id, labels)
        return np.concatenate([begin, known[:, :-1]], axis=1)


def open_graph(path: Path, *, num_threads: int | None = None) -> OnnxModel:
    """Opens an exported model, of one graph or of those that write sequences."""
    made = GeneratingModel if search_file(path).is_file() else OnnxModel
    return made(path, num_threads=num_threads)
