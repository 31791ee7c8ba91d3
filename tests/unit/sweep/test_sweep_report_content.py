"""What a sweep's report says."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.reports.page import page
from pipeline.reports.text import markdown
from pipeline.sweep.comparison import Comparison, compare
from pipeline.sweep.report.content import report_content
from pipeline.sweep.report.settings import provenance, searched_space, settings_rows
from pipeline.sweep.report.tables import trials_in_order
from pipeline.sweep.report.words import shown
from pipeline.sweep.report.writing import write_report
from pipeline.sweep.study.records import (
    StudyRecord,
    TrialRecord,
)
from tests.reported_studies import (
    LR,
    SPACE,
    TWO,
    mixed,
    only,
    record,
    trial,
)
from tests.shown_page import Page


def as_page(known: StudyRecord, comparison: Comparison | None = None) -> Page:
    """What the HTML of a report without pictures shows."""
    return Page(page(report_content(known, comparison, []), {}))


def as_markdown(known: StudyRecord, comparison: Comparison | None = None) -> str:
    return markdown(report_content(known, comparison, []))


def test_the_page_runs_and_fetches_nothing_whatever_a_study_says(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script> | \"quoted\" & `code`"
    trials = [
        trial(0, {"data.name": evil, "optimizer.lr": 1e-4}, 0.5),
        trial(1, {"data.name": "b"}, outcome="failed", reason=evil),
    ]
    space = {"data.name": {"type": "choice", "choices": [evil, "b"]}, "optimizer.lr": LR}
    known = record(trials, space=space, description=evil)
    html = Page(write_report(known, None, tmp_path / "report").read_text(encoding="utf-8"))
    assert "script" not in html.tags
    assert html.fetched
    assert all(address.startswith("data:image/png;base64,") for address in html.fetched)
    assert html.text.count(evil) == 5
    lines = (tmp_path / "report" / "report.md").read_text(encoding="utf-8").splitlines()
    assert not any("<script>" in line for line in lines)
    for line in lines:
        if line.startswith("| 1 | failed"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 8


def test_trials_are_listed_best_first_then_by_how_they_ended() -> None:
    head, *rows = as_page(record(mixed(10))).table("trial")
    assert head == ["trial", "outcome", "accuracy", *SPACE, "time", "remark"]
    assert [row[1] for row in rows] == [
        *["complete"] * 6,
        "infeasible",
        "pruned",
        "failed",
        "running",
    ]
    values = [float(row[2]) for row in rows[:6]]
    assert values == sorted(values, reverse=True)
    assert rows[6][-1] == "breaks latency_ms by 2.5000"
    assert rows[8][-1] == "loss became NaN"
    for row in rows:
        method, layers = row[head.index("method")], row[head.index("method.num_layers")]
        assert (layers == "–") == (method == "full")


def test_the_verdict_comes_first() -> None:
    comparison = compare(
        "accuracy", "maximize", {1: 0.9, 2: 0.92, 3: 0.91}, {1: 0.8, 2: 0.83, 3: 0.8}, 0.95, trial=2
    )
    cases: list[tuple[StudyRecord, Comparison | None, str]] = [
        (
            record(mixed(9)),
            comparison,
            "**Trial 2 is better than the default by 0.10 accuracy (95 % interval 0.08 to",
        ),
        (record(mixed(9)), None, "**Trial 2 has the best accuracy, 0."),
        (record(mixed(9, 2), TWO), None, "on the Pareto front of accuracy and latency_ms.**"),
        (record(only("failed")), None, "**No trial came to a feasible end.**"),
        (record([]), None, "**The study has no trial yet.**"),
    ]
    for known, found, sentence in cases:
        assert sentence in as_markdown(known, found).splitlines()[2]


def test_a_best_trial_says_its_values_and_how_to_promote_it() -> None:
    best = trial(
        0,
        {"optimizer.lr": 0.0003},
        0.9,
        metrics={"accuracy": 0.9, "size_mb": 88.5},
        seeds={1: {"accuracy": 0.88, "size_mb": 88.5}, 2: {"accuracy": 0.92, "size_mb": 88.5}},
    )
    shown_page = as_page(record([best]))
    assert shown_page.table("parameter")[1] == ["optimizer.lr", "0.0003", "searched"]
    assert shown_page.table("validation metric")[1:] == [
        ["accuracy", "0.9000", "0.6459 to 1.1541"],
        ["size_mb", "88.50 MB", "–"],
    ]
    assert "python -m pipeline sweep promote lr" in shown_page.text
    assert "--trial" not in shown_page.text


def test_a_pareto_front_is_a_table_in_order_of_the_first_objective() -> None:
    trials = [
        trial(n, {"optimizer.lr": 1e-4}, *values)
        for n, values in enumerate([(0.8, 5.0), (0.9, 20.0), (0.85, 30.0), (0.95, 40.0)])
    ]
    front = as_page(record(trials, TWO))
    assert [row[0] for row in front.table("trial")[1:]] == ["3", "1", "0"]
    assert "python -m pipeline sweep promote lr --trial 3" in front.text
    assert "default" not in front.text.split("Settings")[0]


def test_a_comparison_shows_both_and_the_gain_by_seed() -> None:
    found = compare("accuracy", "maximize", {7: 0.9, 9: 0.93}, {7: 0.8, 9: 0.81}, 0.95, trial=2)
    head, best, default, gain = as_page(record(mixed(9)), found).table("")
    assert head == ["", "mean accuracy", "95 % interval", "seed 7", "seed 9"]
    assert (best[0], best[1], *best[3:]) == ("trial 2", "0.9150", "0.9000", "0.9300")
    assert (default[0], default[1], *default[3:]) == ("default", "0.8050", "0.8000", "0.8100")
    assert gain == ["gain", "0.11", "-0.02 to 0.24", "0.1000", "0.1200"]


def test_a_study_without_a_comparison_says_why() -> None:
    text = as_markdown(record(mixed(9), confirm={"seeds": 0}))
    assert "They were not compared: the sweep's settings leave it out (`confirm.seeds: 0`)." in text


def test_the_address_of_a_storage_and_its_password_stay_out() -> None:
    known = record(mixed(3), storage="postgresql://me:secret@db/x")
    assert "secret" not in as_markdown(known)
    assert "secret" not in as_page(known).text


def test_settings_are_told_in_words() -> None:
    known = record(
        [],
        sampler={"kind": "tpe", "seed": 3, "n_startup_trials": 5},
        constraints=[{"metric": "latency_ms", "max": 20.0}, {"metric": "accuracy", "min": 0.8}],
        stop={"patience": 7, "min_delta": 0.01},
        timeout=3700.0,
        derived={"optimizer.head_lr": "10 * optimizer.lr"},
    )
    rows = {row[0]: row[1] for row in settings_rows(known)}
    assert rows["sampler"] == "tpe (seed 3, n_startup_trials 5)"
    assert rows["constraints"] == "latency_ms at most 20.00 ms and accuracy at least 0.8000"
    assert rows["ends early"].startswith("after 7 trials without a better one by more than 0.01")
    assert rows["time limit"] == "1 h 02 min"
    space = {row[0]: row[1:] for row in searched_space(known)}
    assert space["optimizer.lr"] == ("1e-06 to 0.01", "logarithmic", "–")
    assert space["method.num_layers"] == ("1 to 5", "whole numbers", "method is frozen_prefix")
    assert space["data.cleaning"][0].startswith("1: [], 2: [{")
    assert space["optimizer.head_lr"] == ("10 * optimizer.lr", "derived", "–")


def test_trials_from_another_source_are_named() -> None:
    known = record(
        [
            trial(0, {}, 0.5, revision="a" * 40, dirty=False),
            trial(1, {}, 0.5, revision="a" * 40, dirty=True),
        ]
    )
    rows = {row[0]: row[1] for row in provenance(known)}
    assert rows["source"] == "a" * 40
    assert rows["source of some trials"] == f"{'a' * 40} with uncommitted changes"


def test_unfinished_trials_come_last() -> None:
    known = record([TrialRecord(0, "waiting"), trial(1, {}, 0.1), TrialRecord(2, "running")])
    assert [one.number for one in trials_in_order(known)] == [1, 2, 0]


def test_equal_mappings_look_alike_whatever_the_order_of_their_keys() -> None:
    assert shown([{"b": 1, "a": 2}]) == shown([{"a": 2, "b": 1}]) == '[{"a": 2, "b": 1}]'
