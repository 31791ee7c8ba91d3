"""The search without torch finds what transformers finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pipeline.export.search import search_sequences
from pipeline.models.pretrained import load_pretrained
from pipeline.tasks.generation import GenerationOptions, Search, generate, search_of
from tests.checkpoints import MakeCheckpoint

torch.set_num_threads(1)

LENGTHS = np.array([7, 3, 5, 1])


@pytest.fixture(scope="module")
def inputs() -> dict[str, torch.Tensor]:
    drawn = torch.Generator().manual_seed(3)
    mask = (torch.arange(7) < torch.from_numpy(LENGTHS)[:, None]).long()
    return {
        "input_ids": torch.randint(4, 30, (4, 7), generator=drawn) * mask,
        "attention_mask": mask,
    }


@pytest.mark.parametrize("kind", ["marian", "t5"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"no_repeat_ngram_size": 2},
        {"num_beams": 4},
        {"num_beams": 3, "early_stopping": True, "length_penalty": 2.0},
        {"num_beams": 2, "no_repeat_ngram_size": 2, "length_penalty": 0.0},
        {"num_beams": 3, "max_length_ratio": 0.01},
    ],
)
@torch.no_grad()
def test_sequences_are_those_of_transformers(
    make_checkpoint: MakeCheckpoint,
    inputs: dict[str, torch.Tensor],
    kind: str,
    options: dict[str, Any],
) -> None:
    directory = make_checkpoint(kind, initializer_range=0.3)
    model: Any = load_pretrained(directory, "seq2seq_lm", pad_token_id=0, config={})
    if kind == "marian":
        model.final_logits_bias[0, 1] = 2.0  # texts end before their limit too
    made = GenerationOptions(**{"max_new_tokens": 14, **options})
    for prompt in ((), (6,)):
        search = search_of(model, made, pad_token_id=0, prompt=prompt)
        expected = generate(model, inputs, search, torch.from_numpy(LENGTHS)).numpy()

        def step(begun: Any, rows: Any, parents: Any) -> Any:
            chosen = {name: tensor[rows] for name, tensor in inputs.items()}
            return model(**chosen, decoder_input_ids=torch.from_numpy(begun)).logits[:, -1].numpy()

        found = search_sequences(step, search, LENGTHS)
        width = max(found.shape[1], expected.shape[1])
        padded = [
            np.pad(one, ((0, 0), (0, width - one.shape[1]))).tolist() for one in (found, expected)
        ]
        assert padded[0] == padded[1]


@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_step_is_told_which_sequence_each_one_continues(num_beams: int) -> None:
    search = Search(
        pad_token_id=0,
        eos_token_ids=(1,),
        start_token_ids=(2,),
        num_beams=num_beams,
        max_new_tokens=8,
    )
    chance = np.random.default_rng(0)
    before: list[tuple[Any, Any]] = []

    def step(begun: Any, rows: Any, parents: Any) -> Any:
        if before:
            sequences, numbers = before[-1]
            assert (sequences[parents] == begun[:, :-1]).all()
            assert (numbers[parents] == rows).all()
        else:
            assert parents.tolist() == list(range(len(begun)))
        before.append((begun.copy(), rows))
        return chance.normal(size=(len(begun), 12))

    search_sequences(step, search, np.array([3, 1, 2, 5]))
    assert len(before) > 3
