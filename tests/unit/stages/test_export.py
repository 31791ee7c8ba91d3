from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.artifacts import Outputs, read_json, write_json
from pipeline.data.store import EncodedDataset
from pipeline.errors import CheckpointError, EnvironmentProblem, UserError
from pipeline.evaluation.inference import torch_run
from pipeline.models.saving import load_saved_model
from pipeline.stages import export
from pipeline.tasks.registry import load_task
from pipeline.tasks.tensors import to_tensors
from pipeline.tracking.sync import sync
from tests.journals import no_senders
from tests.trained import LSTM, ROWS, tiny_config, write_stages

torch.set_num_threads(1)

TEXTS = load_task("text_classification", {})


@dataclass(frozen=True)
class Exported:
    """An exported text classifier of the BERT family."""

    outputs: Outputs
    result: export.ExportResult


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    root = tmp_path_factory.mktemp("exported")
    outputs = write_stages(root)
    per_class = "label,rows,f1,f1_low,f1_high\nsports,10,0.75,0.5,0.875\n"
    (outputs.evaluation / "per_class.csv").write_text(per_class)
    return Exported(outputs, run(root, outputs, optimizer={"lr": 0.0123}))


def run(root: Path, outputs: Outputs, **sections: Any) -> export.ExportResult:
    return export.run(tiny_config(**sections), root=root, outputs=outputs)


def files(directory: Path) -> set[str]:
    return {str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()}


def check_parity(result: export.ExportResult) -> None:
    parity = result.report.models["onnx"].parity
    assert parity.rows == 10
    assert parity.max_abs_difference < 1e-5
    assert parity.argmax_agreement == parity.prediction_agreement == 1.0


def test_the_graph_gives_the_logits_of_the_trained_model(exported: Exported) -> None:
    check_parity(exported.result)


@pytest.mark.parametrize(
    ("kind", "task_kind", "config"),
    [
        ("bert", "token_classification", {"num_hidden_layers": 1}),
        ("gpt2", "text_classification", {"n_layer": 1}),
        ("gpt2", "token_classification", {"n_layer": 1}),
        ("bilstm", "text_classification", {}),
        ("bilstm", "token_classification", {}),
    ],
)
def test_graphs_of_other_families_and_tasks_give_the_logits_too(
    tmp_path: Path, kind: str, task_kind: str, config: dict[str, Any]
) -> None:
    outputs = write_stages(tmp_path, kind, task_kind=task_kind, **config)
    check_parity(run(tmp_path, outputs))


def test_the_directory_has_all_that_serving_needs(exported: Exported) -> None:
    outputs = exported.outputs
    assert exported.result.directory == outputs.export
    assert files(outputs.export) == files(outputs.model) | {
        "README.md",
        "report.json",
        "onnx/model.onnx",
    }
    assert {"config.json", "manifest.json", "model.safetensors", "preprocessing.json"} <= files(
        outputs.export
    )


