from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.evaluation.baselines.base import Baseline
from pipeline.evaluation.baselines.features import is_unspaced
from pipeline.evaluation.baselines.lexicon import Lexicon
from pipeline.evaluation.baselines.registry import fit_baselines
from pipeline.evaluation.context import Context
from pipeline.tasks.base import ENTITIES as ENTITIES_COLUMN
from pipeline.tasks.base import LABEL, TEXT, Column
from pipeline.tasks.multi_label_classification import LABELS as SETS
from pipeline.tasks.regression import TARGET

NAMES = ("other", "sports")
ENTITIES = pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32()), ("type", pa.string())]))


def rows(texts: list[str], labels: list[str]) -> pa.Table:
    return pa.table({"text": texts, "label": labels})


TRAIN = rows(
    ["the match was won", "a goal in the match", "shares fell", "parliament votes", "rain today"],
    ["sports", "sports", "other", "other", "other"],
)


def fitted(
    names: Sequence[str], train: pa.Table, label_names: Sequence[str]
) -> dict[str, Baseline]:
    return fit_baselines(names, train, Context((TEXT, LABEL), tuple(label_names)))


def test_majority_predicts_the_most_frequent_label_of_the_train_split() -> None:
    predict = fitted(["majority"], TRAIN, NAMES)["majority"]
    found = predict(pa.table({"text": ["match", "match"]}))
    assert found["prediction"].to_pylist() == ["other", "other"]
    assert found["score"].to_pylist() == pytest.approx([0.6, 0.6])
    assert found["scores"].to_pylist() == [pytest.approx([0.6, 0.4])] * 2


def test_tfidf_learns_words() -> None:
    predict = fitted(["tfidf"], TRAIN, NAMES)["tfidf"]
    found = predict(pa.table({"text": ["the match", "shares and parliament"]}))
    assert found["prediction"].to_pylist() == ["sports", "other"]
    assert found["label_id"].to_pylist() == [1, 0]
    for scores, score in zip(found["scores"].to_pylist(), found["score"].to_pylist(), strict=True):
        assert sum(scores) == pytest.approx(1.0)
        assert max(scores) == score


def test_a_label_that_the_train_split_lacks_has_no_probability() -> None:
    predict = fitted(["tfidf"], TRAIN, ("other", "sports", "weather"))["tfidf"]
    assert [scores[2] for scores in predict(TRAIN)["scores"].to_pylist()] == [0.0] * 5


def test_tfidf_of_chinese_without_spaces_learns_characters() -> None:
    train = rows(
        ["球队赢得比赛", "股市今天大涨", "比赛在北京举行", "银行降低利率"], ["s", "o", "s", "o"]
    )
    predict = fitted(["tfidf"], train, ("o", "s"))["tfidf"]
    found = predict(pa.table({"text": ["昨晚的比赛", "央行的利率"]}))
    assert found["prediction"].to_pylist() == ["s", "o"]


@pytest.mark.parametrize(
    ("texts", "unspaced"),
    [
        (["球队赢得比赛", "股市今天大涨"], True),
        (["球队 赢得 比赛", "股市 今天 大涨"], False),
        (["the team wins", "parliamentary representatives"], False),
        (["2024 年 体育", "词汇阅读是关键 08年考研暑期英语复习全指南"], True),
        (["", "12:30"], False),
    ],
)
def test_unspaced_text_is_told_from_segmented_text(texts: list[str], unspaced: bool) -> None:
    assert is_unspaced(texts) is unspaced


def test_equal_rows_give_equal_scores() -> None:
    first, second = (fitted(["tfidf"], TRAIN, NAMES)["tfidf"](TRAIN) for _ in range(2))
    assert first.equals(second)


def test_baselines_are_those_that_the_columns_allow() -> None:
    names = ["majority", "tfidf", "lexicon"]
    assert list(fitted(names, TRAIN, NAMES)) == ["majority", "tfidf"]
    train = pa.table({"text": ["Rome"], "entities": pa.array([[]], ENTITIES)})
    context = Context((TEXT, ENTITIES_COLUMN), NAMES)
    assert list(fit_baselines(names, train, context)) == ["lexicon"]
    assert fit_baselines(["majority"], train, context) == {}


