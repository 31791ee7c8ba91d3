"""Padding is never written, however likely a model holds it."""

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
PAD, END = 0, 1


@pytest.mark.parametrize("num_beams", [1, 4])
@torch.no_grad()
def test_likely_padding_is_not_chosen_by_torch_or_without(
    make_checkpoint: MakeCheckpoint, num_beams: int
) -> None:
    directory = make_checkpoint("marian", initializer_range=0.3)
    model: Any = load_pretrained(directory, "seq2seq_lm", pad_token_id=PAD, config={})
    model.final_logits_bias[0, [PAD, END]] = torch.tensor([3.0, 1.0])
    ids = torch.randint(4, 30, (4, 7), generator=torch.Generator().manual_seed(3))
    mask = (torch.arange(7) < torch.from_numpy(LENGTHS)[:, None]).long()
    inputs = {"input_ids": ids * mask, "attention_mask": mask}

    def step(begun: Any, rows: Any, *_: Any) -> Any:
        chosen = {name: tensor[rows] for name, tensor in inputs.items()}
        return model(**chosen, decoder_input_ids=torch.from_numpy(begun)).logits[:, -1].numpy()

    for renormalize in (False, True):
        model.generation_config.renormalize_logits = renormalize
        made = GenerationOptions(max_new_tokens=14, num_beams=num_beams)
        search = search_of(model, made, pad_token_id=PAD)
        assert search.renormalize == renormalize
        expected = generate(model, inputs, search, torch.from_numpy(LENGTHS)).tolist()
        found = search_sequences(step, search, LENGTHS).tolist()
        assert found == expected
        for row in found:
            assert PAD not in (row[: row.index(END)] if END in row else row)


@pytest.mark.parametrize(("renormalize", "expected"), [(False, [3, END]), (True, [2, END])])
def test_what_padding_takes_from_a_hypothesis_can_be_given_back(
    renormalize: bool, expected: list[int]
) -> None:
    """After 2 padding is likely and nothing else but the end possible; after 3 all are."""

    def step(begun: Any, *_: Any) -> Any:
        after = {
            PAD: [0.1, 0.0, 0.5, 0.4],
            2: [0.9, 0.1, 0.0, 0.0],
            3: [0.0, 0.5, 0.25, 0.25],
        }
        chances = np.array([after.get(int(row[-1]), [0.0, 1.0, 0.0, 0.0]) for row in begun])
        return np.log(chances + 1e-9)

    search = Search(
        pad_token_id=PAD,
        eos_token_ids=(END,),
        start_token_ids=(PAD,),
        renormalize=renormalize,
        num_beams=2,
        max_new_tokens=4,
    )
    found = search_sequences(step, search, np.array([1]))
    assert found[0, :2].tolist() == expected
