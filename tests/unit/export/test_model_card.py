from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard, ModelCardData

from pipeline.artifacts import read_json
from pipeline.data.store import EncodedDataset
from pipeline.export.card import CardFacts, build_card
from pipeline.export.latency import Latency
from pipeline.export.parity import Parity
from pipeline.export.report import ExportedModel, ExportReport, Timing
from pipeline.manifest import Manifest, ParentModel
from pipeline.models.locate import read_model_config
from pipeline.tasks.base import Column
from pipeline.tasks.text_pairs import PAIR
from tests.conftest import REPOSITORY
from tests.trained import ROWS, write_stages

REPORT = ExportReport(
    opset=18,
    split="test",
    models={
        "onnx": ExportedModel("onnx/model.onnx", 4_200_000, Parity(17, 2.5e-6, 1e-6, 1.0, 1.0))
    },
    timings=(Timing(8, 23, {"pytorch": Latency(5.25, 6.5), "onnx": Latency(3.125, 4.0)}),),
    repeats=20,
    num_threads=2,
    cpu="A Processor",
    pytorch_bytes=8_400_000,
)


def facts(
    tmp_path: Path, *, kind: str = "lstm", task: str = "text_classification", **changes: Any
) -> CardFacts:
    options = changes.pop("task_options", {})
    outputs = write_stages(tmp_path, kind, task_kind=task, task_options=options)
    metrics = read_json(outputs.evaluation / "metrics.json")
    values: dict[str, Any] = {
        "manifest": Manifest.read(outputs.model),
        "dataset": EncodedDataset.open(outputs.dataset).info,
        "dataset_id": "tiny",
        "base_model": "someone/tiny-base",
        "licence": "apache-2.0",
        "model_config": read_model_config(outputs.model),
        "hyperparameters": {"optimizer.lr": "0.0003", "seed": "3"},
        "cleaning": ("unicode", "whitespace"),
        "metrics": metrics,
        "per_class": [],
        "metric_names": tuple(metrics["test"]),
        "confidence": 0.95,
        "report": REPORT,
    }
    return CardFacts(**{**values, **changes})


def reloaded(card: ModelCard, tmp_path: Path) -> tuple[ModelCardData, str]:
    """The front matter and the text as huggingface_hub reads them back from a file."""
    path = tmp_path / "README.md"
    path.write_text(str(card), encoding="utf-8")
    loaded = ModelCard.load(path)
    assert isinstance(loaded.data, ModelCardData)
    return loaded.data, str(loaded.text)


def test_the_front_matter_is_what_the_hub_reads(tmp_path: Path) -> None:
    data, _ = reloaded(build_card(facts(tmp_path)), tmp_path)
    assert data.language == "en"
    assert data.license == "apache-2.0"
    assert data.library_name == "transformers"
    assert data.base_model == "someone/tiny-base"
    assert data.pipeline_tag == "text-classification"
    assert data.datasets == ["tiny"]
    assert {"accuracy", "f1", "matthews_correlation"} <= set(data.metrics or ())
    assert data.tags == ["text_classification", "pipeline_lstm", "onnx"]


@pytest.mark.parametrize("task", ["text_classification", "token_classification"])
def test_the_model_index_has_the_measured_values_and_intervals(tmp_path: Path, task: str) -> None:
    given = facts(tmp_path, task=task)
    results = reloaded(build_card(given), tmp_path)[0].eval_results
    assert results is not None
    measured = given.metrics["test"]
    assert {result.metric_name for result in results} == set(measured)
    for result in results:
        assert result.metric_name is not None
        figures = measured[result.metric_name]
        assert result.metric_value == figures["value"]
        assert result.metric_args == {
            "low": figures["low"],
            "high": figures["high"],
            "confidence": 0.95,
        }
        assert result.dataset_split == "test"
        assert result.task_type == task.replace("_", "-")


def test_the_text_gives_results_with_intervals_beside_the_baselines(tmp_path: Path) -> None:
    given = facts(tmp_path)
    text = build_card(given).text
    row = next(line for line in text.splitlines() if line.startswith("| `accuracy`"))
    assert row == (
        "| `accuracy` | 0.800 [0.700, 0.900] | 0.700 [0.600, 0.800] | 0.500 [0.400, 0.600] |"
    )
    assert "| metric | test | validation | test, majority baseline |" in text
    assert f"the {ROWS['test']} rows of the test split" in text
    assert "95% bootstrap intervals" in text
    assert (
        "`accuracy` less that of the majority baseline, on the same resamples: "
        "0.300 [0.200, 0.400]." in text
    )


def test_figures_of_training_data_export_and_environment_are_there(tmp_path: Path) -> None:
    given = facts(tmp_path)
    text = build_card(given).text
    for expected in (
        "| train | 12 |",
        "Licence of the data: cc0-1.0",
        "`data/tiny.jsonl`: `" + "a" * 64,
        "8 optimizer steps in 2 epochs. The weights of step 6",
        "| `optimizer.lr` | `0.0003` |",
        "in this order: unicode, whitespace",
        "| `onnx/model.onnx` | 4.2 MB | 2.5e-06 | 100.00% | 100.00% |",
        "| 8 | 23 | 5.25 / 6.50 | 3.12 / 4.00 |",
        "2 threads, A Processor",
        "`" + "0" * 40 + "`",
        f"torch {given.manifest.versions['torch']}",
        "one seed (3) was trained",
    ):
        assert expected in text, expected


