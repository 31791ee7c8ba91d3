"""Divides rows into train, validation and test; a pure function of rows, shares and seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.data import SplitConfig
from pipeline.data.quality.keys import text_keys
from pipeline.data.store import SPLITS
from pipeline.errors import DataError
from pipeline.tasks.base import Column
from pipeline.tasks.columns import input_keys, text_columns

Assignment = npt.NDArray[np.int8]
"""For each row the number of its split in `SPLITS`."""
IntArray = npt.NDArray[np.int64]

TRAIN, VALIDATION, TEST = range(3)


def assign(
    rows: pa.Table, config: SplitConfig, missing: Sequence[str], columns: Sequence[Column]
) -> Assignment:
    """Decides which split each row belongs to.

    Args:
        rows: Canonical rows that no file gives a split for.
        config: Method, shares and seed.
        missing: Which of validation and test have to be made of these rows.
        columns: What the task reads.

    Returns:
        `[rows]`; all rows that go nowhere else are of train.

    Raises:
        DataError: If the method needs a column that the rows lack, or a row names no split.
    """
    if config.method == "column":
        return _by_column(rows, config, missing, columns)
    shares = {
        TEST: config.test if "test" in missing else 0.0,
        VALIDATION: config.validation if "validation" in missing else 0.0,
    }
    if config.method == "hash":
        return _by_hash(input_keys(rows, columns), shares, config.seed)
    generator = np.random.default_rng(config.seed)
    if config.method == "group":
        if "group" not in rows.column_names:
            raise DataError(
                "data.split.method=group needs the column `group`",
                remedy="map it in data.columns.group, or split otherwise",
            )
        return _by_group(_codes(rows["group"]), shares, generator)
    if config.method == "shared_text":
        return _by_group(_linked(rows, columns), shares, generator)
    if config.method == "random":
        return _by_class(np.zeros(rows.num_rows, np.int64), shares, generator)
    return _by_class(_classes(rows, columns), shares, generator)


def _by_column(
    rows: pa.Table, config: SplitConfig, missing: Sequence[str], columns: Sequence[Column]
) -> Assignment:
    """Rows go where their column `split` says; splits without rows are taken off train."""
    known = {
        alias.lower(): SPLITS.index(split) for split, aliases in config.names for alias in aliases
    }
    said = [name.lower() for name in rows["split"].to_pylist()]
    unknown = sorted(set(said) - known.keys())
    if unknown:
        raise DataError(
            f"the column `split` holds {unknown[0]!r}, which names no split",
            remedy=f"add it to data.split.names; known are {', '.join(sorted(known))}",
        )
    found = np.array([known[name] for name in said], np.int8)
    lacking = [name for name in missing if SPLITS.index(name) not in found]
    rest = found == TRAIN
    others = _with_own_groups(rows.filter(pa.array(rest)))
    method = "group" if "group" in others.column_names else "stratified"
    found[rest] = assign(others, config.model_copy(update={"method": method}), lacking, columns)
    return found


def _with_own_groups(rows: pa.Table) -> pa.Table:
    """A row that has no group is one of its own; where none has any, there is no such column."""
    if "group" not in rows.column_names or not rows["group"].null_count:
        return rows
    bare = rows.drop_columns("group")
    if rows["group"].null_count == rows.num_rows:
        return bare
    return bare.append_column("group", pc.coalesce(rows["group"], rows["id"]))


def check_not_empty(
    sizes: Mapping[str, int],
    dropped: Mapping[str, int],
    bad: Sequence[Mapping[str, str]] = (),
) -> None:
    """Refuses splits without rows.

    Args:
        sizes: Rows of each split.
        dropped: Rows left out before, by reason; the message names them.
        bad: Row and reason of some of those whose file was bad.

    Raises:
        DataError: With the rows of each split and what to change.
    """
    empty = [name for name in SPLITS if not sizes.get(name)]
    if not empty:
        return
    if not any(sizes.values()) and any(dropped.values()):
        reasons = ", ".join(f"{why} {count:,}" for why, count in dropped.items() if count)
        first = "".join(f"; the first, {one['row']}: {one['reason']}" for one in bad[:1])
        raise DataError(
            f"no row is left, all were left out ({reasons}{first})",
            remedy="check that data.columns names the right columns, and that task and files are "
            "of one kind",
        )
    shown = ", ".join(f"{name} {sizes.get(name, 0)}" for name in SPLITS)
    left_out = "".join(f"; left out as {why}: {count}" for why, count in dropped.items() if count)
    raise DataError(
        f"the split {' and '.join(empty)} has no rows ({shown}{left_out})",
        remedy="add rows; "
        + (
            "lower data.split.validation and data.split.test"
            if "train" in empty
            else " and ".join(f"raise data.split.{name}" for name in empty)
        )
        + ", or give the split a file of its own in data.files",
    )


def _by_hash(texts: pa.ChunkedArray, shares: Mapping[int, float], seed: int) -> Assignment:
    """Where a text's hash falls decides, so equal texts stay together and old rows in place."""
    salt = seed.to_bytes(8, "little")
    numbers = np.fromiter(
        (
            int.from_bytes(hashlib.blake2b(text, digest_size=8, salt=salt).digest(), "little")
            for text in _encoded(texts)
        ),
        np.uint64,
        len(texts),
    )
    place = numbers / 2.0**64
    found = np.full(len(texts), TRAIN, np.int8)
    found[place < shares[TEST] + shares[VALIDATION]] = VALIDATION
    found[place < shares[TEST]] = TEST
    return found


