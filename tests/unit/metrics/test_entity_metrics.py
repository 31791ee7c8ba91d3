from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from pipeline.metrics.entities import entity_metrics, row_f1

TYPES = ("LOC", "ORG", "PER")
Entity = tuple[int, int, int, int]


def array(entities: list[Entity]) -> Any:
    return np.array(entities, np.int64).reshape(-1, 4)


def drawn(num_rows: int, seed: int) -> list[Entity]:
    generator = np.random.default_rng(seed)
    return sorted(
        {
            (row, start, start + int(generator.integers(1, 3)), int(generator.integers(0, 3)))
            for row in range(num_rows)
            for start in range(0, 8, 2)
            if generator.random() < 0.6
        }
    )


def by_hand(references: list[Entity], predicted: list[Entity]) -> dict[str, float]:
    """Counts entity by entity, as seqeval does."""

    def divide(a: float, b: float) -> float:
        return a / b if b else float("nan")

    hits = Counter(entity[3] for entity in set(references) & set(predicted))
    given = Counter(entity[3] for entity in predicted)
    wanted = Counter(entity[3] for entity in references)
    n, g, w = sum(hits.values()), sum(given.values()), sum(wanted.values())
    found = {"precision": divide(n, g), "recall": divide(n, w), "f1": divide(2 * n, g + w)}
    each = [divide(2 * hits[t], given[t] + wanted[t]) for t in range(len(TYPES))]
    found["f1_macro"] = float(np.nanmean(each))
    for number, kind in enumerate(TYPES):
        found[f"precision/{kind}"] = divide(hits[number], given[number])
        found[f"recall/{kind}"] = divide(hits[number], wanted[number])
        found[f"f1/{kind}"] = each[number]
    return found


def test_a_hand_computed_value() -> None:
    # Right, wrong end, wrong type, missed; one predicted where nothing is.
    references = array([(0, 0, 4, 0), (0, 5, 9, 1), (1, 0, 3, 2), (1, 4, 6, 0)])
    predicted = array([(0, 0, 4, 0), (0, 5, 8, 1), (1, 0, 3, 1), (2, 0, 1, 2)])
    found = entity_metrics(references, predicted, 3, TYPES)
    assert found["precision"].tolist() == [0.25]
    assert found["recall"].tolist() == [0.25]
    assert found["f1"].tolist() == [0.25]
    assert found["f1/LOC"][0] == pytest.approx(2 / 3)
    assert found["f1_macro"][0] == pytest.approx((2 / 3 + 0 + 0) / 3)


def test_f1_of_a_row_is_1_where_nothing_is_expected_and_nothing_given() -> None:
    references = array([(0, 0, 4, 0), (0, 5, 9, 1), (1, 0, 3, 2)])
    predicted = array([(0, 0, 4, 0), (0, 0, 4, 0), (2, 0, 1, 2)])
    assert row_f1(references, predicted, 4).tolist() == [2 / 3, 0.0, 0.0, 1.0]


def test_values_equal_counting_entity_by_entity_for_every_resample() -> None:
    references, predicted = drawn(20, 0), drawn(20, 1)
    weights = np.random.default_rng(2).multinomial(20, np.full(20, 1 / 20), size=6)
    found = entity_metrics(array(references), array(predicted), 20, TYPES, weights)
    for sample, row in enumerate(weights):
        copies = [(old, new) for new, old in enumerate(np.repeat(np.arange(20), row).tolist())]
        expected = by_hand(
            [(new, *e[1:]) for old, new in copies for e in references if e[0] == old],
            [(new, *e[1:]) for old, new in copies for e in predicted if e[0] == old],
        )
        assert set(found) == set(expected)
        for name, value in expected.items():
            assert found[name][sample] == pytest.approx(value, nan_ok=True), name


def test_an_entity_given_twice_counts_once() -> None:
    once, twice = array([(0, 0, 1, 0)]), array([(0, 0, 1, 0), (0, 0, 1, 0)])
    assert entity_metrics(once, twice, 1, TYPES)["f1"].tolist() == [1.0]
    assert entity_metrics(twice, once, 1, TYPES)["f1"].tolist() == [1.0]


def test_undefined_values_are_nan() -> None:
    found = entity_metrics(array([(0, 0, 1, 0)]), array([]), 1, TYPES)
    assert np.isnan(found["precision"][0])
    assert found["recall"][0] == 0
    assert found["f1"][0] == 0
    assert np.isnan(found["f1/PER"][0])
    assert found["f1_macro"][0] == 0
    nothing = entity_metrics(array([]), array([]), 2, TYPES)
    assert np.isnan(nothing["f1"][0])
    assert np.isnan(nothing["f1_macro"][0])
