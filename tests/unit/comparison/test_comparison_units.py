from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.comparison.judged import Condensed, Judged
from pipeline.comparison.measured import Sampling, measure_groups
from pipeline.comparison.slices import measure_parts, whole
from pipeline.comparison.slicing import Part
from pipeline.comparison.testing import PairTest
from pipeline.tasks.base import MetricSpec
from pipeline.tasks.registry import load_task

SAMPLING = Sampling(0.95, 2_000, 0)
SPEC = MetricSpec("mrr")
QUERIES, ITEMS = 60, 4


def ranking(right: float, seed: int) -> Judged:
    """Sixty queries with four items each, the first of which is relevant."""
    generator = np.random.default_rng(seed)
    scores = generator.random((QUERIES, ITEMS))
    scores[: int(QUERIES * right), 0] = 1.0
    rows = pa.table(
        {
            "id": [str(row) for row in range(QUERIES * ITEMS)],
            "text": [f"query {number}" for number in range(QUERIES) for _ in range(ITEMS)],
            "text_pair": [f"item {number}" for _ in range(QUERIES) for number in range(ITEMS)],
            "relevance": [1.0, 0.0, 0.0, 0.0] * QUERIES,
        }
    )
    task = load_task("text_pair_ranking", {})
    return Judged(task, pa.table({"prediction": scores.ravel()}), rows, ())


def test_rankings_are_compared_by_resamples_of_queries() -> None:
    poor, good = ranking(0.0, 1), ranking(0.9, 1)
    groups = measure_groups({"A": [poor], "B": [good]}, ["mrr"], SAMPLING)
    found = PairTest(groups[0], groups[1], SAMPLING).test(SPEC)
    assert found.method == "paired bootstrap", "whatever the metric names"
    assert found.p_value is not None
    assert found.p_value < 0.01
    difference = good.values["mrr"] - poor.values["mrr"]
    assert found.estimate.value == pytest.approx(difference)
    spread = float(groups[0].members[0].resamples["mrr"].std())
    ranks = np.array(
        [
            one.values["mrr"]
            for one in (poor.take(np.arange(4 * q, 4 * q + 4)) for q in range(QUERIES))
        ]
    )
    assert spread == pytest.approx(ranks.std() / QUERIES**0.5, rel=0.05)
    assert not Condensed(good).names


def test_a_single_query_allows_no_test() -> None:
    groups = [[ranking(right, 1).take(np.arange(4))] for right in (0.0, 0.9)]
    measured = measure_groups(dict(zip("AB", groups, strict=True)), ["mrr"], SAMPLING)
    found = PairTest(measured[0], measured[1], SAMPLING).test(SPEC)
    assert found.p_value is None
    assert found.problem is not None


def test_slices_that_tear_a_query_apart_are_left_out_and_said() -> None:
    one = ranking(0.5, 1)
    even = Part("length", "even rows", np.arange(0, QUERIES * ITEMS, 2))
    first = Part("topic", "sports", np.arange(80))
    kept, notes = whole([even, first], one.units)
    assert kept == [first]
    assert notes == [
        "1 slice would tear apart examples that are measured together and is left out (length)."
    ]
    assert whole([even, first], None) == ([even, first], [])
    groups = measure_groups({"A": [one], "B": [ranking(0.9, 1)]}, ["mrr"], SAMPLING)
    (part,) = measure_parts(kept, groups, SPEC, SAMPLING)
    assert part.groups[0].value("mrr") == one.take(first.rows).values["mrr"]
