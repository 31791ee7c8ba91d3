"""Translation through every stage, from lines in two files to texts written without torch."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch

from pipeline.artifacts import Outputs, read_json
from pipeline.config.schema import Config
from pipeline.config.validation import validate
from pipeline.manifest import Manifest
from pipeline.stages import evaluate, export, prepare, train
from pipeline.stages.predict import run_predict

torch.set_num_threads(1)


def config() -> Config:
    values = {
        "experiment": "tiny",
        "data": {
            "name": "news",
            "files": {"all": {"path": "data/en", "aligned": {"target": {"path": "data/zh"}}}},
            "format": {"kind": "lines"},
            "split": {"method": "shared_text", "validation": 0.2, "test": 0.2},
        },
        "task": {
            "kind": "sequence_to_sequence",
            "options": {"generation": {"max_new_tokens": 6, "num_beams": 2}},
        },
        "model": {
            "architecture": {"kind": "seq2seq", "hidden_size": 16, "num_layers": 1},
            "tokenizer": {"kind": "bpe", "vocab_size": 900, "special_tokens": "end"},
            "max_length": 64,
        },
        "method": {},
        "optimizer": {"lr": 1e-3},
        "scheduler": {},
        "trainer": {
            "max_steps": 2,
            "max_tokens_per_batch": 1024,
            "validation_generation_rows": 5,
            "accelerator": "cpu",
            "num_threads": 1,
        },
        "evaluation": {"num_bootstrap_samples": 100},
        "export": {"parity_rows": 6, "latency_repeats": 1, "latency_batch_sizes": [1]},
        "tracking": {"enabled": False},
    }
    return validate(Config, values, lambda key: None)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory, newsroom: Path) -> Outputs:
    root = tmp_path_factory.mktemp("written")
    (root / "conf").mkdir()
    (root / "conf" / "config.yaml").write_text("{}\n")
    (root / "data").mkdir()
    rows = [json.loads(line) for line in newsroom.read_text(encoding="utf-8").splitlines()[:80]]
    for name in ("en", "zh"):
        lines = "".join(f"{row[name]}\n" for row in rows)
        (root / "data" / name).write_text(lines, encoding="utf-8")
    made = Outputs(root / "outputs")
    for stage in (prepare, train, evaluate, export):
        stage.run(config(), root=root, outputs=made)
    return made


def test_metrics_stand_beside_those_of_copies_and_neighbours(outputs: Outputs) -> None:
    metrics = read_json(outputs.evaluation / "metrics.json")
    assert set(metrics["baselines"]) == {"copy", "nearest"}
    assert {"bleu", "chrf", "ter", "perplexity", "empty_outputs"} <= set(metrics["test"])
    assert metrics["baselines"]["nearest"]["chrf"]["value"] > 0
    assert "perplexity" not in metrics["baselines"]["copy"]


def test_validations_measure_some_rows_and_the_loss_of_all(outputs: Outputs) -> None:
    manifest = Manifest.read(outputs.model)
    assert {"bleu", "perplexity"} <= set(manifest.validation)
    assert manifest.task_state["tokenization"] == "zh"
    assert "tok:zh" in manifest.task_state["signatures"]["bleu"]


def test_the_page_shows_texts_side_by_side(outputs: Outputs) -> None:
    page = (outputs.evaluation / "mistakes.html").read_text(encoding="utf-8")
    assert 'class="beside"' in page
    assert "only in the reference" in page


def test_the_report_counts_odd_targets(outputs: Outputs) -> None:
    checks = {one["check"] for one in read_json(outputs.dataset / "quality.json")["findings"]}
    assert {"length_ratio_share", "copied_share", "cut_target_share"} <= checks


def test_graphs_write_what_pytorch_writes(outputs: Outputs) -> None:
    report = read_json(outputs.export / "report.json")
    assert report["models"]["onnx"]["parity"]["prediction_agreement"] == 1.0
    assert report["models"]["onnx"]["parity"]["rows"] == 6
    written = {}
    for backend in ("torch", "onnx"):
        out = io.StringIO()
        run_predict(
            ("Snow closed the court.", "Polio drops reach Marib camps by donkey"),
            file=None,
            directory=outputs.export,
            backend=backend,
            field="text",
            stream_out=out,
        )
        written[backend] = [json.loads(line)["prediction"] for line in out.getvalue().splitlines()]
    assert written["torch"] == written["onnx"]
    assert all(isinstance(text, str) for text in written["onnx"])
