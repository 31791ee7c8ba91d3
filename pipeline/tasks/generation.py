"""Text written token by token: how it is searched for, and the search itself in torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.config.base import Count, Positive, Section
from pipeline.errors import ConfigError, Problem
from pipeline.tasks.base import IntArray, Tensors

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

SEQUENCES = "sequences"
"""The name of generated token ids among what `Task.predict` gives: `[batch, length]` int64, what
was given to begin with left out; after its end a row is filled with the padding id."""

PROMPT_LENGTH = "prompt_length"
"""In a batch for a decoder alone, how many tokens of each row are continued, `[batch]`."""

DECODER_IDS = "decoder_input_ids"
"""What a decoder has read so far, among the inputs of an exported graph: `[batch, length]`."""

_SPARE_TOKENS = 10
"""Tokens that a text may have beyond `max_length_ratio`, so that short inputs have room."""


class GenerationOptions(Section):
    """How text is generated; a section of a task's options."""

    num_beams: Count = 1
    """Hypotheses that are followed at once; 1 takes the likeliest token each time (greedy)."""
    max_new_tokens: Count = 128
    """Most tokens of a text."""
    max_length_ratio: Positive | None = None
    """Most tokens of a text for each token of its input, and ten more; by default any number up to
    max_new_tokens."""
    length_penalty: float = 1.0
    """Exponent of the length that a hypothesis' score is divided by; above 0 favours longer texts
    (only with several beams)."""
    no_repeat_ngram_size: int = Field(default=0, ge=0)
    """No run of so many tokens occurs twice in a text; 0 allows any repetition."""
    early_stopping: bool = False
    """Whether the search ends once as many texts are finished as there are beams."""


