"""Graphs that write sequences: an encoder's and a decoder's, or a decoder's alone; no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.artifacts import read_json
from pipeline.export.layout import encoder_file, search_file
from pipeline.export.runtime import OnnxModel
from pipeline.export.search import search_sequences
from pipeline.tasks.base import IGNORE_INDEX, Arrays, FloatArray, IntArray
from pipeline.tasks.encoder_decoder import source_lengths
from pipeline.tasks.generation import DECODER_IDS, PROMPT_LENGTH, SEQUENCES, Search


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


class ContinuingModel(OnnxModel):
    """A decoder's graph that is run for each token on the prompt and all tokens since.

    Args:
        path: The graph; the search's settings lie beside it.
        num_threads: Threads of one call; by default one for each physical core.

    Raises:
        CheckpointError: If a file is missing or damaged.
    """

    def __init__(self, path: Path, *, num_threads: int | None = None) -> None:
        super().__init__(path, num_threads=num_threads)
        self._search = Search.model_validate(read_json(search_file(path)))

    def run(self, batch: Arrays) -> Arrays:
        """The graph's results for a batch, and what continues each row's first tokens.

        Args:
            batch: With `prompt_length` `[batch]`, how many tokens of `input_ids` are continued.

        Returns:
            `sequences` `[batch, length]`, see `pipeline.tasks.generation`, and `logits`.
        """
        lengths = batch[PROMPT_LENGTH]
        width = max(int(lengths.max(initial=1)), 1)
        places = np.arange(width)
        ids = np.where(
            places < lengths[:, np.newaxis],
            batch["input_ids"][:, :width],
            self._search.pad_token_id,
        )
        prompts = np.take_along_axis(ids, (places + lengths[:, np.newaxis]) % width, 1)

        def step(begun: IntArray, rows: IntArray) -> FloatArray:
            known = begun.shape[1] - width + lengths[rows]
            places = np.arange(begun.shape[1])
            order = (places - known[:, np.newaxis]) % begun.shape[1]
            given = {
                "input_ids": np.take_along_axis(begun, order, 1),
                "attention_mask": (places < known[:, np.newaxis]).astype(np.int64),
            }
            logits = super(ContinuingModel, self).run(given)["logits"]
            last: FloatArray = logits[np.arange(len(known)), known - 1]
            return last

        written = search_sequences(step, self._search, lengths, prompts)
        return {**super().run(batch), SEQUENCES: written}


def open_graph(path: Path, *, num_threads: int | None = None) -> OnnxModel:
    """Opens an exported model, of one graph or of those that write sequences."""
    made: type[OnnxModel] = OnnxModel
    if search_file(path).is_file():
        made = GeneratingModel if encoder_file(path).is_file() else ContinuingModel
    return made(path, num_threads=num_threads)