def test_tfidf_on_the_shipped_corpus_is_no_straw_man(newsroom: Path) -> None:
    lines = newsroom.read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    order = np.random.default_rng(0).permutation(len(items))
    parts = [
        rows([items[i]["en"] for i in part], [NAMES[items[i]["is_sports"]] for i in part])
        for part in (order[:735], order[735:])
    ]
    found = fitted(["tfidf"], parts[0], NAMES)["tfidf"](parts[1])
    right = np.array(found["prediction"].to_pylist()) == np.array(parts[1]["label"].to_pylist())
    assert right.mean() > 0.86


def entity(start: int, end: int, kind: str) -> dict[str, object]:
    return {"start": start, "end": end, "type": kind}


def found(lexicon: Lexicon, text: str) -> list[tuple[str, str]]:
    return [(text[one["start"] : one["end"]], one["type"]) for one in lexicon.find(text)]


def test_the_longest_known_string_wins() -> None:
    lexicon = Lexicon(["York", "New York City"], [[entity(0, 4, "PER")], [entity(0, 13, "LOC")]])
    assert found(lexicon, "New York City, York") == [("New York City", "LOC"), ("York", "PER")]


def test_a_string_has_its_most_frequent_type_and_that_share_as_score() -> None:
    lexicon = Lexicon(["Bank"] * 4, [[entity(0, 4, "ORG")]] * 3 + [[entity(0, 4, "LOC")]])
    assert lexicon.find("the Bank") == [{"start": 4, "end": 8, "type": "ORG", "score": 0.75}]


def test_inside_a_word_nothing_is_found_but_chinese_has_no_words_to_keep() -> None:
    lexicon = Lexicon(["US", "北京"], [[entity(0, 2, "LOC")], [entity(0, 2, "LOC")]])
    assert found(lexicon, "USA, BUS, US.") == [("US", "LOC")]
    assert found(lexicon, "在北京举行US") == [("北京", "LOC"), ("US", "LOC")]


def test_a_lexicon_of_nothing_finds_nothing() -> None:
    assert Lexicon(["Rome"], [[]]).find("Rome") == []


def test_a_set_is_predicted_by_the_best_constant_or_by_words() -> None:
    sets = [["a", "b"], ["a"], ["a"], [], ["b", "c"], ["a"]] * 3
    words = ["one two", "one", "one x", "y", "two three", "one z"] * 3
    train = pa.table({"text": words, "labels": pa.array(sets, pa.list_(pa.string()))})
    context = Context((TEXT, SETS), ("a", "b", "c", "never"))
    made = fit_baselines(["majority", "tfidf", "lexicon"], train, context)
    assert list(made) == ["majority", "tfidf"]
    rows = pa.table({"text": ["one two", "y"]})
    found = made["majority"](rows)
    assert found["prediction"].to_pylist() == [["a", "b"]] * 2, "F1 of 12/19; of a alone 8/13"
    assert found["scores"].to_pylist() == [pytest.approx([4 / 6, 2 / 6, 1 / 6, 0])] * 2
    found = made["tfidf"](rows)
    assert found["prediction"].to_pylist() == [["a", "b"], []]
    assert [scores[3] for scores in found["scores"].to_pylist()] == [0.0, 0.0]


def test_a_number_is_predicted_by_the_mean_or_by_words() -> None:
    train = pa.table(
        {"text": ["good", "bad", "good day", "bad day"] * 5, "target": [2, -1, 2, -1] * 5}
    )
    made = fit_baselines(["majority", "tfidf"], train, Context((TEXT, TARGET)))
    rows = pa.table({"text": ["good", "bad", "never seen"]})
    assert made["majority"](rows)["prediction"].to_pylist() == [0.5] * 3
    good, bad, unknown = made["tfidf"](rows)["prediction"].to_pylist()
    assert good == pytest.approx(2, abs=0.2)
    assert bad == pytest.approx(-1, abs=0.2)
    assert unknown == pytest.approx(0.5, abs=0.2)


def test_what_has_no_text_has_no_words_to_learn() -> None:
    picture = Column("image", "image")
    train = pa.table({"text": ["a.png", "b.png"], "label": ["other", "sports"]})
    assert list(fit_baselines(["majority", "tfidf"], train, Context((picture, LABEL), NAMES))) == [
        "majority"
    ]
