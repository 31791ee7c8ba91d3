from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.evaluation.baselines.registry import fit_baselines
from pipeline.evaluation.context import Context
from pipeline.tasks.base import LABEL, TEXT
from pipeline.tasks.columns import with_input_text
from pipeline.tasks.regression import TARGET
from pipeline.tasks.text_pair_ranking import RELEVANCE
from pipeline.tasks.text_pairs import PAIR

NAMES = ["popularity", "tfidf_similarity"]
COLUMNS = (*PAIR, RELEVANCE)


def asked(queries: list[str], items: list[str], relevance: list[float]) -> pa.Table:
    rows = pa.table({"text": queries, "text_pair": items, "relevance": relevance})
    return with_input_text(rows, COLUMNS)


TRAIN = asked(
    ["goal in the match", "goal in the match", "rain in the north", "rain in the north"] * 3,
    ["match and goal", "weather and rain"] * 6,
    [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0],
)


def test_an_item_is_as_popular_as_it_was_relevant_in_the_train_split() -> None:
    predict = fit_baselines(NAMES, TRAIN, Context(COLUMNS))["popularity"]
    rows = asked(["x", "x", "x"], ["match and goal", "weather and rain", "unseen"], [0, 0, 0])
    assert predict(rows)["prediction"].to_pylist() == pytest.approx([4 / 6, 3 / 6, 7 / 12])


def test_items_that_share_rare_words_with_the_query_come_first() -> None:
    predict = fit_baselines(NAMES, TRAIN, Context(COLUMNS))["tfidf_similarity"]
    same = predict(TRAIN)["prediction"].to_pylist()
    assert same[0] == pytest.approx(same[4])
    assert same[0] > 0.7
    assert same[1] < 0.3
    rows = asked(
        ["a late goal", "a late goal", "nothing known"], ["match and goal", "rain", "x"], [0] * 3
    )
    first, second, third = predict(rows)["prediction"].to_pylist()
    assert first > second == pytest.approx(third), "no common word is no similarity"


@pytest.mark.parametrize("columns", [(TEXT, TARGET), (*PAIR, LABEL)])
def test_they_are_for_numbers_of_two_texts(columns: tuple[object, ...]) -> None:
    train = pa.table({"text": ["a\nb"], "text_pair": ["b"], "target": [1.0], "label": ["x"]})
    assert fit_baselines(NAMES, train, Context(columns, ("x",))) == {}  # type: ignore[arg-type]


def test_nothing_is_popular_where_no_item_comes_twice() -> None:
    train = asked(["a b", "c d", "e f"], ["a b", "c x", "y z"], [1.0, 0.5, 0.0])
    assert {*fit_baselines(NAMES, train, Context(COLUMNS))} == {"tfidf_similarity"}
