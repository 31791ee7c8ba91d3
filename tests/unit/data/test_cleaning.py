from __future__ import annotations

import importlib.util
import unicodedata
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.config.data import CleaningStep, SegmentStep
from pipeline.data.cleaning.characters import Lowercase, Unicode, Whitespace
from pipeline.data.cleaning.clean import Cleaning, clean_texts
from pipeline.data.cleaning.html import Html
from pipeline.data.cleaning.step import AlignedStep, moved
from pipeline.data.cleaning.words import Segment, StopWords
from pipeline.data.entities import ENTITIES_TYPE, Entity
from pipeline.errors import ConfigError, EnvironmentProblem
from pipeline.tasks.base import ENTITIES, TEXT

STEPS: TypeAdapter[tuple[CleaningStep, ...]] = TypeAdapter(tuple[CleaningStep, ...])


def steps(*configs: dict[str, Any]) -> tuple[CleaningStep, ...]:
    return STEPS.validate_python(configs, strict=False)


@pytest.mark.parametrize(
    ("config", "text", "expected"),
    [
        ({"step": "unicode"}, "ｆｕｌｌ　ｗｉｄｔｈ ﬁn e\u0301", "full width fin é"),
        ({"step": "unicode", "form": "NFC"}, "ｗ e\u0301", "ｗ é"),
        ({"step": "unicode", "fix_encoding": True}, "schÃ¶n", "schön"),
        ({"step": "whitespace"}, "\ta \u00a0\u3000 b\x00c\r\n", "a b c"),
        ({"step": "lowercase"}, "ÄB İ ΟΔΟΣ", "äb i̇ οδος"),
        ({"step": "html"}, "a<b>b</b>c<br />d &amp; e&#39;s<p>f</p>", "abc d & e's f "),
        ({"step": "html"}, "x<script>var a;</script><!-- no -->y", "xy"),
        ({"step": "html"}, "no markup: 3 > 2", "no markup: 3 > 2"),
        ({"step": "segment"}, "今天的比赛在 北京举行", "今天 的 比赛 在 北京 举行"),
        ({"step": "stop_words", "language": "en"}, "The match was  in Rome", "match Rome"),
        ({"step": "stop_words", "language": "zh"}, "今天 的 比赛 在 北京", "今天 比赛 北京"),
        ({"step": "stop_words", "words": ["Foo"]}, "foo the FOO bar", "the bar"),
        ({"step": "deduplicate"}, "x", "x"),
    ],
)
def test_each_step_cleans(config: dict[str, Any], text: str, expected: str) -> None:
    assert clean_texts([text], steps(config)) == [expected]


def test_steps_run_in_order() -> None:
    html_first = steps({"step": "html"}, {"step": "whitespace"}, {"step": "lowercase"})
    assert clean_texts(["A<br/><br/>B &lt;I&gt;", ""], html_first) == ["a b <i>", ""]


ALIGNED: list[AlignedStep] = [
    Unicode("NFC"),
    Unicode("NFKC"),
    Unicode("NFD"),
    Unicode("NFKD"),
    Whitespace(),
    Lowercase(),
    StopWords(["a", "的"]),
]
TEXTS = st.text(
    st.one_of(
        st.sampled_from(" \t\x00aAbİΣσ的ﬁｗé한각각\u0301\u0323\u0327\u09c7\u09be"), st.characters()
    ).filter(lambda letter: unicodedata.category(letter) != "Cs"),
    max_size=12,
)


@pytest.mark.parametrize("step", ALIGNED, ids=lambda step: type(step).__name__)
@given(text=TEXTS)
def test_pieces_make_the_cleaned_text_and_come_in_order(step: AlignedStep, text: str) -> None:
    pieces = list(step.pieces(text))
    assert "".join(new for _, _, new in pieces) == step.apply(text)
    edges = [edge for start, end, _ in pieces for edge in (start, end)]
    assert edges == sorted(edges)
    assert not edges or (edges[0] >= 0 and edges[-1] <= len(text))


@pytest.mark.parametrize("text", ["今天的比赛在 北京举行。", "", "  ", "AC米兰2-1胜"])
def test_pieces_of_segmented_text_make_it_too(text: str) -> None:
    step = Segment("jieba", "zh")
    assert "".join(new for _, _, new in step.pieces(text)) == step.apply(text)


