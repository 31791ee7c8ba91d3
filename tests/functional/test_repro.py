from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import yaml

from tests.functional.project import Project, stages_run

pytestmark = pytest.mark.functional

ALL = ["compose", "prepare", "train", "evaluate", "export"]


def would_run(project: Project) -> list[str]:
    """The stages that `dvc repro` would run, with what compose writes now."""
    project.call("compose")
    status = json.loads(project.run("dvc", "status", "--json"))
    return [stage for stage in ALL if stage in status]


def test_the_first_repro_makes_everything_and_the_second_runs_nothing(finished: Project) -> None:
    for product in ("dataset", "model", "evaluation", "export"):
        assert any((finished.root / "outputs" / product).iterdir())
    output = finished.run("dvc", "repro")
    assert stages_run(output) == []
    assert "up to date" in output


@pytest.mark.parametrize(
    ("path", "old", "new", "changed"),
    [
        ("conf/config.yaml", "# The default", "# A comment. The default", []),
        ("conf/tracking/default.yaml", "{}", "run_name: mine", []),
        ("conf/experiment/sports_news.yaml", "\n# Is", "\n# Is this a change? Is", []),
        ("conf/export/default.yaml", None, "latency_batch_sizes: [2]", ["export"]),
        ("conf/evaluation/default.yaml", None, "confidence: 0.9", ["evaluate"]),
        ("conf/optimizer/adamw.yaml", None, "betas: [0.9, 0.98]", ["train"]),
        ("conf/model/bert_scratch.yaml", None, "dropout: 0.2", ["train"]),
        ("conf/model/bert_scratch.yaml", None, "max_length: 64", ["prepare", "train"]),
        ("conf/data/newsroom_sports.yaml", None, "max_rows: 400", ["prepare"]),
    ],
)
def test_an_edit_under_conf_runs_exactly_the_stages_it_touches(
    finished: Project, path: str, old: str | None, new: str, changed: list[str]
) -> None:
    if old is None:
        values = yaml.safe_load((finished.root / path).read_text(encoding="utf-8")) or {}
        text = yaml.safe_dump({**values, **yaml.safe_load(new)})
        (finished.root / path).write_text(text, encoding="utf-8")
    else:
        finished.edit(path, old, new)
    assert would_run(finished) == ["compose", *changed]


def test_an_edit_runs_through_to_the_end_and_going_back_restores_without_running(
    finished: Project,
) -> None:
    before = (finished.root / "outputs/evaluation/metrics.json").read_bytes()
    finished.edit("params.yaml", "num_bootstrap_samples: 200", "num_bootstrap_samples: 300")
    assert stages_run(finished.run("dvc", "repro")) == ["compose", "evaluate", "export"]
    assert (finished.root / "outputs/evaluation/metrics.json").read_bytes() != before

    finished.edit("params.yaml", "num_bootstrap_samples: 300", "num_bootstrap_samples: 200")
    output = finished.run("dvc", "repro")
    assert stages_run(output) == ["compose"]
    assert "Stage 'evaluate' is cached" in output
    assert (finished.root / "outputs/evaluation/metrics.json").read_bytes() == before


def test_a_stage_that_fails_leaves_the_old_outputs(finished: Project) -> None:
    model = finished.root / "outputs/model/model.safetensors"
    dataset = finished.root / "outputs/dataset/train.arrow"
    before = (model.read_bytes(), dataset.read_bytes())
    finished.edit("conf/data/newsroom_sports.yaml", "is_sports", "is_sprots")

    output = finished.run("dvc", "repro", code=None)

    assert "is_sprots" in output
    assert "did you mean 'is_sports'" in output
    assert "Traceback" not in output
    assert (model.read_bytes(), dataset.read_bytes()) == before


def test_a_configuration_with_a_mistake_leaves_the_old_one(finished: Project) -> None:
    config = finished.root / "outputs/config.yaml"
    before = config.read_bytes()
    finished.set_params(optimizer={"learning_rate": 1.0e-3})
    output = finished.run("dvc", "repro", code=None)
    assert "optimizer.learning_rate" in output
    assert config.read_bytes() == before


def test_the_run_leads_back_to_what_made_it(finished: Project) -> None:
    manifest = json.loads((finished.root / "outputs/model/manifest.json").read_text())
    first_commit = finished.run("git", "rev-list", "--max-parents=0", "HEAD").strip()
    with sqlite3.connect(finished.root / "mlflow.db") as store:
        (run_id,) = store.execute(
            "SELECT run_uuid FROM tags WHERE key = 'role' AND value = 'model'"
        ).fetchone()
        tags = dict(store.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run_id,)))
        params = dict(store.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run_id,)))
        statuses = [row[0] for row in store.execute("SELECT status FROM runs")]
        (artifacts,) = store.execute(
            "SELECT artifact_uri FROM runs WHERE run_uuid = ?", (run_id,)
        ).fetchone()
        models = store.execute("SELECT source_run_id, status FROM logged_models").fetchall()
        datasets = [row[0] for row in store.execute("SELECT name FROM datasets")]

    assert statuses == ["FINISHED", "FINISHED"], "the execution's and the model's"
    assert models == [(run_id, 2)], "one model, ready"
    assert tags["git.revision"] == first_commit
    assert tags["git.dirty"] == "false"
    assert tags["config.hash"] == manifest["config_hash"]
    assert tags["data.hash"] == manifest["dataset_fingerprint"]
    assert tags["host"] == manifest["host"]
    assert tags["version.torch"] == manifest["versions"]["torch"]
    assert params["model.architecture.hidden_size"] == "32"
    assert sorted(datasets) == [
        f"newsroom_sports/{split}" for split in ("test", "train", "validation")
    ]
    logged = yaml.safe_load((Path(artifacts) / "config.yaml").read_text(encoding="utf-8"))
    resolved = yaml.safe_load((finished.root / "outputs/config.yaml").read_text(encoding="utf-8"))
    assert logged == resolved


def test_metrics_in_mlflow_and_in_dvc_agree_to_the_last_digit(finished: Project) -> None:
    shown = json.loads(finished.run("dvc", "metrics", "show", "--json"))
    data = shown[""]["data"][str(Path("outputs") / "evaluation" / "headline.json")]["data"]
    with sqlite3.connect(finished.root / "mlflow.db") as store:
        logged = dict(store.execute("SELECT key, value FROM latest_metrics"))
    assert "accuracy_low" in data["test"]
    for name, value in data["test"].items():
        assert logged[f"test/{name}"] == value, name


def test_summary_says_what_came_out_and_where_it_is(finished: Project) -> None:
    text = finished.call("summary")
    for words in ("accuracy", "tfidf", "outputs/model", "mlflow ui"):
        assert words in text
