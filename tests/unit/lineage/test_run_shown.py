from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.lineage.defaults import changed_settings
from pipeline.lineage.result_facts import metric_rows
from pipeline.lineage.show import show_run
from pipeline.tracking.params import flatten
from pipeline.tracking.reading import RunReader
from pipeline.tracking.store import connect
from tests.unit.lineage.tracked_runs import REVISION, TrackRun

TAGS = {
    "git.branch": "main",
    "git.dirty": "true",
    "config.hash": "c" * 64,
    "seed": "3",
    "data.name": "newsroom_sports",
    "checkpoint": "hub bert-base-uncased at 86b5e09",
    "host": "laptop",
    "cpu": "Some CPU",
    "threads": "2",
    "version.python": "3.11.7",
    "version.torch": "2.13.0",
    "dvc.stage": "train",
    "dvc.experiment": "grand-alder",
    "weights.sha256": "e" * 64,
}


def shown(word: str, root: Path, capsys: pytest.CaptureFixture[str]) -> str:
    show_run(word, root)
    return capsys.readouterr().out


def test_where_a_run_came_from_is_told(
    root: Path, track: TrackRun, capsys: pytest.CaptureFixture[str]
) -> None:
    track("a", tags=TAGS, params={"optimizer": {"lr": 0.001, "weight_decay": 0.01}})
    text = shown("a", root, capsys)
    for fact in (
        f"source      {REVISION} on main",
        "with uncommitted changes: git/diff.patch",
        f"config.yaml, hash {'c' * 16}",
        "seed        3",
        "settings    optimizer.lr = 0.001 (by default 5e-05)",
        f"data        newsroom_sports, hash {'d' * 64}",
        "checkpoint  hub bert-base-uncased at 86b5e09",
        "machine     laptop: Some CPU, threads 2",
        "versions    python 3.11.7, torch 2.13.0",
        "dvc         stage train, experiment grand-alder",
    ):
        assert fact in text
    assert "weight_decay" not in text


def test_what_came_out_of_a_run_is_told(
    root: Path, track: TrackRun, reader: RunReader, capsys: pytest.CaptureFixture[str]
) -> None:
    track("a", role="pipeline")
    track(
        "a-model",
        parent="a",
        tags=TAGS,
        metrics={
            "test/accuracy": 0.943,
            "test/accuracy_low": 0.91,
            "test/accuracy_high": 0.971,
            "best/val/accuracy": 0.95,
            "cost/train_seconds": 125.0,
            "export/onnx/megabytes": 45.0,
        },
        texts={"config.yaml": "seed: 3\n", "evaluation/metrics.json": "{}"},
    )
    run_id = reader.find("a-model").run_id
    client = connect(f"sqlite:///{root}/mlflow.db", root)
    client.create_registered_model("news")
    client.create_model_version("news", f"runs:/{run_id}/config.yaml", run_id)
    client.set_registered_model_alias("news", "champion", "1")
    text = shown(run_id[:8], root, capsys)
    for fact in (
        "model, finished, ",
        "nested in   name-a (",
        "accuracy  0.9430 (0.9100 … 0.9710)  0.9500",
        "cost        training 2 min 05 s",
        "export      onnx: megabytes 45.00",
        f"weights     sha256 {'e' * 64}",
        "registered  news version 1, champion",
        "artifacts   config.yaml, evaluation/",
        f"reproduced  never; `python -m pipeline reproduce {run_id[:8]}` tries",
    ):
        assert fact in text
    assert f"{run_id[:8]} name-a-model seed 3, finished" in shown("a", root, capsys)


def test_the_page_is_in_one_piece_however_narrow_the_terminal(
    root: Path,
    track: TrackRun,
    reader: RunReader,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.console.out._width", 80)
    track("a", tags=TAGS, metrics={"test/accuracy": 0.943})
    lines = shown("a", root, capsys).splitlines()
    page = reader.page(reader.find("a"))
    assert f"page        {page}" in lines
    assert all(len(line) <= 80 for line in lines if page not in line)


def test_verdicts_of_reproductions_are_told(
    root: Path, track: TrackRun, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict = {
        "reproduced.verdict": "not equal: weights",
        "reproduced.at": "2026-11-27 05:44 UTC",
        "reproduced.host": "laptop",
    }
    track("a", tags=verdict)
    assert "not equal: weights (2026-11-27 05:44 UTC on laptop)" in shown("a", root, capsys)


def test_the_place_of_a_trial_in_its_sweep_is_told(
    root: Path, track: TrackRun, capsys: pytest.CaptureFixture[str]
) -> None:
    track("s", role="study", name="sweep-lr")
    tags = {"sweep": "lr", "trial": "4", "trial_state": "pruned"}
    metrics = {"objective/accuracy": 0.5, "val/accuracy": 0.5}
    track("s-4", role="trial", parent="s", tags=tags, metrics=metrics)
    text = shown("s-4", root, capsys)
    assert "trial, pruned, " in text
    assert ", study)" in text
    assert "sweep       lr, trial 4" in text
    assert "numbers     objective/accuracy 0.5000" in text
    assert "metric    validation" in text


def test_a_run_of_something_else_is_shown_with_what_there_is(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = connect(f"sqlite:///{root}/mlflow.db", root)
    run = client.create_run("0", run_name="bare")
    text = shown(run.info.run_id, root, capsys)
    assert "source      unknown" in text
    assert "running" in text


def test_metrics_of_classes_bounds_and_baselines_are_not_metrics_of_the_run() -> None:
    metrics = {
        "val/loss": 0.5,
        "test/f1": 0.5,
        "test/f1_low": 0.25,
        "test/f1_high": 0.75,
        "test/f1/sports": 0.1,
        "test/f1_above_majority": 0.1,
        "test/f1_above_majority_low": 0.1,
        "val/f1": 0.6,
        "baseline/majority/f1": 0.2,
        "system/cpu": 1.0,
    }
    assert metric_rows(metrics) == [
        ("f1", "0.5000 (0.2500 … 0.7500)", "0.6000"),
        ("loss", "–", "0.5000"),
    ]


def test_metrics_of_a_group_are_its_means() -> None:
    ends = {"mean": 0.5, "low": 0.25, "high": 0.75, "sd": 0.1}
    assert metric_rows({f"group/test/f1_{end}": value for end, value in ends.items()}) == [
        ("f1", "0.5000 (0.2500 … 0.7500)", "–")
    ]


def test_runs_of_a_group_are_told_by_their_seeds(
    root: Path, track: TrackRun, reader: RunReader, capsys: pytest.CaptureFixture[str]
) -> None:
    track("g", role="group", name="news-a1b2c3", metrics={"trials/pruned": 3.0})
    track("g-seed7", parent="g", name="news-seed7-a1b2c3", tags={"seed": "7"})
    text = shown("g", root, capsys)
    assert f"holds       {reader.find('g-seed7').run_id[:8]} seed 7, finished" in text
    assert "numbers     trials/pruned 3 " in text
    assert "reproduced" not in text


def test_settings_at_their_defaults_and_unknown_ones_are_no_choices() -> None:
    params = dict(
        flatten(
            {
                "optimizer": {"name": "adamw", "lr": 5e-5, "eps": 1e-6, "unknown": 1},
                "model": {"tokenizer": {"kind": "word"}, "max_length": 128},
                "data": {"format": {"encoding": "latin-1"}},
            }
        )
    )
    assert changed_settings(params) == {
        "optimizer.eps": ("1e-06", "1e-08"),
        "model.tokenizer.kind": ("word", "pretrained"),
    }
