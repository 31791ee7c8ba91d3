"""Entities of a text as tags of its tokens, and back, without loops over tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa

from pipeline.tasks.base import IGNORE_INDEX, FloatArray, IntArray
from pipeline.tasks.columns import list_values
from pipeline.tasks.spans import ENTITIES, SpanColumn

Scheme = Literal["bio", "bioes"]

_PREFIXES = {"bio": "BI", "bioes": "BIES"}
_OUTSIDE = "O"


def tag_names(types: Sequence[str], scheme: Scheme) -> tuple[str, ...]:
    """The tags of a scheme for entity types: O, then B-x, I-x, … of each type."""
    return (_OUTSIDE, *(f"{prefix}-{kind}" for kind in types for prefix in _PREFIXES[scheme]))


def entity_types(label_names: Sequence[str]) -> tuple[str, ...]:
    """The types that tags speak of, in the tags' order."""
    return tuple(dict.fromkeys(name[2:] for name in label_names if name != _OUTSIDE))


def token_tags(
    spans: SpanColumn, offsets: pa.ChunkedArray | pa.Array, types: Sequence[str], scheme: Scheme
) -> pa.ListArray:
    """Tags tokens by the entities they overlap, be it in part.

    A token that overlaps two entities belongs to the first. Tokens without characters, such as
    special tokens, are ignored.

    Args:
        spans: Entities, checked.
        offsets: Start and end of each token, flattened, `[rows]` lists.
        types: Entity types in the order of their tags.
        scheme: bio: B- for an entity's first token, I- for the others. bioes: also E- for the last
            and S- for the only one.

    Returns:
        Label ids, list<int32>, one for each token.
    """
    row, start, end, bounds = _tokens(offsets)
    entity = _first_overlapped(spans, row, start, end)
    real = start < end
    tags = np.where(real, 0, IGNORE_INDEX)

    inside = np.flatnonzero(real & (entity >= 0))
    mine = entity[inside]
    changes = np.ones(len(mine) + 1, np.bool_)
    changes[1:-1] = mine[1:] != mine[:-1]
    first, last = changes[:-1], changes[1:]
    place = np.where(first, 0, 1)
    if scheme == "bioes":
        place = np.select([first & last, first, last], [3, 0, 2], 1)
    tags[inside] = 1 + spans.type_ids(types)[mine] * len(_PREFIXES[scheme]) + place
    return pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), pa.array(tags, pa.int32()))


def read_entities(
    tags: IntArray,
    scores: FloatArray,
    offsets: pa.ChunkedArray | pa.Array,
    texts: pa.ChunkedArray | pa.Array,
    label_names: Sequence[str],
) -> pa.ListArray:
    """Reads entities off the tags of tokens, as conlleval does.

    An entity begins at B- or S-, after an E- or S-, where the type changes, and at an I- or E- that
    follows no entity: a tag out of order is never lost. White space at its ends is left out.

    Args:
        tags: The label id of each token, all rows after each other, `[tokens]`.
        scores: The probability of each of these tags, `[tokens]`.
        offsets: Start and end of each token, flattened, `[rows]` lists.
        texts: The rows' texts.
        label_names: Tags by label id.

    Returns:
        `ENTITIES`, one list for each row, in the text's order. An entity's score is the mean
        probability of its tokens' tags.
    """
    row, start, end, _ = _tokens(offsets)
    types = entity_types(label_names)
    kinds = np.array([-1 if t == _OUTSIDE else types.index(t[2:]) for t in label_names], np.int64)
    opens = np.array([name[0] in "BS" for name in label_names])
    closes = np.array([name[0] in "ES" for name in label_names])

    real = start < end
    row, start, end = row[real], start[real], end[real]
    tags, scores = tags[real], scores[real]
    kind = kinds[tags]
    fresh = np.ones(len(tags), np.bool_)
    fresh[1:] = (
        (row[1:] != row[:-1]) | (kind[1:] != kind[:-1]) | opens[tags[1:]] | closes[tags[:-1]]
    )
    first = np.flatnonzero(fresh)
    behind = np.append(first[1:], len(tags))
    inside = kind[first] >= 0
    first, behind = first[inside], behind[inside]
    sums = np.append(0.0, np.cumsum(scores))

    begins, ends = _trimmed(texts, row[first], start[first], end[behind - 1])
    kept = np.flatnonzero(begins < ends)
    columns = {
        "start": pa.array(begins[kept], pa.int32()),
        "end": pa.array(ends[kept], pa.int32()),
        "type": pa.array(types, pa.string()).take(pa.array(kind[first][kept])),
        "score": pa.array(((sums[behind] - sums[first]) / (behind - first))[kept]),
    }
    bounds = np.append(0, np.cumsum(np.bincount(row[first][kept], minlength=len(texts))))
    return pa.ListArray.from_arrays(
        pa.array(bounds, pa.int32()),
        pa.StructArray.from_arrays([*columns.values()], fields=[*ENTITIES.value_type]),
    )


def _trimmed(
    texts: pa.ChunkedArray | pa.Array, row: IntArray, start: IntArray, end: IntArray
) -> tuple[IntArray, IntArray]:
    """Starts and ends of spans without the white space at their ends."""
    whole = texts.to_pylist()
    pieces = [whole[r][s:e] for r, s, e in zip(row, start, end, strict=True)]
    left = np.array([len(piece) - len(piece.lstrip()) for piece in pieces], np.int64)
    right = np.array([len(piece) - len(piece.rstrip()) for piece in pieces], np.int64)
    return start + left, end - right


def _tokens(
    offsets: pa.ChunkedArray | pa.Array,
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Row, start and end of each token, and where each row's tokens begin, `[rows + 1]`."""
    places, lengths = list_values(offsets)
    row = np.repeat(np.arange(len(lengths)), lengths // 2)
    bounds = np.append(0, np.cumsum(lengths // 2))
    return row, places[::2].astype(np.int64), places[1::2].astype(np.int64), bounds


def _first_overlapped(spans: SpanColumn, row: IntArray, start: IntArray, end: IntArray) -> IntArray:
    """The number of the first entity that each token overlaps, -1 for none, `[tokens]`."""
    if not len(spans.row):
        return np.full(len(row), -1)
    # One number line for all rows: entities do not overlap, so their ends are sorted on it.
    stride = 1 + max(int(spans.end.max()), int(end.max(initial=0)))
    candidate = np.searchsorted(spans.row * stride + spans.end, row * stride + start, side="right")
    known = np.minimum(candidate, len(spans.row) - 1)
    overlapped = (
        (candidate < len(spans.row)) & (spans.row[known] == row) & (spans.start[known] < end)
    )
    return np.where(overlapped, known, -1)
