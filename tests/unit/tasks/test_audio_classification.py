from __future__ import annotations

import numpy as np
import pyarrow as pa
import torch

from pipeline.tasks.registry import load_task
from tests.audio_contract import SPOKEN, AudioContract, recordings
from tests.task_contract import HandComputed, Subject

torch.set_num_threads(1)


class LabelContract(AudioContract):
    kind = "audio_classification"

    def rows(self) -> pa.Table:
        return pa.table(
            {
                "id": [str(row) for row in range(4)],
                "audio": recordings(SPOKEN),
                "label": ["up", "down", "left", "down"],
            }
        )

    def hand_computed(self) -> HandComputed:
        names = ("a", "b")
        rows = pa.table({"label": ["a", "b", "b", "a"]})
        task = load_task(self.kind, self.options)
        logits = np.log(np.array([[3.0, 1.0], [1.0, 3.0], [3.0, 1.0], [1.0, 1.0]]))
        expected = {"accuracy": 3 / 4, "f1/a": 4 / 5, "f1/b": 2 / 3}
        predictions = task.decode({"logits": logits}, rows, names)
        return HandComputed(predictions, rows, names, expected, (1, 1, 0, 1))


class TestScratch(LabelContract):
    families = ("audio_cnn",)


class TestHub(LabelContract):
    families = ("wav2vec2", "ast")

    def test_it_overfits_four_examples(self, subject: Subject) -> None:
        """A tiny model of random weights that is tuned as a whole learns slowly: its loss falls."""
        batch = subject.collate(subject.rows)
        optimizer = torch.optim.AdamW(subject.model.parameters(), lr=5e-3)
        losses = []
        for _ in range(40):
            optimizer.zero_grad()
            loss = subject.task.loss(subject.outputs(batch), batch)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
        assert losses[-1] < 0.8 * losses[0]
