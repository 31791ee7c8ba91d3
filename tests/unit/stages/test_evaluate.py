from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipeline.artifacts import Outputs, file_sha256, read_json, write_json
from pipeline.config.schema import TrackingConfig
from pipeline.data.store import EncodedDataset
from pipeline.errors import EnvironmentProblem, UserError
from pipeline.evaluation import results, tables
from pipeline.evaluation.baselines.base import Baseline
from pipeline.evaluation.baselines.registry import fit_baselines
from pipeline.evaluation.charts import CHARTS
from pipeline.evaluation.context import Context
from pipeline.manifest import Manifest
from pipeline.stages import evaluate
from pipeline.tracking.journal import read_entries
from pipeline.tracking.run import open_run
from pipeline.tracking.sync import sync
from tests.journals import no_senders
from tests.trained import ROWS, tiny_config, write_stages

torch.set_num_threads(1)

QUICK = {"num_bootstrap_samples": 200}
PICTURES = ("confusion", "per_class", "pr_curve", "reliability", "scores")
DETAILS = {
    *CHARTS,
    "headline.json",
    "metrics.json",
    "mistakes.html",
    "per_class.csv",
    *(f"plots/{name}.png" for name in PICTURES),
    "predictions_test.parquet",
    "predictions_train.parquet",
    "predictions_validation.parquet",
}


def run(root: Path, outputs: Outputs, **sections: Any) -> evaluate.EvaluateResult:
    sections = {"evaluation": QUICK, **sections}
    return evaluate.run(tiny_config(**sections), root=root, outputs=outputs)


