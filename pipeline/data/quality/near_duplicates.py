"""Nearly equal texts: MinHash with banding finds candidates, their Jaccard similarity decides.

The method is that of A. Broder, "On the resemblance and containment of documents" (1997), with the
banding of J. Leskovec, A. Rajaraman and J. Ullman, "Mining of Massive Datasets", section 3.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

SHINGLE = 5
"""Characters of a shingle."""
NUM_HASHES = 64
"""Hash functions of a signature."""
MAX_CHARACTERS = 10_000
"""Characters of a text that are looked at."""
CHUNK_CHARACTERS = 2**19
"""Characters whose shingles are in memory at once."""
RECALL = 0.99
"""Probability with which a pair just at the threshold becomes a candidate."""

HashArray = npt.NDArray[np.uint64]
PairArray = npt.NDArray[np.int64]


def near_duplicate_pairs(
    texts: Sequence[str], similarity: float
) -> tuple[PairArray, npt.NDArray[np.float64]]:
    """Finds pairs of texts whose character 5-grams have at least a Jaccard similarity.

    In a group of many alike texts not every pair is listed, but each text is in some pair. Texts of
    fewer than five characters have no 5-grams and are in no pair. A pair just at the threshold is
    found with a probability of 99 %, one far above it almost surely.

    Args:
        texts: Normalised texts that differ from each other.
        similarity: Smallest Jaccard similarity, above 0 and at most 1.

    Returns:
        Row numbers `[pairs, 2]`, the lower first, and the similarity of each pair `[pairs]`.
    """
    signatures = _signatures(texts)
    candidates = _candidates(signatures, _rows_per_band(similarity))
    # Exact similarities cost most, and an estimate this far below the threshold is never one above.
    estimates = (signatures[candidates[:, 0]] == signatures[candidates[:, 1]]).mean(axis=1)
    candidates = candidates[estimates >= similarity - 0.25]
    values = _similarities(texts, candidates)
    close = values >= similarity
    return candidates[close], values[close]


def _rows_per_band(similarity: float) -> int:
    """The longest bands, hence the fewest candidates, that still find a pair at the threshold."""
    for rows in range(8, 1, -1):
        if 1 - (1 - similarity**rows) ** (NUM_HASHES // rows) >= RECALL:
            return rows
    return 1


def _shingles(texts: Sequence[str]) -> Iterator[tuple[int, HashArray, npt.NDArray[np.int64]]]:
    """Hashed 5-grams of texts, a chunk of texts at a time.

    Yields:
        The number of the chunk's first text, the hashes of all its texts joined, and how many of
        them each text has.
    """
    start = 0
    while start < len(texts):
        end, characters = start, 0
        while end < len(texts) and (end == start or characters < CHUNK_CHARACTERS):
            characters += min(len(texts[end]), MAX_CHARACTERS)
            end += 1
        parts = [text[:MAX_CHARACTERS] for text in texts[start:end]]
        points = np.frombuffer("".join(parts).encode("utf-32-le", "surrogatepass"), np.uint32)
        lengths = np.fromiter(map(len, parts), np.int64, len(parts))
        yield start, *_windows(points.astype(np.uint64), lengths)
        start = end


def _windows(
    points: HashArray, lengths: npt.NDArray[np.int64]
) -> tuple[HashArray, npt.NDArray[np.int64]]:
    """Hashes of all windows that lie within one text, and their number for each text."""
    counts = np.maximum(lengths - SHINGLE + 1, 0)
    if not counts.any():
        return np.zeros(0, np.uint64), counts
    hashes = np.zeros(len(points) - SHINGLE + 1, np.uint64)
    for shift in range(SHINGLE):
        hashes *= np.uint64(0x9E3779B97F4A7C15)
        hashes += points[shift : shift + len(hashes)]
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(0xD6E8FEB86659FD93)
    hashes ^= hashes >> np.uint64(32)
    remaining = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(points))
    return hashes[remaining[: len(hashes)] >= SHINGLE], counts


def _signatures(texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    """The least value of each hash function over the 5-grams of a text, `[texts, NUM_HASHES]`."""
    generator = np.random.default_rng(0)
    factors = generator.integers(2**31, size=NUM_HASHES, dtype=np.uint32) * np.uint32(2) + 1
    offsets = generator.integers(2**32, size=NUM_HASHES, dtype=np.uint32)
    # Texts without 5-grams get values of their own, so that they meet nobody.
    signatures = generator.integers(2**32, size=(len(texts), NUM_HASHES), dtype=np.uint32)
    for first, hashes, counts in _shingles(texts):
        low = hashes.astype(np.uint32)
        filled = np.flatnonzero(counts)
        starts = (np.cumsum(counts) - counts)[filled]
        for number, (factor, offset) in enumerate(zip(factors, offsets, strict=True)):
            if len(filled):
                values = np.minimum.reduceat(low * factor + offset, starts)
                signatures[first + filled, number] = values
    return signatures


def _candidates(signatures: npt.NDArray[np.uint32], rows_per_band: int) -> PairArray:
    """Pairs of texts that agree in a whole band: each with the next and the first of its group."""
    found = [np.zeros((0, 2), np.int64)]
    weights = np.random.default_rng(1).integers(2**63, size=rows_per_band, dtype=np.uint64) | 1
    for band in range(NUM_HASHES // rows_per_band):
        columns = signatures[:, band * rows_per_band : (band + 1) * rows_per_band]
        keys = (columns.astype(np.uint64) * weights).sum(axis=1, dtype=np.uint64)
        order = np.argsort(keys, kind="stable")
        same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
        found.append(np.stack([order[same], order[same + 1]], axis=1))
        begins = np.concatenate(([True], keys[order][1:] != keys[order][:-1]))
        leaders = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
        found.append(np.stack([leaders[same + 1], order[same + 1]], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _similarities(texts: Sequence[str], pairs: PairArray) -> npt.NDArray[np.float64]:
    """The Jaccard similarity of the 5-grams of each pair, `[pairs]`."""
    values = np.zeros(len(pairs))
    last_use = {row: place for place, pair in enumerate(pairs.tolist()) for row in pair}
    sets: dict[int, HashArray] = {}
    for place, (left, right) in enumerate(pairs.tolist()):
        for row in (left, right):
            if row not in sets:
                _, hashes, _ = next(_shingles([texts[row]]))
                sets[row] = np.unique(hashes)
        common = _common(sets[left], sets[right])
        values[place] = common / (len(sets[left]) + len(sets[right]) - common)
        for row in (left, right):
            if last_use[row] == place:
                del sets[row]
    return values


def _common(left: HashArray, right: HashArray) -> int:
    """How many values two sorted arrays without repetitions share."""
    places = np.minimum(np.searchsorted(left, right), len(left) - 1)
    return int((left[places] == right).sum())
