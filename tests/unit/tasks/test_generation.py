from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.models.pretrained import load_pretrained
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.generation import (
    GenerationOptions,
    Search,
    generate,
    left_padded,
    search_of,
    texts_of,
)
from tests.checkpoints import MakeCheckpoint

torch.set_num_threads(1)

LENGTHS = (7, 3, 5)


@pytest.fixture(params=["marian", "t5", "gpt2"])
def model(make_checkpoint: MakeCheckpoint, request: pytest.FixtureRequest) -> Any:
    directory = make_checkpoint(request.param, initializer_range=0.3)
    head = "causal_lm" if request.param == "gpt2" else "seq2seq_lm"
    return load_pretrained(directory, head, pad_token_id=0, config={})  # type: ignore[arg-type]


def inputs(width: int = max(LENGTHS)) -> dict[str, torch.Tensor]:
    drawn = torch.Generator().manual_seed(1)
    ids = torch.randint(4, 30, (len(LENGTHS), width), generator=drawn)
    mask = (torch.arange(width) < torch.tensor(LENGTHS)[:, None]).long()
    return {"input_ids": ids * mask, "attention_mask": mask}


def padded(width: int) -> dict[str, torch.Tensor]:
    return {
        name: torch.nn.functional.pad(tensor, (0, width - tensor.shape[1]))
        for name, tensor in inputs().items()
    }


@torch.no_grad()
def written(model: Any, given: dict[str, torch.Tensor], **options: Any) -> list[list[int]]:
    search = search_of(model, GenerationOptions(**options), pad_token_id=0)
    found = generate(model, given, search, given["attention_mask"].sum(dim=1))
    assert found.dtype == torch.int64
    return [_until_end(row, search) for row in found.tolist()]


def _until_end(row: list[int], search: Search) -> list[int]:
    stops = [place for place, token in enumerate(row) if token in search.eos_token_ids]
    if stops:
        assert set(row[stops[0] + 1 :]) <= {search.pad_token_id}
        return row[: stops[0] + 1]
    return row


@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_row_gets_the_same_text_alone_together_and_padded(model: Any, num_beams: int) -> None:
    options: dict[str, Any] = {"num_beams": num_beams, "max_new_tokens": 9, "max_length_ratio": 0.1}
    together = written(model, inputs(), **options)
    assert written(model, padded(12), **options) == together
    for row, length in enumerate(LENGTHS):
        alone = {name: tensor[row : row + 1, :length] for name, tensor in inputs().items()}
        assert written(model, alone, **options) == [together[row]]


@pytest.mark.parametrize("num_beams", [1, 2])
def test_a_text_ends_at_its_limit(model: Any, num_beams: int) -> None:
    made = written(model, inputs(), num_beams=num_beams, max_new_tokens=4)
    assert all(1 <= len(row) <= 4 for row in made)
    ends = search_of(model, GenerationOptions(), pad_token_id=0).eos_token_ids
    assert all(row[-1] in ends for row in made)


@pytest.mark.parametrize("num_beams", [1, 2])
def test_a_row_that_fills_all_positions_ends_while_others_go_on(
    make_checkpoint: MakeCheckpoint, num_beams: int
) -> None:
    directory = make_checkpoint("gpt2", initializer_range=0.3)
    model = load_pretrained(directory, "causal_lm", pad_token_id=0, config={})
    width = model.config.n_positions
    mask = torch.ones(2, width, dtype=torch.int64)
    mask[1, 4:] = 0
    given = {"input_ids": mask * 5, "attention_mask": mask}
    options: dict[str, Any] = {"num_beams": num_beams, "max_new_tokens": 8}
    full, short = written(model, given, **options)
    assert len(full) == 1
    alone = {name: tensor[1:, :4] for name, tensor in given.items()}
    assert written(model, alone, **options) == [short]


def test_greedy_takes_the_likeliest_token_each_time(model: Any) -> None:
    if not model.config.is_encoder_decoder:
        pytest.skip("an encoder and decoder show it")
    given = inputs()
    made = written(model, given, max_new_tokens=6)
    ids = torch.tensor([[model.config.decoder_start_token_id]])
    row = {name: tensor[:1] for name, tensor in given.items()}
    for token in made[0][:-1]:
        logits = model(**row, decoder_input_ids=ids).logits[0, -1]
        logits[0] = -torch.inf
        assert int(logits.argmax()) == token
        ids = torch.cat([ids, torch.tensor([[token]])], dim=1)


def test_no_run_of_tokens_occurs_twice(model: Any) -> None:
    for row in written(model, inputs(), max_new_tokens=20, no_repeat_ngram_size=2):
        pairs = list(pairwise(row))
        assert len(pairs) == len(set(pairs))


def test_a_checkpoints_own_settings_do_not_count(model: Any) -> None:
    expected = written(model, inputs(), max_new_tokens=5)
    model.generation_config.num_beams = 4
    model.generation_config.bad_words_ids = [[token] for token in {*expected[0]} - {1}]
    assert written(model, inputs(), max_new_tokens=5) == expected
    assert model.generation_config.num_beams == 4


def test_a_text_continues_what_it_begins_with(model: Any) -> None:
    if not model.config.is_encoder_decoder:
        pytest.skip("decoders alone continue their inputs")
    options = GenerationOptions(max_new_tokens=4)
    plain = search_of(model, options, pad_token_id=0)
    first = generate(model, inputs(), plain, torch.tensor(LENGTHS))[0]
    start = model.config.decoder_start_token_id
    for prompt in ((int(first[0]),), (start, int(first[0]))):
        search = search_of(model, options, pad_token_id=0, prompt=prompt)
        assert search.start_token_ids == (start, int(first[0]))
        found = generate(model, inputs(), search, torch.tensor(LENGTHS))[0]
        assert found[:2].tolist() == first[1:3].tolist()  # the last of four is made an end


def test_limits_are_of_each_row() -> None:
    settings: dict[str, Any] = {"pad_token_id": 0, "eos_token_ids": (1,), "max_new_tokens": 50}
    lengths = np.array([2, 10, 100])
    assert Search(**settings).limits(lengths).tolist() == [50, 50, 50]
    ratio = Search(**settings, max_length_ratio=1.5)
    assert ratio.limits(lengths).tolist() == [13, 25, 50]
    continued = Search(**settings, max_positions=101)
    assert continued.limits(lengths).tolist() == [50, 50, 1]
    decoder = Search(**settings, max_positions=20, start_token_ids=(0,))
    assert decoder.limits(lengths).tolist() == [19, 19, 19]


def test_left_padding_keeps_the_order_of_tokens() -> None:
    given = inputs()
    moved = left_padded(given["input_ids"], given["attention_mask"])
    for row, length in enumerate(LENGTHS):
        tokens = given["input_ids"][row, :length].tolist()
        assert moved["input_ids"][row, 7 - length :].tolist() == tokens
        assert moved["attention_mask"][row].tolist() == [0] * (7 - length) + [1] * length


def test_texts_are_read_up_to_their_end(make_checkpoint: MakeCheckpoint) -> None:
    tokenizer = load_tokenizer(make_checkpoint("marian"))
    ids = np.array([[*tokenizer("the home team").input_ids, 5, 6], [1, 5, 5, 5, 5, 5]])
    assert texts_of(ids, tokenizer, (1,)) == ["the home team", ""]