def files(directory: Path) -> dict[str, bytes]:
    """What every file below a directory holds, by its path there."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return write_stages(tmp_path)


@pytest.mark.parametrize(
    ("task_kind", "baselines"),
    [("text_classification", {"majority", "tfidf"}), ("token_classification", {"lexicon"})],
)
def test_every_file_of_the_directory_is_written(
    tmp_path: Path, task_kind: str, baselines: set[str]
) -> None:
    outputs = write_stages(tmp_path, task_kind=task_kind)
    result = run(tmp_path, outputs, task={"kind": task_kind})
    assert files(outputs.evaluation).keys() == DETAILS
    metrics = read_json(outputs.evaluation / "metrics.json")
    assert metrics == result.results.as_json()
    assert metrics["baselines"].keys() == metrics["difference"].keys() == baselines


def test_metrics_json_has_one_shape(tmp_path: Path, outputs: Outputs) -> None:
    run(tmp_path, outputs)
    metrics = read_json(outputs.evaluation / "metrics.json")
    assert metrics.keys() == {"test", "validation", "train", "baselines", "difference"}
    beside = [*metrics["baselines"].values(), *metrics["difference"].values()]
    for part in (metrics["test"], metrics["validation"], *beside):
        assert {"accuracy", "f1_macro", "log_loss"} <= part.keys()
        for entry in part.values():
            assert entry.keys() == {"value", "low", "high"}
            assert all(isinstance(number, float) for number in entry.values())
            assert entry["low"] <= entry["high"]
    assert all(entry.keys() == {"value"} for entry in metrics["train"].values())
    assert not any("/" in name for name in metrics["test"]), "those of classes have a table"


def test_the_headline_repeats_numbers_of_the_metrics(tmp_path: Path, outputs: Outputs) -> None:
    run(tmp_path, outputs)
    metrics = read_json(outputs.evaluation / "metrics.json")
    headline = read_json(outputs.evaluation / "headline.json")
    low, high = headline["test"].pop("accuracy_low"), headline["test"].pop("accuracy_high")
    assert (low, high) == (metrics["test"]["accuracy"]["low"], metrics["test"]["accuracy"]["high"])
    assert headline["test"] == {name: entry["value"] for name, entry in metrics["test"].items()}
    assert headline["validation"] == {"accuracy": metrics["validation"]["accuracy"]["value"]}


def test_metrics_are_those_of_the_predictions(tmp_path: Path, outputs: Outputs) -> None:
    run(tmp_path, outputs)
    metrics = read_json(outputs.evaluation / "metrics.json")
    for split, count in ROWS.items():
        found = pq.read_table(outputs.evaluation / f"predictions_{split}.parquet")
        table = EncodedDataset.open(outputs.dataset).split(split).table
        assert found.num_rows == count
        assert found["id"].to_pylist() == table["id"].to_pylist()
        assert found["text"].to_pylist() == table["text"].to_pylist()
        labels, predicted = (np.array(found[name].to_pylist()) for name in ("label", "prediction"))
        assert metrics[split]["accuracy"]["value"] == pytest.approx((labels == predicted).mean())
        assert metrics[split]["log_loss"]["value"] == pytest.approx(
            np.mean(found["loss"].to_numpy()), abs=1e-5
        )


def test_the_difference_is_that_of_the_values(tmp_path: Path, outputs: Outputs) -> None:
    run(tmp_path, outputs)
    metrics = read_json(outputs.evaluation / "metrics.json")
    for baseline, above in metrics["difference"].items():
        expected = (
            metrics["test"]["accuracy"]["value"]
            - metrics["baselines"][baseline]["accuracy"]["value"]
        )
        assert above["accuracy"]["value"] == pytest.approx(expected, abs=2e-6)


def test_the_same_model_and_data_give_the_same_files(tmp_path: Path, outputs: Outputs) -> None:
    run(tmp_path, outputs)
    before = files(outputs.evaluation)
    run(tmp_path, outputs)
    after = files(outputs.evaluation)
    assert [name for name in before if before[name] != after[name]] == []
    run(tmp_path, outputs, evaluation={**QUICK, "seed": 1})
    assert (outputs.evaluation / "metrics.json").read_bytes() != before["metrics.json"]


def test_baselines_learn_from_the_train_split_and_see_no_label_of_test(
    tmp_path: Path, outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[pa.Table] = []
    predicted: list[pa.Table] = []

    def spy(names: Any, train: pa.Table, context: Context) -> Any:
        fitted.append(train)
        made = fit_baselines(names, train, context)

        def watched(predict: Baseline) -> Baseline:
            def recorded(rows: pa.Table) -> pa.Table:
                predicted.append(rows)
                return predict(rows)

            return recorded

        return {name: watched(predict) for name, predict in made.items()}

    monkeypatch.setattr(results, "fit_baselines", spy)
    run(tmp_path, outputs)
    dataset = EncodedDataset.open(outputs.dataset)
    train = tables.raw_columns(dataset.split("train").table)
    assert [table.equals(train) for table in fitted] == [True]
    assert ["label" in table.column_names for table in predicted] == [False, False]
    assert predicted[0]["text"].equals(dataset.split("test").table["text"])


def test_a_model_of_other_data_is_refused_and_nothing_is_lost(
    tmp_path: Path, outputs: Outputs
) -> None:
    before = (outputs.evaluation / "metrics.json").read_bytes()
    info = read_json(outputs.dataset / "info.json")
    write_json(outputs.dataset / "info.json", {**info, "fingerprint": "e" * 64})
    with pytest.raises(UserError, match="trained on other data") as caught:
        run(tmp_path, outputs)
    assert "ffffffffffff, not eeeeeeeeeeee" in str(caught.value)
    assert "dvc repro" in str(caught.value.remedy)
    assert (outputs.evaluation / "metrics.json").read_bytes() == before


@pytest.mark.parametrize("missing", ["dataset", "model"])
def test_what_an_earlier_stage_has_not_made_is_named(
    tmp_path: Path, outputs: Outputs, missing: str
) -> None:
    shutil.rmtree(outputs.root / missing)
    with pytest.raises(UserError, match=missing) as caught:
        run(tmp_path, outputs)
    assert caught.value.remedy


def test_a_full_disk_leaves_the_old_directory(
    tmp_path: Path, outputs: Outputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name for path in outputs.evaluation.iterdir()}

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(EnvironmentProblem, match="No space left"):
        run(tmp_path, outputs)
    assert {path.name for path in outputs.evaluation.iterdir()} == before
    assert [path.name for path in outputs.root.iterdir() if path.name.startswith(".")] == []


def test_baselines_and_mistakes_can_be_left_out(tmp_path: Path, outputs: Outputs) -> None:
    run(tmp_path, outputs, evaluation={**QUICK, "baselines": [], "num_mistakes": 0})
    metrics = read_json(outputs.evaluation / "metrics.json")
    assert metrics["baselines"] == metrics["difference"] == {}
    assert "Shown: 0" in (outputs.evaluation / "mistakes.html").read_text(encoding="utf-8")


RUNS = """
SELECT key.value, runs.name, runs.status, runs.artifact_uri, runs.run_uuid FROM runs
JOIN tags key ON key.run_uuid = runs.run_uuid AND key.key = 'pipeline.run_key'
ORDER BY length(key.value)
"""


def nest(outputs: Outputs) -> None:
    """Gives the model's run a run around it, as train does."""
    manifest = Manifest.read(outputs.model)
    nested = {"run_key": "k1-model", "parent_key": "k1"}
    manifest.model_copy(update=nested).write(outputs.model)


