"""Graphs that write sequences: an encoder's and a decoder's, or a decoder's alone; no torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.artifacts import read_json
from pipeline.export.layout import encoder_file, search_file
from pipeline.export.memory import Memory
from pipeline.export.runtime import OnnxModel
from pipeline.export.search import Step, search_sequences
from pipeline.tasks.base import IGNORE_INDEX, Arrays, FloatArray, IntArray
from pipeline.tasks.encoder_decoder import source_lengths
from pipeline.tasks.generation import DECODER_IDS, PROMPT_LENGTH, SEQUENCES, Search
from pipeline.tasks.key_values import PAST_MASK, POSITIONS, is_kept


class _Writer(OnnxModel):
    """A decoder's graph with the search's settings, which lie beside it.

    Args:
        path: The graph.
        num_threads: Threads of one call; by default one for each physical core.

    Raises:
        CheckpointError: If a file is missing or damaged.
    """

    def __init__(self, path: Path, *, num_threads: int | None = None) -> None:
        super().__init__(path, num_threads=num_threads)
        self._search = Search.model_validate(read_json(search_file(path)))
        self._keeps = Memory.keeps(self.inputs)
        self.outputs = tuple(name for name in self.outputs if not is_kept(name, "present"))


class GeneratingModel(_Writer):
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
        step = self._keeping_step(given) if self._keeps else self._whole_step(given)
        found = {SEQUENCES: search_sequences(step, self._search, lengths)}
        if "labels" in batch:
            shifted = {DECODER_IDS: self._shifted(batch["labels"])}
            if self._keeps:
                memory = Memory(self._session, len(lengths))
                found["logits"] = memory.read({**given, **shifted}).astype(np.float64)
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

    def _shifted(self, labels: IntArray) -> IntArray:
        """What a decoder has read when it is asked for each target token."""
        begin = np.full((len(labels), 1), self._search.start_token_ids[0], np.int64)
        known = np.where(labels == IGNORE_INDEX, self._search.pad_token_id, labels)
        return np.concatenate([begin, known[:, :-1]], axis=1)


class ContinuingModel(_Writer):
    """A decoder's graph that is run for each token after a prompt."""

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
        if self._keeps:
            memory = Memory(self._session, len(lengths))
            rows, length = batch["input_ids"].shape
            every = {
                "input_ids": batch["input_ids"],
                "attention_mask": batch["attention_mask"],
                POSITIONS: np.tile(np.arange(length), (rows, 1)),
                PAST_MASK: np.zeros((rows, 0), np.int64),
            }
            found: Arrays = {"logits": memory.read(every).astype(np.float64)}
            step = self._keeping_step(memory, found["logits"], lengths, width)
        else:
            found = super().run(batch)
            step = self._whole_step(lengths, width)
        return {**found, SEQUENCES: search_sequences(step, self._search, lengths, prompts)}

    def _whole_step(self, lengths: IntArray, width: int) -> Step:
        """Reads the prompt and all tokens since each time."""

        def step(begun: IntArray, rows: IntArray, parents: IntArray) -> FloatArray:  # noqa: ARG001
            known = begun.shape[1] - width + lengths[rows]
            read = self._in_reach(known)
            places = np.arange(max(int(read.max()), 1))
            order = (places - known[:, np.newaxis]) % begun.shape[1]
            given = {
                "input_ids": np.take_along_axis(begun, order, 1),
                "attention_mask": (places < read[:, np.newaxis]).astype(np.int64),
            }
            logits = super(ContinuingModel, self).run(given)["logits"]
            last: FloatArray = logits[np.arange(len(read)), read - 1]
            return last

        return step

    def _keeping_step(
        self, memory: Memory, logits: FloatArray, lengths: IntArray, width: int
    ) -> Step:
        """Reads each token once; between a prompt and what is written, memory may have a gap.

        Args:
            memory: Has read the prompts, and whatever follows them in the batch.
            logits: What it made of them.
            lengths: Tokens of each prompt.
            width: Those of the longest.
        """

        def step(begun: IntArray, rows: IntArray, parents: IntArray) -> FloatArray:
            written = begun.shape[1] - width
            if not written:
                memory.select(rows, width)
                last: FloatArray = logits[rows, lengths[rows] - 1]
                return last
            memory.select(parents)
            positions = self._in_reach(lengths[rows] + written) - 1
            past = np.ones((len(rows), width + written - 1), np.int64)
            past[:, :width] = np.arange(width) < lengths[rows, np.newaxis]
            new = {
                "input_ids": begun[:, -1:],
                "attention_mask": np.ones((len(rows), 1), np.int64),
                POSITIONS: positions[:, np.newaxis],
                PAST_MASK: past,
            }
            made: FloatArray = memory.read(new)[:, -1].astype(np.float64)
            return made

        return step

    def _in_reach(self, counts: IntArray) -> IntArray:
        """Numbers of tokens, at most those that the model has positions for.

        Rows that have ended may have more, while they wait for others.
        """
        limit = self._search.max_positions
        return counts if limit is None else np.minimum(counts, limit)


def open_graph(path: Path, *, num_threads: int | None = None) -> OnnxModel:
    """Opens an exported model, of one graph or of those that write sequences."""
    made: type[OnnxModel] = OnnxModel
    if search_file(path).is_file():
        made = GeneratingModel if encoder_file(path).is_file() else ContinuingModel
    return made(path, num_threads=num_threads)