@pytest.mark.parametrize(
    ("step", "text", "old", "new"),
    [
        (Whitespace(), "  Anna \n lives in  New\t York ", "New\t York", "New York"),
        (Whitespace(), "\x00\x00Rome", "Rome", "Rome"),
        (Unicode("NFKC"), "ＡＣ　Mila\u0301n ﬁn", "Mila\u0301n", "Milán"),
        (Unicode("NFKC"), "x ﬁn", "ﬁn", "fin"),
        (Lowercase(), "İX Rome", "Rome", "rome"),
        (Lowercase(), "In ROME", "ROME", "rome"),
        (StopWords(["the", "of"]), "the Bank of England  pays", "Bank of England", "Bank England"),
        (Segment("jieba", "zh"), "比赛在北京大学举行", "北京大学", "北京大学"),
    ],
)
def test_entities_follow_their_characters(step: AlignedStep, text: str, old: str, new: str) -> None:
    start = text.index(old)
    entities = [Entity(start, start + len(old), "X")]
    (found,) = moved(entities, step.pieces(text))
    assert step.apply(text)[found.start : found.end] == new


def test_an_entity_that_lost_all_characters_is_gone_and_counted() -> None:
    rows = pa.table(
        {
            "text": ["The Who play"],
            "entities": pa.array(
                [
                    [
                        {"start": 0, "end": 7, "type": "BAND"},
                        {"start": 8, "end": 12, "type": "VERB"},
                    ]
                ],
                ENTITIES_TYPE,
            ),
        }
    )
    cleaning = Cleaning(
        steps({"step": "stop_words", "words": ["the", "who"]}, {"step": "lowercase"}),
        columns=(TEXT, ENTITIES),
    )
    cleaned = cleaning.clean(rows).to_pylist()[0]
    assert cleaned == {"text": "play", "entities": [{"start": 0, "end": 4, "type": "VERB"}]}
    assert cleaning.report()[0]["entities_lost"] == 1
    assert "entities_lost" not in cleaning.report()[1]


def test_what_each_step_did_is_counted() -> None:
    cleaning = Cleaning(
        steps({"step": "whitespace"}, {"step": "deduplicate", "ignore_case": True}), columns=(TEXT,)
    )
    for texts in (["a  b", "c"], ["A b", "d", "d"]):
        rows = pa.table({"text": texts, "label": ["x"] * len(texts)})
        last = cleaning.clean(rows)
    assert last.to_pylist() == [{"text": "d", "label": "x"}], "earlier batches are remembered"
    assert cleaning.report() == [
        {
            "step": "whitespace",
            "rows": 5,
            "rows_changed": 1,
            "characters_before": 10,
            "characters_after": 9,
        },
        {"step": "deduplicate", "rows": 5, "rows_removed": 2},
    ]


def test_deduplication_heeds_case_unless_told_otherwise() -> None:
    cleaning = Cleaning(steps({"step": "deduplicate"}), columns=(TEXT,))
    assert cleaning.clean(pa.table({"text": ["a", "A", "a"]}))["text"].to_pylist() == ["a", "A"]


def test_steps_that_lose_places_are_refused_for_entities() -> None:
    configs = steps({"step": "lowercase"}, {"step": "html"}, {"step": "unicode", "fix_encoding": 1})
    Cleaning(configs, columns=(TEXT,))
    with pytest.raises(ConfigError) as caught:
        Cleaning(configs, columns=(TEXT, ENTITIES))
    assert [problem.key for problem in caught.value.problems] == [
        "data.cleaning.1",
        "data.cleaning.2",
    ]
    assert "fix_encoding=false" in str(caught.value)


@pytest.mark.parametrize(("engine", "package"), [("spacy", "spacy"), ("nltk", "nltk")])
def test_optional_engines_segment_or_say_what_to_install(engine: str, package: str) -> None:
    config = steps({"step": "segment", "engine": engine, "language": "en"})
    if importlib.util.find_spec(package):
        assert clean_texts(["It's here."], config) == ["It 's here ."]
        return
    with pytest.raises(EnvironmentProblem, match="not installed") as caught:
        clean_texts(["x"], config)
    assert f"finetune-pipeline[{package}]" in str(caught.value.remedy)


def test_nltk_does_not_segment_chinese() -> None:
    with pytest.raises(ValidationError, match="cannot segment language=zh"):
        steps({"step": "segment", "engine": "nltk"})


def test_markup_of_a_megabyte_is_cleaned() -> None:
    text = "<p>one <b>two</b></p>" * 50_000
    assert len(Html().apply(text).split()) == 100_000


@pytest.mark.parametrize("engine", ["spacy", "nltk"])
def test_an_optional_engine_sets_words_apart_where_it_is_installed(engine: str) -> None:
    pytest.importorskip(engine, reason=f"the optional extra {engine} is not installed")
    steps = [
        SegmentStep.model_validate_json(
            f'{{"step": "segment", "engine": "{engine}", "language": "en"}}'
        )
    ]
    assert clean_texts(["They didn't save it."], steps) == ["They did n't save it ."]
