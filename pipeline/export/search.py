"""Greedy and beam search over any graph's logits, as transformers searches; without torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipeline.tasks.base import FloatArray, IntArray
from pipeline.tasks.generation import Search

Step = Callable[[IntArray, IntArray, IntArray], FloatArray]
"""Gives the next token's logits `[rows, vocabulary]` of sequences `[rows, length]`, whose inputs
are those of the batch's rows with these numbers, `[rows]`. Each is one of the sequences that were
given before and a token more: which, the last argument says, `[rows]`; at first, itself."""

_NEVER = -1.0e9
"""A score below that of any sequence."""


def search_sequences(
    step: Step, search: Search, input_lengths: IntArray, prompts: IntArray | None = None
) -> IntArray:
    """Finds a sequence for each row of a batch.

    Args:
        step: The model.
        search: How.
        input_lengths: Tokens of each row's input, `[batch]`.
        prompts: What the rows continue, padded on the left, `[batch, width]`; by default the start
            tokens of the search.

    Returns:
        `[batch, length]`: what follows; padding after a row's end.
    """
    limits = search.limits(input_lengths)
    if not len(limits):
        return np.zeros((0, 0), np.int64)
    if prompts is None:
        prompts = np.tile(np.array(search.start_token_ids, np.int64), (len(limits), 1))
    find = _greedy if search.num_beams == 1 else _beams
    found = find(step, search, limits, prompts)
    is_end = np.isin(found, search.eos_token_ids)
    after = np.cumsum(is_end, axis=1) - is_end > 0
    return np.where(after, search.pad_token_id, found)


def _greedy(step: Step, search: Search, limits: IntArray, prompts: IntArray) -> IntArray:
    """Takes the likeliest token each time; rows that have ended cost nothing more."""
    start = prompts.shape[1]
    made = _with_room(prompts, int(limits.max()), search)
    going = parents = np.arange(len(limits))
    for length in range(start, made.shape[1]):
        begun = made[going, :length]
        due = length - start + 1 >= limits[going]
        scores = _allowed(step(begun, going, parents), begun, search, due)
        made[going, length] = scores.argmax(axis=1)
        parents = np.flatnonzero(~np.isin(made[going, length], search.eos_token_ids))
        going = going[parents]
        if not len(going):
            return made[:, start : length + 1]
    return made[:, start:]


def _beams(step: Step, search: Search, limits: IntArray, prompts: IntArray) -> IntArray:
    """Follows several hypotheses a row; the same rules as transformers' `_beam_search`."""
    rows, beams, most = len(limits), search.num_beams, int(limits.max())
    kept = max(2, 1 + len(search.eos_token_ids)) * beams
    start = prompts.shape[1]
    going = np.repeat(_with_room(prompts, most, search)[:, np.newaxis], beams, axis=1)
    done = going.copy()
    going_scores = np.full((rows, beams), _NEVER)
    going_scores[:, 0] = 0.0
    done_scores = np.full((rows, beams), _NEVER)
    is_done = np.zeros((rows, beams), np.bool_)
    improvable = np.ones((rows, 1), np.bool_)
    numbers, of_beams = np.repeat(np.arange(rows), beams), np.repeat(limits, beams)
    firsts, parents = np.arange(rows)[:, np.newaxis] * beams, np.arange(rows * beams)
    for written in range(1, most + 1):
        length = start + written - 1
        begun = going[:, :, :length].reshape(rows * beams, length)
        logs = _log_softmax(step(begun, numbers, parents))
        logs = _allowed(logs, begun, search, written >= of_beams)
        if search.renormalize:
            logs = _log_softmax(logs)
        total = (logs.reshape(rows, beams, -1) + going_scores[..., None]).reshape(rows, -1)
        best = _largest(total, kept)
        scores = np.take_along_axis(total, best, 1)
        continued = best // logs.shape[1]
        candidates = np.take_along_axis(going, continued[..., None], 1)
        candidates[:, :, length] = best % logs.shape[1]
        ends = np.isin(candidates[:, :, length], search.eos_token_ids) | (written == most)

        onward = _largest(scores + ends * _NEVER, beams)
        finished = ends & (np.arange(kept) < beams)
        full = is_done.all(axis=1, keepdims=True) & search.early_stopping
        rated = scores / written**search.length_penalty
        rated = rated + (full * 1.0 + ~improvable + ~finished) * _NEVER
        merged = np.concatenate([done_scores, rated], axis=1)
        chosen = _largest(merged, beams)
        done = np.take_along_axis(
            np.concatenate([done, candidates], axis=1), chosen[..., None], axis=1
        )
        is_done = np.take_along_axis(np.concatenate([is_done, finished], axis=1), chosen, 1)
        done_scores = np.take_along_axis(merged, chosen, 1)
        going = np.take_along_axis(candidates, onward[..., None], 1)
        going_scores = np.take_along_axis(scores + ends * _NEVER, onward, 1)
        parents = (np.take_along_axis(continued, onward, 1) + firsts).ravel()

        hope = going_scores[:, :1] / written**search.length_penalty
        worst = np.where(is_done, done_scores.min(axis=1, keepdims=True), _NEVER)
        improvable &= (hope > worst).any(axis=1, keepdims=True)
        if not improvable.any() or (search.early_stopping and is_done.all()) or ends.all():
            break
    return done[:, 0, start:]


def _with_room(prompts: IntArray, room: int, search: Search) -> IntArray:
    """Prompts with padding for as many tokens behind them, `[rows, width + room]`."""
    behind = np.full((len(prompts), room), search.pad_token_id, np.int64)
    return np.concatenate([prompts, behind], axis=1)


def _allowed(
    scores: FloatArray, begun: IntArray, search: Search, due: npt.NDArray[np.bool_]
) -> FloatArray:
    """Scores `[rows, vocabulary]` without what must not follow sequences `[rows, length]`.

    Rows that are due, `[rows]`, end.
    """
    scores = scores.astype(np.float64)
    length, size = begun.shape[1], search.no_repeat_ngram_size
    if size and length >= size:
        windows = np.lib.stride_tricks.sliding_window_view(begun, size, axis=1)
        again = (windows[..., :-1] == begun[:, None, length + 1 - size :]).all(axis=-1)
        row, place = np.nonzero(again)
        scores[row, windows[row, place, -1]] = -np.inf
    if search.pad_token_id not in search.eos_token_ids:
        scores[:, search.pad_token_id] = -np.inf
    scores[due] = -np.inf
    scores[due, search.eos_token_ids[0]] = 0.0
    return scores


def _largest(values: FloatArray, count: int) -> IntArray:
    """The places of the largest values of each row, in order, `[rows, count]`."""
    some = np.argpartition(-values, min(count, values.shape[1]) - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(values, some, 1), axis=1, kind="stable")
    places: IntArray = np.take_along_axis(some, order, 1)
    return places


def _log_softmax(logits: npt.NDArray[np.floating]) -> FloatArray:
    shifted: FloatArray = logits - logits.max(axis=1, keepdims=True)
    found: FloatArray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found