def test_what_is_not_known_is_not_invented(tmp_path: Path) -> None:
    given = facts(tmp_path, licence=None, base_model=None, cleaning=())
    anonymous = given.dataset.model_copy(update={"language": None, "licence": None})
    given = facts(tmp_path / "again", licence=None, base_model=None, cleaning=(), dataset=anonymous)
    data, text = reloaded(build_card(given), tmp_path)
    assert data.license == "unknown"
    assert data.base_model is None
    assert data.language is None
    assert "Language: not stated. Licence of the data: not stated" in text
    assert "without cleaning" in text
    assert "None" not in text


def test_the_training_that_the_weights_began_with_is_named(tmp_path: Path) -> None:
    known = facts(tmp_path)
    assert "Pre-trained by" not in reloaded(build_card(known), tmp_path)[1]
    parent = ParentModel(
        location="runs:/abc", weights_sha256="f" * 64, run_id="abc", experiment="pretraining"
    )
    manifest = known.manifest.model_copy(update={"parent_model": parent})
    _, text = reloaded(build_card(replace(known, manifest=manifest)), tmp_path)
    told = f"experiment `pretraining`, run `abc`, weights `{'f' * 64}` (SHA-256)"
    assert f"- Pre-trained by {told}" in text


def test_an_undefined_metric_is_left_out_or_a_dash(tmp_path: Path) -> None:
    given = facts(tmp_path)
    test = {name: one for name, one in given.metrics["test"].items() if name != "mcc"}
    validation = {k: one for k, one in given.metrics["validation"].items() if k != "roc_auc"}
    metrics = {**given.metrics, "test": test, "validation": validation}
    changed = facts(tmp_path / "again", metrics=metrics, metric_names=given.metric_names)
    data, text = reloaded(build_card(changed), tmp_path)
    assert "`mcc`" not in text
    assert re.search(r"\| `roc_auc` \| 0\.850 \[[^|]+\| – \| 0\.5", text)
    assert "mcc" not in {result.metric_name for result in data.eval_results or ()}


def test_metrics_of_single_classes_have_a_table_of_their_own(tmp_path: Path) -> None:
    per_class = [
        {"label": "a|b", "rows": "12", "f1": "0.25", "f1_low": "0.125", "f1_high": "0.5"},
        {"label": "c", "rows": "0", "f1": "", "f1_low": "", "f1_high": ""},
    ]
    text = build_card(facts(tmp_path, per_class=per_class)).text
    assert "| class | rows | f1 |" in text
    assert "| `a\\|b` | 12 | 0.250 [0.125, 0.500] |" in text
    assert "| `c` | 0 | – |" in text


def test_a_sigmoid_model_says_what_its_one_output_means(tmp_path: Path) -> None:
    text = build_card(facts(tmp_path, task_options={"objective": "sigmoid"})).text
    assert "one output is the probability of `sports`; at 0.5 or less the prediction is" in text
    assert "import pipeline.models.registration" in text


def test_pairs_are_given_together_and_a_number_is_no_probability(tmp_path: Path) -> None:
    config = {"model_type": "bert", "architectures": ["BertForSequenceClassification"]}
    number = {**config, "id2label": {"0": "relevance"}, "problem_type": "regression"}
    given = facts(tmp_path, inputs=PAIR, model_config=number)
    given = replace(given, manifest=given.manifest.model_copy(update={"label_names": ()}))
    text = build_card(given).text
    pair = '{"text": "a text", "text_pair": "a text"}'
    assert f"predict --model path/to/this/directory '{pair}'" in text
    assert f"print(classify({pair}))" in text
    assert "one output is a number for `relevance`" in text
    assert "the prediction is" not in text

    others = (Column("question", "text"), Column("picture", "image"))
    text = build_card(replace(given, inputs=others)).text
    assert """directory '{"question": "a text", "picture": "picture.jpg"}'""" in text
    assert "With transformers" not in text


def test_models_of_sound_that_transformers_cannot_feed_have_no_snippet(tmp_path: Path) -> None:
    given = facts(tmp_path, inputs=(Column("audio", "audio"),))
    for kind, head, runs in (
        ("wav2vec2", "AudioClassification", True),
        ("pipeline_audio_cnn", "AudioClassification", False),
        ("wav2vec2", "CTC", False),
    ):
        config = {"model_type": kind, "architectures": [f"ModelFor{head}"]}
        text = build_card(replace(given, model_config=config)).text
        assert ("With transformers" in text) is runs
        assert 'predict --model path/to/this/directory "recording.wav"' in text


@pytest.mark.parametrize(
    ("kind", "task", "options"),
    [
        ("bert", "token_classification", {}),
        ("lstm", "text_classification", {"objective": "sigmoid"}),
        ("gpt2", "text_classification", {}),
        ("bert", "multi_label_classification", {}),
    ],
)
def test_the_snippet_runs_as_it_stands(
    tmp_path: Path, kind: str, task: str, options: dict[str, str]
) -> None:
    text = build_card(facts(tmp_path, kind=kind, task=task, task_options=options)).text
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code = code.replace("path/to/this/directory", str(tmp_path / "outputs" / "model"))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.lstrip("[").startswith("{")
    key = "entity_group" if task == "token_classification" else "label"
    names = {"ORG", "PER"} if task == "token_classification" else {"sports", "other"}
    assert set(re.findall(rf"'{key}': '(\w+)'", done.stdout)) <= names
    assert f"'{key}'" in done.stdout
    if task.startswith("multi_label"):
        assert names == set(re.findall(rf"'{key}': '(\w+)'", done.stdout))
