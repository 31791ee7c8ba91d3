from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.config.data import DataConfig
from pipeline.data.mapping import RowMapper
from pipeline.data.messages import ChatError, ChatReader, asked_chat, chat_of
from pipeline.data.sources.raw import RawRows
from pipeline.errors import ConfigError, DataError
from pipeline.tasks.causal_language_model import MESSAGES
from pipeline.tasks.registry import load_task

OPENAI = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
]
SHAREGPT = [
    {"from": "system", "value": "Be brief."},
    {"from": "human", "value": "Hi"},
    {"from": "gpt", "value": "Hello"},
]
READ = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
]


@pytest.mark.parametrize("chat", [OPENAI, SHAREGPT, json.dumps(OPENAI), json.dumps(SHAREGPT)])
def test_both_shapes_are_read_as_lists_and_as_json(chat: Any) -> None:
    assert chat_of(chat, "messages") == READ


def test_parts_of_text_are_joined() -> None:
    parts = [{"type": "text", "text": "He"}, {"type": "text", "text": "llo"}]
    assert chat_of([{"role": "user", "content": parts}], "messages")[0]["content"] == "Hello"


CALL = {"name": "weather", "arguments": '{"place": "İzmir"}'}
CALLED = '<tool_call>\n{"name": "weather", "arguments": {"place": "İzmir"}}\n</tool_call>'


@pytest.mark.parametrize(
    ("turn", "content"),
    [
        ({"content": None, "tool_calls": [{"type": "function", "function": CALL}]}, CALLED),
        (
            {"content": "Wait.", "tool_calls": [{"function": CALL}] * 2},
            f"Wait.\n{CALLED}\n{CALLED}",
        ),
        ({"content": "", "function_call": CALL}, CALLED),
    ],
)
def test_calls_of_tools_are_written_as_templates_write_them(turn: Any, content: str) -> None:
    chat = [{"role": "assistant", **turn}, {"role": "tool", "content": "31 °C"}]
    assert [one["content"] for one in chat_of(chat, "messages")] == [content, "31 °C"]
    said = chat_of([{"from": "function_call", "value": "{}"}], "messages")
    assert said == [{"role": "assistant", "content": "{}"}]


@pytest.mark.parametrize(
    ("chat", "message", "remedy"),
    [
        ("hello", "must be a list of turns, got 'hello'", "data.columns.messages"),
        ([], "must be a list of turns", "data.columns.messages"),
        (7, "must be a list of turns, got 7", "data.columns.messages"),
        (["hi"], "turn 1 .* must be an object, got 'hi'", '"role"'),
        ([{"text": "hi"}], "turn 1 .* does not say who speaks; it has text", '"from"'),
        ([*OPENAI, {"role": "asistant", "content": "x"}], "turn 4 .*'asistant'", "'assistant'"),
        ([{"role": "user", "content": " \n"}], "turn 1 .*user.* no text in 'content'", "take the"),
        ([{"role": "assistant", "content": None, "tool_calls": []}], "no text", "take the"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "no text", "pictures"),
        ([{"from": "human"}], "no text in 'value'", "write what was said"),
    ],
)
def test_what_is_wrong_is_named_with_its_turn(chat: Any, message: str, remedy: str) -> None:
    with pytest.raises(ChatError, match=message) as caught:
        chat_of(chat, "messages")
    assert remedy in caught.value.remedy


def test_a_chat_without_an_answer_has_nothing_to_learn() -> None:
    with pytest.raises(ChatError, match=r"no turn of the assistant.*system, user") as caught:
        ChatReader("messages")(OPENAI[:2])
    assert "data.bad_chats=skip" in caught.value.remedy


def test_turns_that_nobody_answers_are_left_out_and_counted() -> None:
    reader = ChatReader("messages")
    assert reader([*OPENAI, {"role": "user", "content": "Bye"}]) == READ
    assert reader(OPENAI) == READ
    assert reader(None) is None
    assert reader.unanswered == 1


def test_a_text_is_asked_by_the_user() -> None:
    assert asked_chat("Hi", "messages") == [{"role": "user", "content": "Hi"}]
    assert asked_chat(json.dumps(OPENAI[:2]), "messages") == READ[:2]
    assert asked_chat(" ", "messages") == []
    with pytest.raises(ChatError, match="must be a list of turns"):
        asked_chat("[not json", "messages")


def mapper(**settings: Any) -> RowMapper:
    values = {
        "name": "chats",
        "files": {"all": {"path": "chats.jsonl"}},
        "columns": {"messages": "conversations"},
        **settings,
    }
    return RowMapper(DataConfig.model_validate(values, strict=False), "jsonl", (MESSAGES,))


ROWS = RawRows({"conversations": [SHAREGPT, SHAREGPT[:2], [*SHAREGPT, SHAREGPT[1]]]}, [1, 2, 3])


def test_the_first_bad_chat_is_an_error_with_file_and_row() -> None:
    with pytest.raises(DataError, match=r"chats\.jsonl, row 2: .*no turn of the assistant"):
        mapper().table(ROWS, "chats.jsonl")


def test_bad_chats_are_left_out_and_counted_where_asked() -> None:
    reading = mapper(bad_chats="skip")
    table = reading.table(ROWS, "chats.jsonl")
    assert table["messages"].to_pylist() == [READ, READ]
    assert dict(reading.dropped) == {"bad_chat": 1}
    assert reading.report() == [{"step": "turns without an answer", "turns_removed": 1}]


def test_chats_and_prompts_say_which_task_reads_them() -> None:
    task = load_task("causal_language_model", {})
    data = {"name": "chats", "files": {"all": {"path": "chats.jsonl"}}}
    reading = RowMapper(DataConfig.model_validate(data), "jsonl", task.columns)
    with pytest.raises(DataError, match="no column 'text'") as missing:
        reading.wanted.choose(["messages"], "chats.jsonl")
    assert "task=causal_language_model_chat" in str(missing.value.remedy)
    mapping = DataConfig.model_validate({**data, "columns": {"prompt": "question"}})
    with pytest.raises(ConfigError, match="task=causal_language_model_prompt"):
        RowMapper(mapping, "jsonl", task.columns)
