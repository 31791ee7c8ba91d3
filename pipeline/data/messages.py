"""Chats in the two shapes that people keep them in, as turns with roles."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa

from pipeline.data.rules import RuleError
from pipeline.errors import did_you_mean

MESSAGES_TYPE = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
"""A chat: its turns in order, each of `system`, `user`, `assistant` or `tool`."""

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
"""Who speaks: names of OpenAI (`role`) and ShareGPT (`from`), and ours."""

Turn = dict[str, str]


class ChatError(RuleError):
    """A chat breaks a rule; `data.bad_chats` says whether it is left out."""


class ChatReader:
    """Reads chats that are to be learned from.

    Args:
        name: The column's, for messages.

    Attributes:
        unanswered: Turns that were left out because no answer follows them.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.unanswered = 0

    def __call__(self, value: Any) -> list[Turn] | None:
        """The chat up to its last answer; None where it is missing.

        Raises:
            ChatError: If it is no chat, or the assistant says nothing in it.
        """
        if value is None:
            return None
        turns = chat_of(value, self._name)
        answers = [place for place, turn in enumerate(turns) if turn["role"] == "assistant"]
        if not answers:
            raise ChatError(
                f"the {self._name} have no turn of the assistant, so there is nothing to learn; "
                f"the roles are {', '.join(turn['role'] for turn in turns)}",
                "add its answer, leave the row out, or set data.bad_chats=skip",
            )
        self.unanswered += len(turns) - 1 - answers[-1]
        return turns[: answers[-1] + 1]


def chat_of(value: Any, name: str) -> list[Turn]:
    """The turns of a chat.

    Args:
        value: OpenAI's `[{"role": …, "content": …}]` or ShareGPT's `[{"from": …, "value": …}]`, or
            that as JSON text.
        name: The column's, for messages.

    Raises:
        ChatError: With what is wrong, and in which turn.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise _no_chat(value, name) from error
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise _no_chat(value, name)
    return [_turn(turn, place, name) for place, turn in enumerate(value, 1)]


def asked_chat(value: Any, name: str) -> list[Turn]:
    """A chat to be answered: what `chat_of` reads, or a text, which then is the user's only turn.

    Raises:
        ChatError: If it looks like a chat and is none.
    """
    if isinstance(value, str) and not value.lstrip().startswith("["):
        return [{"role": "user", "content": value}] if value.strip() else []
    return chat_of(value, name)


def _turn(turn: Any, place: int, name: str) -> Turn:
    if not isinstance(turn, Mapping):
        raise ChatError(
            f"turn {place} of the {name} must be an object, got {turn!r:.60}",
            'write turns as {"role": "user", "content": "…"}',
        )
    keys = ("from", "value") if "from" in turn else ("role", "content")
    if keys[0] not in turn:
        raise ChatError(
            f"turn {place} of the {name} does not say who speaks; it has {', '.join(turn)}",
            'write turns as {"role": …, "content": …} or {"from": …, "value": …}',
        )
    who = str(turn[keys[0]]).strip().lower()
    if who not in ROLES:
        raise ChatError(
            f"turn {place} of the {name} has the unknown role {turn[keys[0]]!r}",
            f"known are {', '.join(ROLES)}; {did_you_mean(who, ROLES)}",
        )
    said = [_content(turn.get(keys[1])), *_calls(turn)]
    content = "\n".join(text for text in said if text) or None
    if content is None or not content.strip():
        raise ChatError(
            f"turn {place} of the {name} ({who}) has no text in {keys[1]!r}: "
            f"{turn.get(keys[1])!r:.60}",
            "write what was said, or take the turn out; pictures are not read",
        )
    return {"role": ROLES[who], "content": content}


def _calls(turn: Mapping[str, Any]) -> list[str]:
    """The calls of tools in an assistant's turn of OpenAI's, as texts.

    Each is an object between tags, as the templates of Qwen and Hermes write it:
    https://github.com/NousResearch/Hermes-Function-Calling
    """
    calls = turn.get("tool_calls") or []
    functions = [call.get("function", call) for call in calls if isinstance(call, Mapping)]
    if turn.get("function_call"):  # as calls were written before there could be several
        functions.append(turn["function_call"])
    return [
        f"<tool_call>\n{json.dumps(_call(function), ensure_ascii=False)}\n</tool_call>"
        for function in functions
        if isinstance(function, Mapping)
    ]


def _call(function: Mapping[str, Any]) -> dict[str, Any]:
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        with suppress(ValueError):  # kept as the model wrote it
            arguments = json.loads(arguments)
    return {"name": function.get("name"), "arguments": arguments}


def _content(value: Any) -> str | None:
    """A text, or OpenAI's list of parts that are all texts."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return None
    parts = [
        part.get("text") if isinstance(part, Mapping) and part.get("type") == "text" else None
        for part in value
    ]
    texts = [part for part in parts if isinstance(part, str)]
    return "".join(texts) if len(texts) == len(parts) else None


def _no_chat(value: Any, name: str) -> ChatError:
    return ChatError(
        f"the {name} must be a list of turns, got {value!r:.60}",
        f'map the right column in data.columns.{name}; turns are {{"role": …, "content": …}} or '
        '{"from": …, "value": …}',
    )
