"""Translation through every stage, from lines in two files to texts written without torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from pipeline.artifacts import Outputs, read_json
from pipeline.config.schema import Config
from pipeline.manifest import Manifest
from tests.stage_projects import (
    ALIGNED,
    empty_project,
    predicted,
    run_stages,
    tiny_config,
    write_aligned,
)

torch.set_num_threads(1)


def config() -> Config:
    return tiny_config(
        "sequence_to_sequence",
        ALIGNED,
        {
            "architecture": {"kind": "seq2seq", "hidden_size": 16, "num_layers": 1},
            "tokenizer": {"kind": "bpe", "vocab_size": 900, "special_tokens": "end"},
            "max_length": 64,
        },
        options={"generation": {"max_new_tokens": 6, "num_beams": 2}},
        trainer={"max_steps": 2, "max_tokens_per_batch": 1024, "validation_generation_rows": 5},
        export={"parity_rows": 6},
    )


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory, newsroom: Path) -> Outputs:
    root = empty_project(tmp_path_factory.mktemp("written"))
    rows = [json.loads(line) for line in newsroom.read_text(encoding="utf-8").splitlines()[:80]]
    write_aligned(root, rows)
    return run_stages(config(), root)


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
    texts = ("Snow closed the court.", "Polio drops reach Marib camps by donkey")
    written = [row["prediction"] for row in predicted(outputs.export, *texts, backend="torch")]
    graphs = [row["prediction"] for row in predicted(outputs.export, *texts, backend="onnx")]
    assert written == graphs
    assert all(isinstance(text, str) for text in graphs)
