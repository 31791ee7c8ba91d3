"""Texts longer than a model reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.artifacts import content_hash
from pipeline.data.encoding import encode_split
from pipeline.data.store import EncodedSplit
from pipeline.errors import UserError
from pipeline.evaluation.bootstrap import weights_in_chunks
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.base import IGNORE_INDEX
from pipeline.tasks.chunking import DOCUMENT, chunk_texts, document_numbers
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from tests.checkpoints import MakeCheckpoint

ROOM = 8
LONG = "home team won the match\nin the last minute by home " * 9
TEXTS = {
    "lines and words": LONG,
    "no spaces": "球" * 50,
    "one word": "x" * 200,
    "several tokens a character": "🏆" * 40,
    "white space": " \n" * 30 + "home" + " " * 50,
    "short lines": "一\n二 " * 30,
}


@pytest.fixture(params=["bert", "gpt2"])
def processor(request: pytest.FixtureRequest, make_checkpoint: MakeCheckpoint) -> Processor:
    return Processor(load_tokenizer(make_checkpoint(request.param)))


def rows_of(*texts: str) -> pa.Table:
    return pa.table({"id": [f"r{i}" for i in range(len(texts))], "text": texts, "topic": texts})


def content(texts: list[str]) -> str:
    """What is no white space, as a digest: a long difference takes minutes to print."""
    return content_hash("".join("".join(texts).split()))


def num_tokens(processor: Processor, text: str) -> int:
    backend = processor.tokenizer.backend_tokenizer
    return len(backend.encode(text, add_special_tokens=False).ids)


@pytest.mark.parametrize("name", TEXTS)
def test_pieces_fit_and_hold_the_whole_text(processor: Processor, name: str) -> None:
    text = TEXTS[name]
    made = chunk_texts(rows_of("the team", text), processor.tokenizer, ROOM)

    pieces = made["text"].to_pylist()[1:]
    assert max(num_tokens(processor, piece) for piece in pieces) <= ROOM
    assert content(pieces) == content([text])
    assert set(made[DOCUMENT].to_pylist()) == {"r0", "r1"}
    assert set(made["topic"].to_pylist()[1:]) == {text}


def test_texts_are_cut_where_lines_and_words_end(processor: Processor) -> None:
    made = chunk_texts(rows_of(LONG), processor.tokenizer, 5 * ROOM)

    words = LONG.split()
    found = [piece.split() for piece in made["text"].to_pylist()]
    assert [word for piece in found for word in piece] == words
    assert made.num_rows > 1


def test_one_character_of_more_tokens_than_fit_is_left_to_be_cut(
    make_checkpoint: MakeCheckpoint,
) -> None:
    tokenizer = load_tokenizer(make_checkpoint("gpt2"))

    made = chunk_texts(rows_of("🏆🏆"), tokenizer, 1)

    assert made["text"].to_pylist() == ["🏆", "🏆"]


def test_no_room_beside_special_tokens_is_one_message(processor: Processor) -> None:
    with pytest.raises(UserError, match="no room beside the special tokens"):
        chunk_texts(rows_of("home"), processor.tokenizer, 0)


def test_pieces_of_a_text_are_drawn_together(processor: Processor) -> None:
    made = chunk_texts(rows_of("the team", LONG, "home"), processor.tokenizer, ROOM)

    units = document_numbers(made)

    assert units is not None
    assert units[0] == 0
    assert units[-1] == 2
    assert set(units[1:-1].tolist()) == {1}
    drawn = np.concatenate(list(weights_in_chunks(made.num_rows, 50, 0, units=units)))
    assert (drawn[:, 1:-1] == drawn[:, 1:2]).all()


@pytest.mark.parametrize("texts", [("the team", "home"), (LONG,)])
def test_whole_texts_or_one_text_alone_are_drawn_row_by_row(
    processor: Processor, texts: tuple[str, ...]
) -> None:
    assert document_numbers(chunk_texts(rows_of(*texts), processor.tokenizer, ROOM)) is None


@pytest.mark.parametrize(
    ("kind", "family"), [("causal_language_model", "gpt2"), ("masked_language_model", "bert")]
)
def test_a_prepared_split_holds_all_of_a_long_text_and_cuts_it_on_request(
    kind: str, family: str, make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    processor = Processor(load_tokenizer(make_checkpoint(family)))
    told: list[int] = []
    tables = {}
    for way in ("chunk", "cut"):
        task = load_task(kind, {"long_texts": way})
        encode_split(
            rows_of("the team", LONG),
            tmp_path / f"{way}.arrow",
            task=task,
            processor=processor,
            label_names=(),
            max_length=ROOM + 2,
            on_rows=told.append,
        )
        tables[way] = EncodedSplit(tmp_path / f"{way}.arrow").table

    assert told == [2, 2]
    assert tables["cut"].num_rows == 2
    assert max(tables["cut"]["num_tokens"].to_pylist()) > ROOM + 2
    assert max(tables["chunk"]["num_tokens"].to_pylist()) <= ROOM + 2
    assert content(tables["chunk"]["text"].to_pylist()) == content(["the team", LONG])


def test_the_end_is_learned_behind_the_last_piece_alone(make_checkpoint: MakeCheckpoint) -> None:
    processor = Processor(load_tokenizer(make_checkpoint("gpt2")))
    task = load_task("causal_language_model", {})
    task.attach(processor)
    rows = task.divide(rows_of(LONG, "by"), processor, max_length=ROOM)

    labels = task.encode(rows, processor, (), max_length=ROOM)["labels"].to_pylist()

    end = processor.tokenizer.eos_token_id
    assert rows["id"].to_pylist()[:2] == ["r0", "r0#2"]
    assert [row[-1] == end for row in labels] == [*[False] * (len(labels) - 2), True, True]
    assert all(row[0] == IGNORE_INDEX for row in labels)


def test_prompts_and_chats_are_never_divided(make_checkpoint: MakeCheckpoint) -> None:
    processor = Processor(load_tokenizer(make_checkpoint("gpt2")))
    task = load_task("causal_language_model", {"form": "prompt"})
    rows = pa.table({"id": ["0"], "prompt": [LONG], "target": ["home"]})

    assert task.divide(rows, processor, max_length=ROOM) is rows