def _encoded(texts: pa.ChunkedArray) -> Iterable[bytes]:
    return (text.encode() for chunk in texts.chunks for text in chunk.to_pylist())


def _by_class(
    classes: IntArray, shares: Mapping[int, float], generator: np.random.Generator
) -> Assignment:
    """Each class gives its share; one row of each stays in train."""
    found = np.full(len(classes), TRAIN, np.int8)
    order = generator.permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]
    counts = np.bincount(classes)
    taken = np.zeros_like(counts)
    starts = np.cumsum(counts) - counts
    for split, share in shares.items():
        wanted = _allotted(counts, share, room=counts - taken - 1)
        for start, count in zip(starts + taken, wanted, strict=True):
            found[order[start : start + count]] = split
        taken += wanted
    return found


def _allotted(counts: IntArray, share: float, room: IntArray) -> IntArray:
    """Whole rows of each class that come nearest to a share of all, by largest remainder."""
    exact = (counts * share).astype(np.float64)
    whole: IntArray = np.minimum(np.floor(exact).astype(np.int64), np.maximum(room, 0))
    lacking = round(float(exact.sum())) - int(whole.sum())
    remainders = np.where(room > whole, exact - whole, -1.0)
    for number in np.argsort(-remainders, kind="stable")[: max(lacking, 0)]:
        whole[number] += remainders[number] > 0
    return whole


def _by_group(
    groups: IntArray, shares: Mapping[int, float], generator: np.random.Generator
) -> Assignment:
    """Groups in random order fill the splits; one that would overfill a split goes on to train."""
    sizes = np.bincount(groups)
    split_of = np.full(len(sizes), TRAIN, np.int8)
    lacking = {split: share * len(groups) for split, share in shares.items()}
    for group in generator.permutation(len(sizes)):
        for split, rows in lacking.items():
            if rows >= sizes[group] / 2:
                split_of[group] = split
                lacking[split] -= sizes[group]
                break
    return split_of[groups]


def _linked(rows: pa.Table, columns: Sequence[Column]) -> IntArray:
    """Groups of rows linked by texts that are equal apart from case and white space, `[rows]`.

    Rows and texts are the nodes of a graph; a group is a connected component of it.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    texts = text_columns(columns)
    keys = [text_keys(rows[name]) for name in texts] or [text_keys(input_keys(rows, columns))]
    count = rows.num_rows
    nodes, total = [], count
    for column in keys:
        found, places = np.unique(column, return_inverse=True)
        nodes.append(places + total)
        total += len(found)
    ends = (np.tile(np.arange(count), len(nodes)), np.concatenate(nodes))
    graph = coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(total, total))
    _, groups = connected_components(graph, directed=False)
    # Keys differ between processes: groups are numbered in the order of their first rows.
    _, firsts, places = np.unique(groups[:count], return_index=True, return_inverse=True)
    ranks: IntArray = np.argsort(np.argsort(firsts)).astype(np.int64)
    return ranks[places]


_NUM_BINS = 10
"""Parts of equally many rows that numbers are stratified by."""


def _classes(rows: pa.Table, columns: Sequence[Column]) -> IntArray:
    """What rows are stratified by: the label, a number's decile, or the rarest of several names."""
    for column in columns:
        if column.is_target and column.kind == "label":
            return _codes(rows[column.name])
        if column.is_target and column.kind == "number":
            values = rows[column.name].to_numpy()
            edges = np.quantile(values, np.linspace(0, 1, _NUM_BINS + 1)[1:-1])
            bins: IntArray = np.searchsorted(edges, values).astype(np.int64)
            return bins
        if column.kind == "labels":
            return _rarest(rows[column.name], pc.list_flatten(rows[column.name]))
        if column.kind == "entities":
            names = pc.struct_field(pc.list_flatten(rows[column.name]), "type")
            return _rarest(rows[column.name], names)
    return np.zeros(rows.num_rows, np.int64)


def _rarest(lists: pa.ChunkedArray, names: pa.ChunkedArray | pa.Array) -> IntArray:
    """For each row the rarest of its names, as a number from 1; 0 without any, `[rows]`."""
    types = _codes(names)
    frequencies = np.bincount(types, minlength=1)
    by_rarity = np.argsort(np.argsort(-frequencies, kind="stable"), kind="stable")
    lengths = pc.list_value_length(lists).to_numpy()
    classes = np.zeros(len(lists), np.int64)
    np.maximum.at(classes, np.repeat(np.arange(len(lengths)), lengths), by_rarity[types] + 1)
    return classes


def _codes(values: pa.ChunkedArray) -> IntArray:
    """A number for each value, in the order of the sorted values."""
    coded = pc.dictionary_encode(values).combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.chunk(0) if coded.num_chunks else pa.array([]).dictionary_encode()
    order = np.argsort(np.array(coded.dictionary.to_pylist(), object), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    codes: IntArray = rank[coded.indices.to_numpy(zero_copy_only=False)].astype(np.int64)
    return codes
