from __future__ import annotations

import base64

from pipeline.tracking.logged_model import _example


def test_contents_of_an_example_come_back_as_bytes_and_texts_as_they_are() -> None:
    inputs = [{"name": "image", "type": "binary"}, {"name": "text", "type": "string"}]
    values = {"image": [base64.b64encode(b"\xff\x00").decode()], "text": ["aGVsbG8="]}
    table = _example(values, inputs)
    assert table.to_dict("records") == [{"image": b"\xff\x00", "text": "aGVsbG8="}]


def test_without_an_example_there_is_no_table() -> None:
    assert _example({}, [{"name": "image", "type": "binary"}]) is None
