"""Texts, answered prompts and chats as the one text that a causal language model reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import ConfigError, DataError, Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Message = Mapping[str, str]
"""A turn of a chat: `role` and `content`."""
Answers = Literal["all", "last"]

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + eos_token + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""ChatML, with the tokenizer's own end of text as the end of a turn: for tokenizers that have no
template."""


@dataclass(frozen=True)
class Rendered:
    """What a model reads, special tokens written out.

    Attributes:
        text: The whole.
        answers: Start and end in characters of the parts that it learns to write.
        prompt_end: Where the last of them begins; the text's end where there is none.
    """

    text: str
    answers: tuple[tuple[int, int], ...]
    prompt_end: int


class Renderer:
    """Writes rows as a tokenizer's model was trained to read them.

    Args:
        tokenizer: Its special tokens frame texts, its chat template writes chats; without one
            `CHAT_TEMPLATE` does, which then is the tokenizer's own.

    Raises:
        ConfigError: If it has no end-of-text token: the model would never learn to stop.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        if tokenizer.eos_token is None:
            raise ConfigError(
                [
                    Problem(
                        "model",
                        "its tokenizer has no end-of-text token, so a model could not learn where "
                        "to stop",
                        remedy="choose a model that was made to write, such as gpt2",
                    )
                ]
            )
        if tokenizer.chat_template is None:
            tokenizer.chat_template = CHAT_TEMPLATE
        self._tokenizer = tokenizer
        self._begin, self._end = _frame(tokenizer)

    def text(self, text: str, *, goes_on: bool = False) -> Rendered:
        """A plain text, all of which is learned, its end too unless it goes on in another row."""
        whole = f"{self._begin}{text}{'' if goes_on else self._end}"
        begin = len(self._begin)
        return Rendered(whole, ((begin, len(whole)),), begin + len(text))

    def answered(self, prompt: str, separator: str, answer: str | None) -> Rendered:
        """A prompt and its answer, which alone is learned; None where it is to be written.

        Spaces at the end of what is given belong to the answer: tokenizers join them with the word
        behind, so that a prompt with a space at its end would be one that was never learned.
        """
        given = f"{self._begin}{prompt}{separator}"
        end = len(given.rstrip(" "))
        if answer is None:
            return Rendered(given[:end], (), end)
        whole = f"{given}{answer}{self._end}"
        return Rendered(whole, ((end, len(whole)),), end)

    def chat(self, messages: Sequence[Message], answers: Answers) -> Rendered:
        """A chat, of which the assistant's turns are learned, each with what ends it.

        One that ends with another's turn is to be answered.

        Args:
            messages: Its turns, in order; at least one.
            answers: all: every answer; last: the last alone.

        Raises:
            DataError: If the template refuses the chat.
            ConfigError: If the template writes earlier turns otherwise once there are later ones,
                so that not all answers can be learned at once.
        """
        places = [i for i, one in enumerate(messages) if one["role"] == "assistant"]
        is_answered = bool(places) and places[-1] == len(messages) - 1
        whole = self._written(messages, to_answer=not is_answered)
        spans = []
        for place in places if answers == "all" else places[-1:]:
            before = self._written(messages[:place], to_answer=True)
            upto = self._written(messages[: place + 1]).rstrip()
            if not (upto.startswith(before) and whole.startswith(upto)):
                raise _rewriting(answers)
            spans.append((len(before), len(upto)))
        if is_answered:
            return Rendered(whole.rstrip(), tuple(spans), spans[-1][0])
        return Rendered(whole, tuple(spans), len(whole))

    def _written(self, messages: Sequence[Message], *, to_answer: bool = False) -> str:
        from jinja2 import TemplateError

        chat: list[Any] = [dict(message) for message in messages]
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    chat, tokenize=False, add_generation_prompt=to_answer
                )
            )
        except TemplateError as error:
            roles = ", ".join(str(one["role"]) for one in messages)
            raise DataError(
                f"the model's chat template refuses a chat with the turns {roles}: {error}",
                remedy="correct the order of the turns, or choose another model",
            ) from error


def _frame(tokenizer: PreTrainedTokenizerFast) -> tuple[str, str]:
    """The special tokens around a text; at least one at its end."""
    encoding = tokenizer.backend_tokenizer.encode("a")
    special = encoding.special_tokens_mask
    content = special.index(0)
    last = len(special) - special[::-1].index(0)
    begin, end = "".join(encoding.tokens[:content]), "".join(encoding.tokens[last:])
    return begin, end or str(tokenizer.eos_token)


def _rewriting(answers: Answers) -> ConfigError:
    if answers == "all":
        remedy = "set task.options.answers to last: the last answer of each chat is learned then"
    else:
        remedy = "choose a model whose template continues a chat"
    return ConfigError(
        [
            Problem(
                "task.options.answers",
                "the model's chat template writes a turn otherwise once another follows, so what "
                "is learned would not be what the model reads later",
                remedy=remedy,
            )
        ]
    )
