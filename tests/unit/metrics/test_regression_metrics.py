from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.metrics.regression import closeness, regression_metrics

KINDS = ("plain", "ties", "far", "skewed")


def made(kind: str, rows: int = 50) -> tuple[Any, Any]:
    generator = np.random.default_rng(KINDS.index(kind))
    right = generator.normal(0, 1, rows)
    given = 0.6 * right + generator.normal(0, 0.7, rows)
    if kind == "ties":
        return right.round(), given.round()
    if kind == "far":
        return 1e6 + right, 1e6 + given
    return (np.exp(3 * right), np.exp(3 * given)) if kind == "skewed" else (right, given)


def expected(right: Any, given: Any) -> dict[str, float]:
    from scipy import stats
    from sklearn import metrics

    return {
        "mse": metrics.mean_squared_error(right, given),
        "rmse": metrics.root_mean_squared_error(right, given),
        "mae": metrics.mean_absolute_error(right, given),
        "r2": metrics.r2_score(right, given),
        "pearson": stats.pearsonr(right, given).statistic,
        "spearman": stats.spearmanr(right, given).statistic,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_those_of_scipy_and_scikit_learn_also_on_repeated_rows(kind: str) -> None:
    right, given = made(kind)
    weights = np.random.default_rng(9).multinomial(50, [1 / 50] * 50, size=6)
    found = regression_metrics(right, given, np.vstack([np.ones(50, np.int64), weights]))
    for sample, row in enumerate([np.ones(50, np.int64), *weights]):
        places = np.repeat(np.arange(50), row)
        for name, value in expected(right[places], given[places]).items():
            assert found[name][sample] == pytest.approx(value, rel=1e-7), name


def test_what_is_undefined_is_not_a_number() -> None:
    same, other = np.full(4, 0.1), np.array([1.0, 2.0, 3.0, 4.0])
    found = regression_metrics(same, other)
    assert all(np.isnan(found[name][0]) for name in ("r2", "pearson", "spearman"))
    found = regression_metrics(other, same)
    assert all(np.isnan(found[name][0]) for name in ("pearson", "spearman"))
    assert found["r2"][0] < 0


def test_a_resample_of_one_row_has_no_correlation() -> None:
    right, given = np.array([0.1, 0.7, 0.3]), np.array([0.2, 0.9, 0.1])
    found = regression_metrics(right, given, np.array([[3, 0, 0], [0, 0, 3]]))
    for name in ("r2", "pearson", "spearman"):
        assert np.isnan(found[name]).all(), name
    np.testing.assert_allclose(found["mae"], [0.1, 0.2])


def test_perfect_and_reversed_numbers() -> None:
    right = np.array([1.0, 2.0, 3.0, 5.0])
    found = regression_metrics(right, right)
    values = [found[name][0] for name in ("mse", "r2", "pearson", "spearman")]
    assert values == pytest.approx([0, 1, 1, 1])
    assert regression_metrics(right, -right)["spearman"][0] == pytest.approx(-1.0)


def test_no_rows_have_no_metrics() -> None:
    found = regression_metrics(np.zeros(0), np.zeros(0))
    assert all(np.isnan(values).all() and values.shape == (1,) for values in found.values())


def test_closeness_falls_with_the_error_in_units_of_the_scale() -> None:
    right = np.zeros(4)
    found = closeness(right, np.array([0.0, -10.0, 10.0, 30.0]), 10.0)
    assert found.tolist() == [1.0, 0.5, 0.5, 0.25]
