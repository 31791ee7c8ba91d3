from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pyarrow as pa
import pytest

from pipeline.tasks.base import FloatArray
from pipeline.tasks.tag_decoding import learn_transitions, likeliest_tags


def test_gains_are_of_what_follows_what() -> None:
    labels = pa.array([[-100, 0, 1, 2, -100], [0, 0], [], [1, 2]], pa.list_(pa.int32()))
    gains = learn_transitions(labels, 3)
    assert gains.shape == (4, 3)
    counts = np.array([[1, 1, 0], [0, 0, 2], [0, 0, 0], [2, 1, 0]]) + 0.1
    anywhere = counts.sum(axis=0) / counts.sum()
    expected = np.log(counts / counts.sum(axis=1, keepdims=True) / anywhere)
    np.testing.assert_allclose(gains, expected)


def test_no_text_at_all_gains_nothing() -> None:
    np.testing.assert_allclose(learn_transitions(pa.array([], pa.list_(pa.int32())), 2), 0)


@pytest.mark.parametrize("seed", range(5))
def test_the_sequence_is_the_likeliest_of_all(seed: int) -> None:
    generator = np.random.default_rng(seed)
    lengths = np.array([4, 1, 0, 5, 3])
    logs = np.log(generator.dirichlet(np.ones(3), lengths.sum()))
    gains = generator.standard_normal((4, 3))
    found = likeliest_tags(logs, lengths, gains)
    for length, end in zip(lengths, lengths.cumsum(), strict=True):
        rows = logs[end - length : end]

        def score(tags: tuple[int, ...], rows: FloatArray = rows) -> float:
            total = sum(rows[place, tag] for place, tag in enumerate(tags))
            return float(total + sum(gains[one, two] for one, two in pairwise((3, *tags))))

        best = max(product(range(3), repeat=int(length)), key=score)
        assert tuple(found[end - length : end]) == best


def test_without_gains_each_token_has_its_likeliest_tag() -> None:
    logs = np.log(np.random.default_rng(1).dirichlet(np.ones(4), 7))
    found = likeliest_tags(logs, np.array([3, 4]), np.zeros((5, 4)))
    assert found.tolist() == logs.argmax(axis=1).tolist()
    assert likeliest_tags(np.zeros((0, 4)), np.array([0, 0]), np.zeros((5, 4))).tolist() == []
