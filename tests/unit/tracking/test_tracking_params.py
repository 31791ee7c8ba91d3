from __future__ import annotations

import pytest

from pipeline.tracking.params import MAX_NAME, clean_name, flatten


def test_settings_become_dotted_names_and_texts() -> None:
    settings = {"a": {"b": 1, "c": {"d": [1, "x"]}}, "e": None, "f": True, "g": "text", "h": {}}
    assert dict(flatten(settings)) == {
        "a.b": "1",
        "a.c.d": '[1, "x"]',
        "e": "null",
        "f": "true",
        "g": "text",
        "h": "{}",
    }


@pytest.mark.parametrize(
    ("name", "clean"),
    [("val/f1", "val/f1"), ("体育/f1", "体育/f1"), ("a(b)=c", "a_b__c"), ("/x/", "x"), ("", "_")],
)
def test_names_keep_what_mlflow_allows(name: str, clean: str) -> None:
    assert clean_name(name) == clean


def test_a_name_too_long_for_mlflow_stays_different_from_others() -> None:
    first, second = clean_name("a" * 300), clean_name("a" * 301)
    assert len(first) == len(second) == MAX_NAME
    assert first != second