def test_metrics_and_files_join_the_model_s_run(
    tmp_path: Path, outputs: Outputs, empty_store: Path
) -> None:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    nest(outputs)
    tracking = {"enabled": True}
    with no_senders():
        first = run(tmp_path, outputs, tracking=tracking)
        run(tmp_path, outputs, tracking=tracking)
    sync(tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        parent, model = store.execute(RUNS).fetchall()
        points = store.execute("SELECT run_uuid, key, value, step FROM metrics").fetchall()
        tags = store.execute("SELECT run_uuid, key, value FROM tags").fetchall()
    assert (parent[0], parent[2], model[0], model[2]) == (
        "k1", "FINISHED", "k1-model", "FINISHED"
    )  # fmt: skip
    assert {key for run, key, _, _ in points if run == parent[4]} == {
        "stage/evaluate_seconds",
        "test/accuracy",
        "test/accuracy_low",
        "test/accuracy_high",
    }, "its result, as MLflow folds the model's run away"
    points = [point[1:] for point in points if point[0] == model[4]]
    assert len({key for key, _, _ in points}) == len(points), "a repetition logs no point again"
    logged = {key: value for key, value, _ in points}
    assert {step for _, _, step in points} == {Manifest.read(outputs.model).best_step}
    one = first.results.test.intervals["accuracy"]
    assert logged["test/accuracy"] == one.value
    assert logged["test/accuracy_low"] == one.low
    assert logged["test/accuracy_high"] == one.high
    assert {
        "val/accuracy",
        "best/val/accuracy",
        "best/val/accuracy_low",
        "test/f1/sports",
        "baseline/tfidf/accuracy",
        "test/accuracy_above_tfidf",
        "test/accuracy_above_tfidf_low",
    } <= logged.keys()
    assert files(Path(model[3]) / "evaluation").keys() == DETAILS

    described = {key: value for run, key, value in tags if run == model[4]}
    rows = EncodedDataset.open(outputs.dataset).split("test").table
    assert described["data.test_hash"] == tables.test_hash(rows)
    assert described["weights.sha256"] == file_sha256(outputs.model / "model.safetensors")
    note = described["mlflow.note.content"]
    assert f"**{one.value:.4f}** | {one.low:.4f} … {one.high:.4f}" in note
    assert f"/runs/{model[4]}/artifacts/evaluation/mistakes.html)" in note
    assert f"/runs/{parent[4]})" in note


def test_a_model_of_another_machine_is_described_as_its_manifest_says(
    tmp_path: Path, outputs: Outputs, empty_store: Path
) -> None:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    nest(outputs)
    with no_senders():
        run(tmp_path, outputs, tracking={"enabled": True})
    sync(tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        parent, model = store.execute(RUNS).fetchall()
        found = store.execute("SELECT run_uuid, key, value FROM tags").fetchall()
    tags = {key: value for run_id, key, value in found if run_id == model[4]}
    assert "another machine" in tags["origin"]
    assert (tags["role"], tags["host"], tags["seed"]) == ("model", "somewhere", "3")
    assert (tags["git.revision"], tags["git.dirty"]) == ("0" * 40, "false")
    assert tags["config.hash"] == "c" * 64
    assert tags["data.hash"] == "f" * 64
    assert "evaluate.git.revision" in tags
    assert parent[1].startswith("tiny_experiment-default-")
    assert model[1] == parent[1].replace("default-", "default-seed0-")


@pytest.mark.parametrize("held", [True, False])
def test_the_run_of_a_group_is_left_to_whom_holds_it(
    tmp_path: Path, outputs: Outputs, held: bool
) -> None:
    nested = {"run_key": "g-seed3", "parent_key": "g"}
    Manifest.read(outputs.model).model_copy(update=nested).write(outputs.model)
    tracking = TrackingConfig(uri="http://127.0.0.1:9")
    given: dict[str, Any] = {"root": tmp_path, "experiment": "x/y", "run_name": "g"}
    with no_senders():
        group = open_run(tracking, key="g", tags={}, system_metrics=False, **given)
        if not held:
            group.finish()
        run(tmp_path, outputs, tracking={"enabled": True, "uri": tracking.uri})
    types = [entry.event["type"] for entry in read_entries(tmp_path / ".cache" / "tracking" / "g")]
    assert types.count("open") == (1 if held else 2)
    group.finish()
    entries = list(read_entries(tmp_path / ".cache" / "tracking" / "g-seed3"))
    assert entries[0].event["parent"] == "g"
    timed = [e for e, _ in entries if "stage/evaluate_seconds" in e.get("metrics", ())]
    assert len(timed) == 1


def test_the_terminal_shows_the_metrics_and_what_fine_tuning_bought(
    tmp_path: Path, outputs: Outputs, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(tmp_path, outputs, task={"primary_metric": "f1_macro"})
    shown = capsys.readouterr().out
    lines = [line.split() for line in shown.splitlines() if line.strip()]
    assert lines[0] == ["test", "fine-tuned", "95%", "interval", "majority", "tfidf"]
    one = result.results.test.intervals["f1_macro"]
    assert lines[2][:5] == [
        "f1_macro",
        f"{one.value:.3f}",
        f"{one.low:.3f}",
        "…",
        f"{one.high:.3f}",
    ]
    assert "f1_macro above tfidf: " in shown
    assert json.dumps(result.results.as_json())
