"""A graph that continues token sequences: a decoder's alone; no torch."""

from __future__ import annotations

import numpy as np

from pipeline.export.memory import Memory, Writer, joined, parts
from pipeline.export.search import Step, search_sequences
from pipeline.tasks.base import Arrays, FloatArray, IntArray
from pipeline.tasks.generation import PROMPT_LENGTH, SEQUENCES
from pipeline.tasks.key_values import PAST_MASK, POSITIONS


class ContinuingModel(Writer):
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
            self.search.pad_token_id,
        )
        prompts = np.take_along_axis(ids, (places + lengths[:, np.newaxis]) % width, 1)
        if self.keeps:
            memory = Memory(self._session, len(lengths))
            found: Arrays = {"logits": self._read_all(memory, batch)}
            step = self._keeping_step(memory, found["logits"], lengths, width)
        else:
            found = super().run(batch)
            step = self._whole_step(lengths, width)
        return {**found, SEQUENCES: search_sequences(step, self.search, lengths, prompts)}

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

    @staticmethod
    def _read_all(memory: Memory, batch: Arrays) -> FloatArray:
        """Logits of a batch; of one with targets in two parts, so that parity proves memory too."""
        ids, mask = batch["input_ids"], batch["attention_mask"]
        places = np.tile(np.arange(ids.shape[1]), (len(ids), 1))
        return joined(
            [
                memory.read(
                    {
                        "input_ids": ids[:, part],
                        "attention_mask": mask[:, part],
                        POSITIONS: places[:, part],
                        PAST_MASK: mask[:, : part.start],
                    }
                )
                for part in (parts(ids) if "labels" in batch else (slice(0, None),))
            ]
        )

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
        limit = self.search.max_positions
        return counts if limit is None else np.minimum(counts, limit)
