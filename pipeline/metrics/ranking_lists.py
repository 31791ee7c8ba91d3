"""How well scores order the items of each query, for many resamples of the queries at once.

Items of equal score have no order: each value is what it would be on average if chance ordered them
(McSherry, F. and Najork, M. (2008), Computing information retrieval performance measures
efficiently in the presence of tied scores). So a model that scores all items alike gets what chance
gets, wherever the relevant items stand in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.metrics.weighting import FloatArray, IntArray, ratio, row_weights, weighted_sums


def ranking_list_metrics(
    relevance: FloatArray,
    scores: FloatArray,
    queries: IntArray,
    cutoffs: Sequence[int],
    weights: IntArray | None = None,
) -> dict[str, FloatArray]:
    """Means over queries of the values that `query_values` has.

    A query without a relevant item has no best order: it counts in none of these means.

    Args:
        relevance: How relevant each item is to its query, 0 or more, `[rows]`.
        scores: The higher, the further up, `[rows]`.
        queries: The query of each row, from 0 without a gap, `[rows]`.
        cutoffs: Places from the top that `ndcg_at_<k>` and `recall_at_<k>` look at.
        weights: How often each row counts, `[samples, rows]`, equal within a query; by default each
            counts once.

    Returns:
        `[samples]` each: the names of `query_values`, and `judged_share`, the share of queries that
        have a relevant item. NaN without a query that counts.

    Raises:
        ValueError: If rows of a query have different weights.
    """
    values = query_values(relevance, scores, queries, cutoffs)
    counted = query_weights(row_weights(weights, len(scores)), queries)
    relevant = np.zeros(counted.shape[1])
    np.maximum.at(relevant, queries, relevance)
    judged = relevant > 0
    table = np.stack([*values.values(), np.ones(len(judged))], axis=1)
    sums = weighted_sums(counted, np.where(judged[:, np.newaxis], table, 0.0))
    found = {name: ratio(sums[:, number], sums[:, -1]) for number, name in enumerate(values)}
    found["judged_share"] = ratio(sums[:, -1], counted.sum(axis=1).astype(np.float64))
    return found


def query_weights(weights: IntArray, queries: IntArray) -> IntArray:
    """The weight of each query, `[samples, queries]`.

    Raises:
        ValueError: If rows of a query have different weights.
    """
    _, first = np.unique(queries, return_index=True)
    counted = weights[:, first]
    if not np.array_equal(counted[:, queries], weights):
        raise ValueError("rows of one query must have equal weights: its items are ranked together")
    return counted


def query_values(
    relevance: FloatArray, scores: FloatArray, queries: IntArray, cutoffs: Sequence[int]
) -> dict[str, FloatArray]:
    """What each query's order is worth.

    `ndcg_at_<k>`: sum of relevance over the first k places, each divided by log₂(place + 1), as a
    share of the best order's (Järvelin, K. and Kekäläinen, J. (2002), Cumulated gain-based
    evaluation of IR techniques). `recall_at_<k>`: share of the relevant items that stand in the
    first k places. `mrr`: one over the place of the first relevant item. `map`: mean, over the
    relevant items, of the share of relevant items down to their place (average precision).
    An item is relevant if its relevance is above 0.

    Args:
        relevance: As in `ranking_list_metrics`.
        scores: As there.
        queries: As there.
        cutoffs: As there.

    Returns:
        `[queries]` each, from 0 to 1; NaN for a query without a relevant item.
    """
    ranked = _Ranked.of(relevance, scores, queries)
    best = _Ranked.of(relevance, relevance, queries)
    found = {}
    for k in cutoffs:
        gain, most = (_sums(one, one.gain / np.log2(one.place + 2), k) for one in (ranked, best))
        found[f"ndcg_at_{k}"] = ratio(gain, most)
    for k in cutoffs:
        found[f"recall_at_{k}"] = ratio(_sums(ranked, ranked.hits / ranked.tied, k), ranked.total)
    found["mrr"] = ratio(_sums(ranked, _first_hit(ranked) / (ranked.place + 1)), _some(ranked))
    found["map"] = ratio(_sums(ranked, _precision_of_hit(ranked)), ranked.total)
    return found


def first_places(relevance: FloatArray, scores: FloatArray, queries: IntArray) -> FloatArray:
    """Within how many places from the top queries have a relevant item.

    Args:
        relevance: As in `ranking_list_metrics`.
        scores: As there; items of equal score in an order of chance.
        queries: As there.

    Returns:
        For 1, 2, … places, as many as the longest list has: of the queries with a relevant item the
        share whose first one stands there or further up; NaN where no query has one.
    """
    ranked = _Ranked.of(relevance, scores, queries)
    num_places = int(ranked.place.max(initial=-1)) + 1
    found = np.bincount(ranked.place, _first_hit(ranked), num_places).cumsum()
    return ratio(found, np.full(num_places, _some(ranked).sum()))


def pair_order(relevance: FloatArray, scores: FloatArray, queries: IntArray) -> FloatArray:
    """Of each row the share of items of another relevance that it stands on the right side of.

    Args:
        relevance: As in `ranking_list_metrics`.
        scores: As there; equal scores are half right.
        queries: As there.

    Returns:
        `[rows]`, from 0 to 1; 1 where all items of the query are equally relevant.
    """
    found = np.ones(len(scores))
    order = np.argsort(queries, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(queries[order])) + 1):
        wanted = np.sign(relevance[rows, np.newaxis] - relevance[rows])
        given = np.sign(scores[rows, np.newaxis] - scores[rows])
        pairs = (wanted != 0).sum(axis=1)
        agreed = ((1 + wanted * given) / 2 * (wanted != 0)).sum(axis=1)
        found[rows] = np.where(pairs > 0, agreed / np.maximum(pairs, 1), 1.0)
    return found


@dataclass(frozen=True)
class _Ranked:
    """The places of all queries' lists, one list after the other; `[rows]` but for `total`.

    Attributes:
        queries: Whose list a place is in.
        place: Its number from the top, from 0.
        tied: How many items share the score of the place's item.
        offset: How many of them are above, from 0.
        hits: How many of them are relevant.
        gain: Their mean relevance.
        above: Relevant items of a higher score.
        total: Relevant items of each query, `[queries]`.
    """

    queries: IntArray
    place: IntArray
    tied: IntArray
    offset: IntArray
    hits: IntArray
    gain: FloatArray
    above: IntArray
    total: FloatArray

    @classmethod
    def of(cls, relevance: FloatArray, scores: FloatArray, queries: IntArray) -> _Ranked:
        order = np.lexsort((-scores, queries))
        query, score, relevant = queries[order], scores[order], relevance[order]
        begins = np.ones(len(order), bool)
        begins[1:] = np.diff(query) != 0
        ties = begins.copy()
        ties[1:] |= np.diff(score) != 0
        rows = np.arange(len(order))
        place = rows - np.maximum.accumulate(np.where(begins, rows, 0))
        offset = rows - np.maximum.accumulate(np.where(ties, rows, 0))
        group = np.cumsum(ties) - 1
        is_hit = relevant > 0
        tied, hits = np.bincount(group), np.bincount(group, is_hit).astype(np.int64)
        gain = np.bincount(group, relevant) / np.maximum(tied, 1)
        num_queries = int(queries.max(initial=-1)) + 1
        total = np.bincount(query, is_hit, num_queries).astype(np.float64)
        before = np.concatenate(([0], np.cumsum(is_hit)))
        above = before[rows - offset] - before[rows - place]
        return cls(query, place, tied[group], offset, hits[group], gain[group], above, total)


def _sums(ranked: _Ranked, values: FloatArray, cutoff: int | None = None) -> FloatArray:
    """Sums over the first places of each list, `[queries]`."""
    kept = values if cutoff is None else values * (ranked.place < cutoff)
    return np.bincount(ranked.queries, kept, len(ranked.total)).astype(np.float64)


def _some(ranked: _Ranked) -> FloatArray:
    """1 for each query with a relevant item, otherwise 0."""
    return (ranked.total > 0).astype(np.float64)


def _first_hit(ranked: _Ranked) -> FloatArray:
    """How likely each place is to hold the list's first relevant item.

    Of n tied items r of which are relevant, the first relevant one stands behind j others with the
    probability C(n - 1 - j, r - 1) / C(n, r).
    """
    logs = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, ranked.tied.max(initial=1) + 1)))))
    n, r = ranked.tied, ranked.hits
    left = n - 1 - ranked.offset
    possible = (ranked.above == 0) & (r > 0) & (left >= r - 1)
    n, r, left = n[possible], r[possible], left[possible]
    found = np.zeros(len(possible))
    found[possible] = np.exp(
        logs[left] - logs[r - 1] - logs[left - r + 1] - logs[n] + logs[r] + logs[n - r]
    )
    return found


def _precision_of_hit(ranked: _Ranked) -> FloatArray:
    """Of each place: how likely it holds a relevant item, times the share of them down to it."""
    others = ranked.offset * (ranked.hits - 1) / np.maximum(ranked.tied - 1, 1)
    reached = ranked.above + others + 1
    found: FloatArray = ranked.hits / ranked.tied * reached / (ranked.place + 1)
    return found
