from __future__ import annotations

import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from pipeline.errors import UserError
from pipeline.tasks.batch_encoding import encode_texts

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "alpha", "beta", "gamma"]
TEXTS = ["alpha beta gamma alpha", "", "beta", "delta beta epsilon", "alpha " * 50]


def word_tokenizer(*, framed: bool) -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    if framed:
        backend.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]"
    )


@pytest.mark.parametrize("framed", [True, False])
@pytest.mark.parametrize("max_length", [3, 4, 5, 100])
def test_ids_equal_those_of_the_tokenizer_itself(framed: bool, max_length: int) -> None:
    tokenizer = word_tokenizer(framed=framed)
    expected = tokenizer(TEXTS, truncation=True, max_length=max_length)["input_ids"]

    table = encode_texts(tokenizer, pa.array(TEXTS), max_length=max_length)

    assert table["input_ids"].to_pylist() == expected
    assert table.schema.field("input_ids").type == pa.list_(pa.int32())
    whole = tokenizer(TEXTS)["input_ids"]
    assert table["num_tokens"].to_pylist() == [len(row) for row in whole]
    assert table["num_unknown"].to_pylist() == [0, 0, 0, 2, 0]


def test_offsets_point_at_the_text_and_are_cut_with_the_ids() -> None:
    tokenizer = word_tokenizer(framed=True)
    table = encode_texts(tokenizer, pa.array(TEXTS), max_length=4, offsets=True)

    assert table["offsets"].to_pylist()[0] == [0, 0, 0, 5, 6, 10, 0, 0]
    assert table["offsets"].to_pylist()[1] == [0, 0, 0, 0]
    for ids, places in zip(
        table["input_ids"].to_pylist(), table["offsets"].to_pylist(), strict=True
    ):
        assert len(places) == 2 * len(ids)


def test_truncation_and_padding_left_in_the_tokenizer_are_ignored() -> None:
    tokenizer = word_tokenizer(framed=True)
    tokenizer.backend_tokenizer.enable_truncation(2)
    tokenizer.backend_tokenizer.enable_padding(length=20)

    table = encode_texts(tokenizer, pa.chunked_array([["alpha beta", "beta"]]), max_length=50)

    assert table["input_ids"].to_pylist() == [[2, 4, 5, 3], [2, 5, 3]]


def test_a_special_token_written_in_a_text_stays_part_of_the_text() -> None:
    tokenizer = word_tokenizer(framed=True)
    tokenizer.add_special_tokens({"cls_token": "[CLS]", "sep_token": "[SEP]"})
    texts = ["[SEP] alpha [CLS]"]

    table = encode_texts(tokenizer, pa.array(texts), max_length=50)

    assert table["input_ids"].to_pylist() == tokenizer(texts)["input_ids"]


def test_no_texts_give_no_rows() -> None:
    table = encode_texts(
        word_tokenizer(framed=True), pa.array([], pa.string()), max_length=8, offsets=True
    )
    assert table.num_rows == 0
    assert table.schema.field("input_ids").type == pa.list_(pa.int32())


def test_a_max_length_without_room_for_text_is_refused() -> None:
    with pytest.raises(UserError, match="2 special tokens"):
        encode_texts(word_tokenizer(framed=True), pa.array(["alpha"]), max_length=2)
