from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.config.data import QualityConfig
from pipeline.data.quality.text_target_checks import odd_lengths, text_targets


def split(rows: list[tuple[str, str]], **columns: object) -> pa.Table:
    return pa.table(
        {
            "id": [str(number) for number in range(len(rows))],
            "text": [source for source, _ in rows],
            "target": [target for _, target in rows],
            **columns,
        }
    )


USUAL = ("a dog runs over the grass", "ein Hund läuft über das Gras")


def test_targets_far_from_the_usual_ratio_are_counted_and_shown() -> None:
    long = ("two men", "zwei Männer stehen am Meer und sehen den Schiffen nach, die fahren")
    splits = {"train": split([USUAL] * 9 + [long]), "test": split([USUAL, ("x" * 90, "y")])}
    odd, copied = text_targets(splits, "target", QualityConfig())
    assert odd.check == "length_ratio_share"
    assert odd.severity == "warning"
    assert odd.value == pytest.approx(2 / 12)
    assert odd.by_split == {"train": 0.1, "test": 0.5}
    assert [case["target"] for case in odd.examples] == [long[1], "y"]
    assert copied.value == 0


def test_what_is_usual_depends_on_the_languages_not_on_length() -> None:
    chinese = [("a long sentence of some words number " * n, "一个句子" * 2 * n) for n in (1, 2, 4)]
    assert not odd_lengths({"train": split(chinese)}, "target")["train"].any()
    short = [*chinese, ("Hi.", "你好。"), ("Run!", "跑！")]
    assert not odd_lengths({"train": split(short)}, "target")["train"].any()


def test_inputs_given_as_targets_are_counted() -> None:
    splits = {"train": split([USUAL, ("Same  text", "same text")])}
    copied = text_targets(splits, "target", QualityConfig())[1]
    assert copied.value == 0.5
    assert copied.severity == "warning"


def test_cut_targets_are_counted() -> None:
    rows = split([USUAL, USUAL], labels=pa.array([[1, 2], [1, 2]]), num_target_tokens=[2, 5])
    cut = text_targets({"train": rows}, "target", QualityConfig())[2]
    assert cut.check == "cut_target_share"
    assert cut.value == 0.5
    assert cut.severity == "warning"


def test_no_rows_have_nothing_odd() -> None:
    empty = split([USUAL]).slice(1)
    assert [one.severity for one in text_targets({"train": empty}, "target", QualityConfig())] == [
        "ok",
        "ok",
    ]