def test_onnxruntime_and_transformers_alone_can_use_it(exported: Exported, tmp_path: Path) -> None:
    outputs = exported.outputs
    code = (
        "import sys, json, onnxruntime\n"
        "from transformers import AutoTokenizer\n"
        "tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])\n"
        "texts = ['the match was won', 'home']\n"
        "inputs = tokenizer(texts, padding=True, return_tensors='np')\n"
        "session = onnxruntime.InferenceSession(sys.argv[1] + '/onnx/model.onnx')\n"
        "names = [i.name for i in session.get_inputs()]\n"
        "logits = session.run(None, {name: inputs[name] for name in names})[0]\n"
        "print(json.dumps(logits.tolist()))\n"
    )
    command = [sys.executable, "-I", "-c", code, str(outputs.export)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    from pipeline.models.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(outputs.model)
    batch = tokenizer(["the match was won", "home"], padding=True, return_tensors="pt")
    expected = torch_run(TEXTS, load_saved_model(outputs.model), "cpu", "fp32")(dict(batch))
    np.testing.assert_allclose(json.loads(done.stdout), expected["logits"], atol=1e-5)


def test_transformers_own_pipeline_reads_the_directory(exported: Exported) -> None:
    from transformers import pipeline

    classify: Any = pipeline("text-classification", model=str(exported.outputs.export))
    assert classify("the match")[0]["label"] in {"sports", "other"}


def test_the_report_holds_parity_latency_and_sizes(tmp_path: Path) -> None:
    outputs = write_stages(tmp_path)
    sections = {"export": {"formats": ["onnx", "onnx_int8"]}}
    config = tiny_config()
    settings = config.export.model_dump(mode="json") | sections["export"]
    result = run(tmp_path, outputs, export=settings)
    report = read_json(outputs.export / "report.json")
    assert report["split"] == "test"
    assert report["num_threads"] == torch.get_num_threads()
    assert set(report["models"]) == {"onnx", "onnx_int8"}
    for name, model in report["models"].items():
        path = outputs.export / model["file"]
        assert model["num_bytes"] == path.stat().st_size, name
        assert model["parity"]["rows"] == 10
    assert report["models"]["onnx_int8"]["num_bytes"] < report["models"]["onnx"]["num_bytes"]
    assert [timing["batch_size"] for timing in report["timings"]] == [1, 3]
    for timing in report["timings"]:
        assert set(timing["runtimes"]) == {"pytorch", "onnx", "onnx_int8"}
        for latency in timing["runtimes"].values():
            assert 0 < latency["p50_ms"] <= latency["p95_ms"]
    metrics = result.report.metrics()
    assert metrics["export/onnx/prediction_agreement"] == 1.0
    assert metrics["export/pytorch/latency_ms/batch_3"] > 0


def test_the_card_has_the_figures_of_this_run(exported: Exported) -> None:
    from huggingface_hub import ModelCard

    outputs, result = exported.outputs, exported.result
    card = ModelCard.load(outputs.export / "README.md")
    data: Any = card.data
    (accuracy,) = (r for r in data.eval_results if r.metric_type == "accuracy")
    measured = read_json(outputs.evaluation / "metrics.json")["test"]["accuracy"]
    assert accuracy.metric_value == measured["value"]
    parity = result.report.models["onnx"].parity
    for expected in (
        "| `optimizer.lr` | `0.0123` |",
        "| `sports` | 10 | 0.750 [0.500, 0.875] |",
        f"{parity.max_abs_difference:.2g}",
        f"{result.report.timings[0].runtimes['onnx'].p50_ms:.2f} / ",
        "without cleaning",
    ):
        assert expected in card.text, expected


def test_the_8_bit_graph_alone_leaves_no_other(tmp_path: Path) -> None:
    outputs = write_stages(tmp_path, "lstm")
    run(tmp_path, outputs, export={"formats": ["onnx_int8"]})
    assert {p.name for p in (outputs.export / "onnx").iterdir()} == {"model_int8.onnx"}


def test_without_formats_there_is_a_card_and_no_graph(tmp_path: Path) -> None:
    outputs = write_stages(tmp_path, "lstm")
    result = run(tmp_path, outputs, export={"formats": []})
    assert not (outputs.export / "onnx").exists()
    assert result.report.models == {}
    assert (outputs.export / "README.md").is_file()


@pytest.mark.parametrize("missing", ["model", "dataset", "evaluation"])
def test_a_missing_earlier_stage_is_named(tmp_path: Path, missing: str) -> None:
    outputs = write_stages(tmp_path, "lstm")
    (outputs.root / missing).rename(tmp_path / "gone")
    with pytest.raises(UserError, match=missing) as caught:
        run(tmp_path, outputs)
    assert "run `" in str(caught.value)
    assert not outputs.export.exists()


def test_a_model_of_other_data_is_refused(tmp_path: Path) -> None:
    outputs = write_stages(tmp_path, "lstm")
    info = read_json(outputs.dataset / "info.json")
    write_json(outputs.dataset / "info.json", {**info, "fingerprint": "e" * 64})
    with pytest.raises(UserError, match="was not trained on the data"):
        run(tmp_path, outputs)


def test_damaged_weights_leave_the_old_export_as_it_was(tmp_path: Path) -> None:
    outputs = write_stages(tmp_path, "lstm")
    run(tmp_path, outputs, export={"formats": []})
    before = {name: (outputs.export / name).read_bytes() for name in files(outputs.export)}
    weights = outputs.model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        run(tmp_path, outputs, export={"formats": []})
    assert {name: (outputs.export / name).read_bytes() for name in before} == before
    assert [p.name for p in outputs.root.iterdir() if p.name.startswith(".")] == []


def test_a_graph_that_differs_from_the_model_fails_the_stage(tmp_path: Path) -> None:
    outputs = write_stages(tmp_path, "bilstm")
    with pytest.raises(EnvironmentProblem, match="not the trained one"):
        run(tmp_path, outputs, export={"tolerance": 1e-12})
    assert not outputs.export.exists()


def test_the_test_split_is_compared_and_each_lstm_is_served(tmp_path: Path) -> None:
    for kind in LSTM:
        outputs = write_stages(tmp_path / kind, kind, task_options={"objective": "sigmoid"})
        result = run(tmp_path / kind, outputs, export={"parity_rows": 1000})
        assert result.report.models["onnx"].parity.rows == ROWS["test"]
        assert result.report.models["onnx"].parity.prediction_agreement == 1.0


def test_report_card_and_figures_are_logged_to_the_models_own_run(
    tmp_path: Path, empty_store: Path
) -> None:
    from mlflow import MlflowClient

    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    outputs = write_stages(tmp_path, "lstm")
    with no_senders():
        result = run(tmp_path, outputs, tracking={"enabled": True})
    sync(tmp_path)

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiments = [e.experiment_id for e in client.search_experiments()]
    (logged,) = client.search_runs(experiments)
    assert logged.info.status == "FINISHED"
    for name, value in result.report.metrics().items():
        assert logged.data.metrics[name] == pytest.approx(value)
    assert {f.path for f in client.list_artifacts(logged.info.run_id, "export")} == {
        "export/README.md",
        "export/report.json",
    }


def test_parity_rows_come_from_the_dataset_of_the_model(exported: Exported) -> None:
    outputs = exported.outputs
    task = load_task("text_classification", {})
    dataset = EncodedDataset.open(outputs.dataset)
    rows = dataset.split("test").table
    batch = to_tensors(
        task.collate(rows, pad_token_id=dataset.info.pad_token_id, pad_to_multiple_of=8)
    )
    trained, served = (
        torch_run(task, load_saved_model(directory), "cpu", "fp32")(batch)["logits"]
        for directory in (outputs.model, outputs.export)
    )
    np.testing.assert_array_equal(trained, served)
