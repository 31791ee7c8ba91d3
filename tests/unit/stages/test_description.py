from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.manifest import Manifest
from pipeline.stages.description import (
    RunFacts,
    model_description,
    pages_of_evaluation,
    pages_of_training,
    pipeline_description,
)
from pipeline.tracking.links import resolve_links
from tests.trained import tiny_config

IDS = {"experiment_id": "1", "run_id": "abc", "parent_id": "def"}


def entry(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


METRICS = {
    "test": {"accuracy": entry(0.8125), "f1_macro": entry(0.75)},
    "validation": {"accuracy": entry(0.9)},
    "baselines": {"majority": {"accuracy": entry(0.5)}},
    "difference": {"majority": {"accuracy": entry(0.3125)}},
}
EXPORT = {
    "models": {
        "onnx": {"num_bytes": 9_100_000, "parity": {"rows": 10, "prediction_agreement": 1.0}}
    },
    "timings": [{"batch_size": 1, "length": 32, "runtimes": {"onnx": {"p50_ms": 1.25}}}],
}


def facts(**fields: Any) -> RunFacts:
    manifest = Manifest(
        run_key="k-model",
        parent_key="k",
        experiment="tiny_experiment",
        task="text_classification",
        task_options={},
        label_names=("a", "b"),
        seed=3,
        config_hash="c" * 64,
        dataset_fingerprint="f" * 64,
        git_revision="0123456789abcdef",
        git_dirty=True,
        versions={},
        host="a_host<b>",
        checkpoint="the [checkpoint](x)",
        num_parameters=2_000,
        num_trainable_parameters=1_000,
        epochs=2,
        steps=8,
        best_step=6,
        best_epoch=1,
        validation={"accuracy": 0.9, "loss": 0.5},
        train_seconds=1.25,
        tokens_per_second=1234.0,
        peak_memory_mb=512.0,
    )
    given: dict[str, Any] = {"data": ("tiny", {"train": 1200, "test": 20}), **fields}
    return RunFacts(tiny_config(), manifest, **given)


def test_after_training_it_says_what_is_known_by_then() -> None:
    text = model_description(facts(changes=["lr=3e-05"]), nested=True)
    assert "train 1,200, test 20 rows" in text
    assert "Changed: `lr=3e-05`" in text
    assert "(step 6, epoch 1): accuracy 0.9000." in text
    assert "1,000 of 2,000 parameters trained; peak memory 512 MB" in text
    assert "git `0123456789ab` with changes" in text
    assert "| test |" not in text
    assert "Export" not in text


def test_after_evaluation_it_has_a_table_and_after_export_sizes_and_times() -> None:
    text = model_description(facts(metrics=METRICS, export=EXPORT), nested=True)
    assert "| accuracy | **0.8125** | 0.7125 … 0.9125 | 0.5000 |" in text
    assert "| f1_macro | **0.7500** | 0.6500 … 0.8500 | – |" in text
    assert "accuracy above majority: +0.3125 (+0.2125 … +0.4125, paired)." in text
    assert "`onnx` 9.1 MB, same prediction for 100.0% of 10 rows" in text
    assert "1 × 32 tokens: onnx 1.2 ms" in text


def test_the_run_of_the_execution_has_the_result_and_the_way_to_the_model() -> None:
    text = pipeline_description(facts(metrics=METRICS))
    assert "accuracy on the test split: **0.8125** (95% interval 0.7125 … 0.9125)." in text
    assert "f1_macro" not in text
    page = resolve_links(text, **IDS)
    assert "](#/experiments/1/runs?searchFilter=tags.%60mlflow.parentRunId%60" in page


def test_many_changes_are_counted() -> None:
    text = model_description(facts(changes=[f"key{n}=1" for n in range(100)]), nested=False)
    assert "`key29=1`, 70 more." in text


def test_values_are_no_markup_and_links_lead_to_pages_of_the_ui(tmp_path: Path) -> None:
    (tmp_path / "mistakes.html").touch()
    pages = [*pages_of_evaluation(tmp_path), *pages_of_training(tmp_path)]
    text = resolve_links(model_description(facts(pages=pages), nested=True), **IDS)
    assert r"a\_host&lt;b&gt;" in text
    assert r"the \[checkpoint\](x)" in text
    assert "[mistakes](#/experiments/1/runs/abc/artifacts/evaluation/mistakes.html)" in text
    assert "[the run around it](#/experiments/1/runs/def)" in text
    assert "quality.html" not in text
    assert "pipeline:" not in text


def test_a_link_to_a_parent_that_there_is_not_becomes_text() -> None:
    alone = resolve_links(
        "see [the run](pipeline:parent).", experiment_id="1", run_id="a", parent_id=None
    )
    assert alone == "see the run."
