from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from pipeline.metrics.ranking_lists import (
    first_places,
    pair_order,
    query_values,
    ranking_list_metrics,
)

CUTOFFS = (1, 3, 10)


def drawn(seed: int, *, levels: int, ties: int) -> tuple[Any, Any, Any]:
    """Ten queries of one to nine items with some relevance, shuffled."""
    generator = np.random.default_rng(seed)
    queries = np.repeat(np.arange(10), generator.integers(1, 10, 10))
    generator.shuffle(queries)
    relevance = generator.integers(0, levels, len(queries)).astype(float)
    scores = generator.integers(0, ties, len(queries)).astype(float)
    return relevance, scores, queries


def in_order(relevance: Any) -> dict[str, float]:
    """The values of a list whose order is known, item by item."""
    hits = [place for place, value in enumerate(relevance) if value > 0]
    best = sorted(relevance, reverse=True)
    found = {"mrr": 1 / (hits[0] + 1)}
    found["map"] = float(np.mean([(number + 1) / (place + 1) for number, place in enumerate(hits)]))
    for k in CUTOFFS:
        gains = [
            sum(value / np.log2(place + 2) for place, value in enumerate(one[:k]))
            for one in (relevance, best)
        ]
        found[f"ndcg_at_{k}"] = gains[0] / gains[1]
        found[f"recall_at_{k}"] = sum(place < k for place in hits) / len(hits)
    return found


def test_a_hand_computed_value() -> None:
    relevance = np.array([0.0, 2, 0, 1, 1, 0, 0, 0])
    scores = np.array([9.0, 8, 7, 6, 1, 2, 5, 5])
    queries = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    found = ranking_list_metrics(relevance, scores, queries, (1, 2))
    # The third query has no relevant item.
    first = 2 / np.log2(3), 2 + 1 / np.log2(3)
    assert found["mrr"].tolist() == [(1 / 2 + 1 / 2) / 2]
    assert found["map"].tolist() == [((1 / 2 + 2 / 4) / 2 + 1 / 2) / 2]
    assert found["recall_at_1"].tolist() == [0.0]
    assert found["recall_at_2"].tolist() == [(1 / 2 + 1) / 2]
    assert found["ndcg_at_1"].tolist() == [0.0]
    assert found["ndcg_at_2"][0] == pytest.approx((first[0] / first[1] + 1 / np.log2(3)) / 2)
    assert found["judged_share"].tolist() == [2 / 3]


@pytest.mark.parametrize("seed", range(5))
def test_without_ties_each_query_is_its_list(seed: int) -> None:
    relevance, _, queries = drawn(seed, levels=3, ties=2)
    scores = np.random.default_rng(seed).permutation(len(queries)).astype(float)
    found = query_values(relevance, scores, queries, CUTOFFS)
    for query in range(10):
        rows = np.flatnonzero(queries == query)
        ranked = relevance[rows[np.argsort(-scores[rows])]]
        if not ranked.any():
            assert all(np.isnan(values[query]) for values in found.values())
            continue
        for name, value in in_order(ranked).items():
            assert found[name][query] == pytest.approx(value), name
        expected = average_precision_score(relevance[rows] > 0, scores[rows])
        assert found["map"][query] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_ties_are_worth_the_mean_over_all_orders(seed: int) -> None:
    generator = np.random.default_rng(seed)
    relevance = np.append(generator.integers(0, 3, 5), 1).astype(float)
    scores = generator.integers(0, 3, 6).astype(float)
    found = query_values(relevance, scores, np.zeros(6, np.int64), CUTOFFS)
    orders = [
        in_order(relevance[list(order)])
        for order in permutations(range(6))
        if (np.diff(scores[list(order)]) <= 0).all()
    ]
    for name, values in found.items():
        assert values[0] == pytest.approx(np.mean([order[name] for order in orders])), name


@pytest.mark.parametrize("ties", [3, 1000])
def test_ndcg_equals_scikit_learns(ties: int) -> None:
    relevance, scores, queries = drawn(7, levels=4, ties=ties)
    found = query_values(relevance, scores, queries, CUTOFFS)
    for query in range(10):
        rows = queries == query
        if rows.sum() > 1 and relevance[rows].any():
            for k in CUTOFFS:
                expected = ndcg_score([relevance[rows]], [scores[rows]], k=k)
                assert found[f"ndcg_at_{k}"][query] == pytest.approx(expected)


def test_weights_count_queries_as_often() -> None:
    relevance, scores, queries = drawn(3, levels=2, ties=4)
    of_queries = np.random.default_rng(0).multinomial(10, [0.1] * 10, 20)
    found = ranking_list_metrics(relevance, scores, queries, CUTOFFS, of_queries[:, queries])
    values = query_values(relevance, scores, queries, CUTOFFS)
    judged = ~np.isnan(values["mrr"])
    assert not judged.all()
    for sample, counts in enumerate(of_queries):
        for name, each in values.items():
            expected = np.nanmean(np.repeat(each, counts))
            assert found[name][sample] == pytest.approx(expected), name
        assert found["judged_share"][sample] == pytest.approx(np.repeat(judged, counts).mean())


def test_weights_that_tear_a_query_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="equal weights"):
        ranking_list_metrics(
            np.ones(2), np.ones(2), np.zeros(2, np.int64), (1,), np.array([[1, 0]])
        )


def test_without_a_relevant_item_or_a_row_nothing_is_defined() -> None:
    for rows in (0, 3):
        found = ranking_list_metrics(
            np.zeros(rows), np.arange(float(rows)), np.zeros(rows, np.int64), (1,)
        )
        assert np.isnan(found.pop("judged_share")[0]) == (rows == 0)
        assert all(np.isnan(values[0]) for values in found.values())


def test_equal_scores_of_many_items_do_not_overflow() -> None:
    relevance = np.zeros(5_000)
    relevance[:2_000] = 1
    found = query_values(relevance, np.zeros(5_000), np.zeros(5_000, np.int64), (10,))
    assert found["recall_at_10"][0] == pytest.approx(10 / 5_000)
    assert found["map"][0] == pytest.approx(0.4, abs=1e-3)
    assert found["mrr"][0] == pytest.approx(
        sum(0.4 * 0.6**j / (j + 1) for j in range(99)), abs=1e-3
    )


def test_a_row_is_as_right_as_its_pairs_are_in_order() -> None:
    relevance = np.array([2.0, 1, 0, 0, 5, 1])
    scores = np.array([3.0, 1, 2, 1, 0, 7])
    queries = np.array([0, 0, 0, 0, 1, 2])
    assert pair_order(relevance, scores, queries).tolist() == pytest.approx(
        [1, (1 + 0 + 0.5) / 3, 1 / 2, (1 + 0.5) / 2, 1, 1]
    )
    assert pair_order(relevance[:0], scores[:0], queries[:0]).tolist() == []


def test_places_that_hold_the_first_relevant_item() -> None:
    relevance = np.array([0.0, 2, 0, 1, 1, 0, 0, 0])
    scores = np.array([9.0, 8, 7, 6, 1, 1, 5, 5])
    queries = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    # The first query: at place 2; the second: a tie, at 1 or 2; the third has none.
    assert first_places(relevance, scores, queries) == pytest.approx([0.25, 1.0, 1.0, 1.0])
    # In any order: 2 of 4 are relevant, and 1 of 2.
    by_chance = first_places(relevance, np.zeros(8), queries)
    assert by_chance == pytest.approx([1 / 2, (5 / 6 + 1) / 2, 1.0, 1.0])
    assert np.isnan(first_places(np.zeros(8), scores, queries)).all()