class Search(BaseModel):
    """All that a runtime has to know to search for a model's sequences."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    pad_token_id: int
    """Fills rows after their end; never chosen, unless it is an end too."""
    eos_token_ids: tuple[int, ...]
    """Tokens that end a text."""
    start_token_ids: tuple[int, ...] = ()
    """What a decoder begins every text with, such as a start token and the code of a language; none
    where texts continue their input."""
    renormalize: bool = False
    """Whether what may be chosen shares the probability of what may not, as a checkpoint wants it
    whose padding is likely (OPUS-MT); of consequence with several beams."""
    max_positions: int | None = None
    """Tokens that the model has positions for; None for any number."""
    num_beams: int = 1
    max_new_tokens: int = 128
    max_length_ratio: float | None = None
    length_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    early_stopping: bool = False

    def limits(self, input_lengths: IntArray) -> IntArray:
        """Most new tokens of each row, `[rows]`, at least 1; of the row alone, not of its batch.

        Args:
            input_lengths: Tokens of each row's input, `[rows]`.
        """
        most = np.full(len(input_lengths), self.max_new_tokens, np.int64)
        if self.max_length_ratio is not None:
            room = np.ceil(input_lengths * self.max_length_ratio).astype(np.int64)
            most = np.minimum(most, room + _SPARE_TOKENS)
        if self.max_positions is not None:
            begun = len(self.start_token_ids) if self.start_token_ids else input_lengths
            most = np.minimum(most, self.max_positions - begun)
        return np.maximum(most, 1)


def search_of(
    model: PreTrainedModel,
    options: GenerationOptions,
    *,
    pad_token_id: int,
    prompt: Sequence[int] = (),
) -> Search:
    """What options and a model's config say of the search.

    Args:
        model: With its own start and end tokens in `generation_config` or `config`.
        options: The user's choice; a checkpoint's own beams and lengths do not count.
        pad_token_id: The tokenizer's.
        prompt: Tokens that every text begins with, such as a language's, behind the decoder's own
            start where it has one.

    Raises:
        ConfigError: If it is not known what the decoder begins with.
    """
    config: Any = model.config
    given: Any = model.generation_config
    ends = given.eos_token_id if given.eos_token_id is not None else config.eos_token_id
    begun = tuple(prompt)
    if config.is_encoder_decoder:
        start = given.decoder_start_token_id
        start = config.decoder_start_token_id if start is None else start
        if start is not None and begun[:1] != (start,):
            begun = (start, *begun)
        if not begun:
            raise ConfigError(
                [
                    Problem(
                        "model.checkpoint",
                        "its config has no decoder_start_token_id, so it is not known what texts "
                        "begin with",
                        remedy="set task.options.target_language, if the model writes many "
                        "languages, or choose another checkpoint",
                    )
                ]
            )
    return Search(
        pad_token_id=pad_token_id,
        eos_token_ids=tuple(ends) if isinstance(ends, list | tuple) else (int(ends),),
        start_token_ids=begun,
        renormalize=bool(given.renormalize_logits),
        max_positions=_positions(config),
        **options.model_dump(),
    )


def _positions(config: Any) -> int | None:
    """Tokens that a model writes at most; of a decoder whose encoder reads no tokens, its own."""
    names = ("max_target_positions", "max_position_embeddings")
    return next((found for name in names if (found := getattr(config, name, None))), None)


def generate(
    model: PreTrainedModel, inputs: Tensors, search: Search, input_lengths: Tensor
) -> Tensor:
    """Generates a text for each row; what a row gets does not depend on its batch.

    Args:
        model: An encoder and decoder, or a decoder alone; in evaluation mode.
        inputs: What the model's `generate` takes, such as `input_ids` and `attention_mask`
            `[batch, length]`, or `encoder_outputs`; padded on the right. A decoder alone gets its
            inputs moved to the right end, as it continues them.
        search: How.
        input_lengths: Tokens of each row's input, `[batch]`.

    Returns:
        New tokens, `[batch, length]` int64: see `SEQUENCES`.
    """
    import torch
    from transformers import GenerationConfig, LogitsProcessorList

    start = search.start_token_ids
    limits = torch.from_numpy(search.limits(input_lengths.cpu().numpy())).to(input_lengths.device)
    given = dict(inputs)
    begun = len(start)
    if start:
        given[DECODER_IDS] = input_lengths.new_tensor(start).expand(len(limits), -1)
    else:
        given |= left_padded(inputs["input_ids"], inputs["attention_mask"])
        begun = given["input_ids"].shape[1]
    ends = list(search.eos_token_ids)
    settings = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        num_beams=search.num_beams,
        max_new_tokens=int(limits.max()),
        length_penalty=search.length_penalty,
        no_repeat_ngram_size=search.no_repeat_ngram_size,
        early_stopping=search.early_stopping,
        pad_token_id=search.pad_token_id,
        eos_token_id=ends,
        decoder_start_token_id=start[0] if start else None,
        renormalize_logits=search.renormalize,
        suppress_tokens=None if search.pad_token_id in ends else [search.pad_token_id],
    )
    end = _limit_processor(limits.repeat_interleave(search.num_beams), begun, ends[0])
    with _in_reach(model, None if start else search.max_positions):
        made = _without_own_settings(model, settings, given, LogitsProcessorList([end]))
    return _filled(made[:, begun:], search)


@contextmanager
def _in_reach(model: PreTrainedModel, positions: int | None) -> Iterator[None]:
    """Keeps rows that have ended, and are padded while others go on, at the last position."""
    if positions is None:
        yield
        return
    last = positions - 1

    def clamp(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, Any]:
        places = named.get("position_ids")
        return given, named if places is None else {**named, "position_ids": places.clamp(max=last)}

    handle = model.register_forward_pre_hook(clamp, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def left_padded(input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
    """The same rows with their padding on the left, `[batch, length]` each."""
    import torch

    width = input_ids.shape[1]
    places = torch.arange(width, device=input_ids.device)
    order = (places + attention_mask.sum(dim=1, keepdim=True)) % width
    return {
        "input_ids": input_ids.gather(1, order),
        "attention_mask": attention_mask.gather(1, order),
    }


def texts_of(
    sequences: IntArray, tokenizer: PreTrainedTokenizerFast, ends: Sequence[int]
) -> list[str]:
    """Decodes generated ids up to each row's end, without special tokens and outer white space.

    Args:
        sequences: `[rows, length]`.
        tokenizer: Made the model's ids.
        ends: Tokens that end a text.
    """
    found = []
    for row in sequences:
        stops = np.flatnonzero(np.isin(row, list(ends)))
        ids = row[: stops[0]] if len(stops) else row
        text = tokenizer.decode(
            ids.tolist(), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        found.append(str(text).strip())
    return found


def _limit_processor(limits: Tensor, begun: int, end: int) -> Any:
    """Makes the last token that a row may have its end.

    Args:
        limits: Most new tokens, `[batch × beams]`.
        begun: Tokens that rows begin with.
        end: The token that ends a text.
    """
    from transformers import LogitsProcessor

    class EndAtLimit(LogitsProcessor):
        def __call__(
            self, input_ids: torch.LongTensor, scores: torch.FloatTensor
        ) -> torch.FloatTensor:
            due = input_ids.shape[1] - begun + 1 >= limits
            if bool(due.any()):
                scores = scores.masked_fill(due[:, None], float("-inf"))  # type: ignore[assignment]
                scores[due, end] = 0.0
            return scores

    return EndAtLimit()


def _without_own_settings(
    model: PreTrainedModel, settings: Any, inputs: dict[str, Any], processors: Any
) -> Tensor:
    """Generates by the settings alone: a checkpoint's own would fill what they leave open."""
    from transformers import GenerationConfig, GenerationMixin

    own = model.generation_config
    model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    # Whisper's own `generate` is another search, of recordings of any length with time stamps.
    write: Any = GenerationMixin.generate
    try:
        made: Tensor = write(
            model, **inputs, generation_config=settings, logits_processor=processors
        )
    finally:
        model.generation_config = own
    return made


def _filled(sequences: Tensor, search: Search) -> Tensor:
    """The sequences with padding after each row's end."""
    import torch

    ends = torch.tensor(search.eos_token_ids, device=sequences.device)
    is_end = torch.isin(sequences, ends).long()
    return sequences.masked_fill(is_end.cumsum(dim=1) - is_end > 0, search.pad_token_id)
