from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.audio.encoders import LogMel
from pipeline.errors import DataError
from pipeline.tasks.base import IGNORE_INDEX, Task
from pipeline.tasks.columns import CONTENT_TYPE
from pipeline.tasks.ctc_decoding import beam_search, best_path
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from pipeline.tasks.speech_recognition_ctc import BLANK_NAME
from tests.audio_contract import SPOKEN, AudioContract, recordings
from tests.sounds import sound_file, spelled
from tests.task_contract import HandComputed, Subject

torch.set_num_threads(1)


def spoken(texts: tuple[str, ...] = SPOKEN) -> pa.Table:
    return pa.table(
        {
            "id": [str(row) for row in range(len(texts))],
            "audio": recordings(texts),
            "transcript": list(texts),
        }
    )


class CtcContract(AudioContract):
    kind = "speech_recognition_ctc"

    def rows(self) -> pa.Table:
        return spoken()

    def hand_computed(self) -> HandComputed:
        rows = pa.table({"transcript": ["one Two, three", "it's", "a b", "no"]})
        predictions = pa.table({"prediction": ["one too three four", "its", "a b", ""]})
        expected = {
            "wer": (2 + 1 + 0 + 1) / 7,
            "cer": (6 + 1 + 0 + 2) / (13 + 4 + 3 + 2),
            "exact_match": 1 / 4,
            "substitution_rate": 2 / 7,
            "insertion_rate": 1 / 7,
            "deletion_rate": 1 / 7,
        }
        return HandComputed(predictions, rows, (BLANK_NAME, "a"), expected, (1 / 3, 0, 1, 0))


class TestScratch(CtcContract):
    families = ("conv_recurrent",)


class TestScratchWithBeam(TestScratch):
    options: ClassVar[dict[str, Any]] = {"decoding": "beam"}


class TestHub(CtcContract):
    families = ("wav2vec2", "hubert", "wav2vec2_bert")

    def test_it_overfits_four_examples(self, subject: Subject) -> None:
        """A tiny wav2vec 2.0 of random weights learns slowly: its loss falls."""
        batch = subject.collate(subject.rows)
        optimizer = torch.optim.AdamW(subject.model.parameters(), lr=2e-3)
        losses = []
        for _ in range(25):
            optimizer.zero_grad()
            loss = subject.task.loss(subject.outputs(batch), batch)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
        assert losses[-1] < 0.7 * losses[0]


def task_with(**options: Any) -> Task:
    task = load_task("speech_recognition_ctc", options)
    task.attach(Processor(audio=LogMel(num_mels=24)))
    return task


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, set("he done now who'd")),
        ({"units": "words"}, {"he", "done", "now", "who'd"}),
        (
            {"normalisation": {"lowercase": False, "punctuation": "keep"}},
            set("He DONE, now! Who’d"),
        ),
    ],
)
def test_units_are_those_of_the_normalised_train_split(
    options: dict[str, Any], expected: set[str]
) -> None:
    rows = pa.table({"audio": recordings(("a", "b")), "transcript": ["He  DONE, now!", "Who’d"]})
    names = task_with(**options).label_names(rows, None)
    assert names[0] == BLANK_NAME
    assert list(names[1:]) == sorted(expected)


def test_pieces_of_words_spell_and_join_again() -> None:
    task = task_with(units="subwords", num_subwords=24)
    texts = ("hello yellow", "jello fellow", "low hello")
    rows = pa.table({"audio": recordings(("a",) * 3), "transcript": list(texts)})
    names = task.label_names(rows, None)
    assert len(names) <= 25
    processor = Processor(audio=LogMel(num_mels=24))
    labels = task.encode(rows, processor, names, max_length=50)["labels"].to_pylist()
    assert max(map(len, labels)) < 12
    for text, ids in zip(texts, labels, strict=True):
        assert "".join(names[one] for one in ids).replace("▁", " ").strip() == text


def test_characters_outside_the_vocabulary_are_left_out_and_named() -> None:
    task = task_with()
    names = task.label_names(spoken(("ab", "c")), None)
    rows = pa.table({"audio": recordings(("a", "b")), "transcript": ["azbyz", "c"]})
    encoded = task.encode(rows, Processor(audio=LogMel(num_mels=24)), names, max_length=50)
    assert encoded["unknown_characters"].to_pylist() == ["yz", ""]
    assert [[names[one] for one in ids] for ids in encoded["labels"].to_pylist()] == [
        ["a", "b"],
        ["c"],
    ]


def test_transcripts_without_a_letter_are_refused() -> None:
    rows = pa.table({"audio": recordings(("a", "b")), "transcript": ["...", "?"]})
    with pytest.raises(DataError, match="no letter that counts"):
        task_with().label_names(rows, None)


def test_a_damaged_recording_is_named_with_its_file() -> None:
    content = sound_file(spelled("abc"))[:2_000]
    rows = pa.table({"audio": pa.array([{"path": "x/bad.wav", "bytes": content}], CONTENT_TYPE)})
    with pytest.raises(DataError, match=r"x/bad\.wav: the file is cut off"):
        task_with().encode(rows, Processor(audio=LogMel(num_mels=24)), ("a", "b"), max_length=50)


def test_the_loss_is_ctcs_over_units_and_a_transcript_that_does_not_fit_costs_nothing() -> None:
    task = task_with()
    task.load_state({"subsampling": []})
    logits = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    batch = {
        "labels": torch.tensor([[1, 2, IGNORE_INDEX, IGNORE_INDEX], [1, 1, 1, 1]]),
        "num_steps": torch.tensor([4, 5]),
    }
    scores = torch.log_softmax(logits[0, :4], dim=-1)
    total = torch.tensor(0.0)
    for path in np.ndindex(3, 3, 3, 3):
        if best_path(np.eye(3)[list(path)]) == [1, 2]:
            total = total + scores[torch.arange(4), torch.tensor(path)].sum().exp()
    losses = task.example_losses({"logits": logits}, batch)
    torch.testing.assert_close(losses, torch.stack([-total.log() / 2, torch.tensor(0.0)]))
    assert float(task.loss({"logits": logits}, batch)) == pytest.approx(-float(total.log()) / 6)


def test_the_best_path_counts_repetitions_once_and_blanks_never() -> None:
    assert best_path(np.eye(3)[[0, 1, 1, 0, 1, 2, 2, 0]]) == [1, 1, 2]
    assert best_path(np.zeros((0, 3))) == []
    assert best_path(np.eye(3)[[0, 0]]) == []


def test_a_beam_finds_the_likeliest_text_where_the_best_path_does_not() -> None:
    logits = np.log(np.array([[0.6, 0.4], [0.6, 0.4]]))
    assert best_path(logits) == []
    assert beam_search(logits, 4) == [1]
    random = np.random.default_rng(0)
    for _ in range(20):
        scores = random.standard_normal((5, 3))
        chances: dict[tuple[int, ...], float] = {}
        each = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        for path in np.ndindex(*(3,) * 5):
            text = tuple(one for one, two in pairwise((*path, 0)) if one and one != two)
            chance = float(np.prod(each[np.arange(5), list(path)]))
            chances[text] = chances.get(text, 0.0) + chance
        assert tuple(beam_search(scores, 100)) == max(chances, key=chances.__getitem__)


def test_what_the_task_learned_of_its_model_travels() -> None:
    task = task_with()
    task.load_state({"subsampling": [[3, 2, 1], [10, 5, 0]]})
    other = task_with()
    other.load_state(task.state())
    assert other.state() == task.state()
    assert other.state()["subsampling"] == [[3, 2, 1], [10, 5, 0]]
