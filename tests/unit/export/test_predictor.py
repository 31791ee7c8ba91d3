from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.artifacts import read_json, write_json
from pipeline.config.data import LowercaseStep, UnicodeStep, WhitespaceStep
from pipeline.errors import CheckpointError, UserError
from pipeline.export.bundle import load_predictor
from pipeline.stages import export
from tests.trained import tiny_config, write_stages

torch.set_num_threads(1)

CLEANING = (
    UnicodeStep(step="unicode"),
    WhitespaceStep(step="whitespace"),
    LowercaseStep(step="lowercase"),
)
ONE_LAYER: dict[str, dict[str, Any]] = {
    "bert": {"num_hidden_layers": 1},
    "gpt2": {"n_layer": 1},
}
Export = Callable[[str, str], Path]
TEXTS = ["The match", "won  by the\thome team in the last minute", "zzz", "team"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Gives the exported model of a family for a task; tests only read it."""

    @cache
    def make(kind: str, task_kind: str) -> Path:
        root = tmp_path_factory.mktemp("exported")
        size = ONE_LAYER.get(kind, {})
        outputs = write_stages(root, kind, task_kind=task_kind, cleaning=CLEANING, **size)
        settings = {"formats": ["onnx", "onnx_int8"], "latency_batch_sizes": [], "parity_rows": 1}
        return export.run(tiny_config(export=settings), root=root, outputs=outputs).directory

    return make


def without_scores(record: dict[str, Any]) -> Any:
    if "prediction" in record:
        return record["text"], record["prediction"]
    keys = ("text", "start", "end", "type")
    return record["text"], [[entity[key] for key in keys] for entity in record["entities"]]


@pytest.mark.parametrize("task_kind", ["text_classification", "token_classification"])
@pytest.mark.parametrize("kind", ["bert", "gpt2", "lstm"])
def test_torch_and_onnx_predict_the_same(exported: Export, kind: str, task_kind: str) -> None:
    directory = exported(kind, task_kind)
    found = {name: load_predictor(directory, name).predict(TEXTS) for name in ("torch", "onnx")}
    assert list(map(without_scores, found["torch"])) == list(map(without_scores, found["onnx"]))
    if task_kind == "text_classification":
        for ours, theirs in zip(*found.values(), strict=True):
            assert ours["scores"] == pytest.approx(theirs["scores"], abs=1e-5)


def test_a_classifier_gives_label_probability_and_all_probabilities(tmp_path: Path) -> None:
    records = load_predictor(write_stages(tmp_path).model).predict(TEXTS)
    assert [record["text"] for record in records] == TEXTS
    for record in records:
        assert list(record) == ["text", "prediction", "score", "scores"]
        assert set(record["scores"]) == {"other", "sports"}
        assert sum(record["scores"].values()) == pytest.approx(1.0)
        assert record["score"] == record["scores"][record["prediction"]]
        assert record["score"] == max(record["scores"].values())


def test_a_text_is_predicted_alike_alone_and_among_others(tmp_path: Path) -> None:
    predictor = load_predictor(write_stages(tmp_path).model)
    texts = [" ".join(["won"] * (1 + number % 25)) for number in range(700)]
    together = predictor.predict(texts)
    for number in (0, 24, 350, 699):
        (alone,) = predictor.predict([texts[number]])
        assert together[number]["text"] == texts[number]
        assert together[number]["scores"] == pytest.approx(alone["scores"], abs=1e-6)


def test_texts_are_cleaned_as_those_of_training_were(tmp_path: Path) -> None:
    predictor = load_predictor(write_stages(tmp_path, "lstm", cleaning=CLEANING).model)
    ours, same = predictor.predict(["  ＴＨＥ \n match", "the match"])
    assert ours["scores"] == same["scores"]
    assert ours["text"] == "  ＴＨＥ \n match"


def test_entities_count_characters_of_the_given_text(tmp_path: Path) -> None:
    outputs = write_stages(tmp_path, task_kind="token_classification", cleaning=CLEANING)
    predictor = load_predictor(outputs.model)
    texts = ["  the   ﬁnal was won\tby the home team", "ＴＨＥ match", "the match was won"]
    found = predictor.predict(texts)
    assert any(record["entities"] for record in found)
    for text, record in zip(texts, found, strict=True):
        assert record["text"] == text
        for entity in record["entities"]:
            assert list(entity) == ["text", "start", "end", "type", "score"]
            assert entity["text"] == text[entity["start"] : entity["end"]]
            assert entity["text"] == entity["text"].strip() != ""


def test_a_text_without_a_word_gets_nulls(tmp_path: Path) -> None:
    predictor = load_predictor(write_stages(tmp_path / "a").model)
    empty, full, blank = predictor.predict(["", "team", " \t"])
    nothing = {"prediction": None, "score": None, "scores": None}
    assert empty == {"text": "", **nothing}
    assert blank == {"text": " \t", **nothing}
    assert full["prediction"] is not None
    entities = load_predictor(write_stages(tmp_path / "b", task_kind="token_classification").model)
    assert entities.predict([""]) == [{"text": "", "entities": None}]
    assert entities.predict([]) == []


def test_the_backend_is_onnx_where_there_is_a_graph(exported: Export) -> None:
    directory = exported("lstm", "text_classification")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pipeline.export.bundle import load_predictor\n"
        "load_predictor(Path(sys.argv[1])).predict(['the match', 'team'])\n"
        "print('torch' in sys.modules)"
    )
    for path, needs_torch in ((directory, "False"), (directory.with_name("model"), "True")):
        command = [sys.executable, "-c", code, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [needs_torch]


@pytest.mark.parametrize("task_kind", ["text_classification", "token_classification"])
def test_onnx_runs_without_torch(exported: Export, task_kind: str) -> None:
    directory = exported("bert", task_kind)
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from pipeline.export.bundle import load_predictor\n"
        "print(load_predictor(Path(sys.argv[1]), 'onnx_int8').predict(['the match', 'team'])[1])"
    )
    command = [sys.executable, "-c", code, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "'text': 'team'" in done.stdout


def test_a_missing_graph_names_those_there_are(tmp_path: Path) -> None:
    outputs = write_stages(tmp_path, "lstm")
    with pytest.raises(UserError, match=r"no onnx/model_int8\.onnx; its formats are: torch"):
        load_predictor(outputs.model, "onnx_int8")


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("model.safetensors", b"\x00" * 64, CheckpointError),
        ("tokenizer.json", b"{}", CheckpointError),
        ("config.json", b"{", UserError),
        ("manifest.json", b"{}", UserError),
        ("preprocessing.json", b"[]", UserError),
        ("preprocessing.json", None, UserError),
        ("manifest.json", None, UserError),
    ],
)
def test_a_damaged_or_missing_file_is_one_clear_error(
    tmp_path: Path, name: str, content: bytes | None, error: type[UserError]
) -> None:
    directory = write_stages(tmp_path, "lstm").model
    if content is None:
        (directory / name).unlink()
    else:
        (directory / name).write_bytes(content)
    with pytest.raises(error) as caught:
        load_predictor(directory)
    assert str(directory) in str(caught.value)
    assert caught.value.remedy


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere is no directory of a model"):
        load_predictor(tmp_path / "nowhere")


def test_a_task_that_is_not_installed_is_named(tmp_path: Path) -> None:
    directory = write_stages(tmp_path, "lstm").model
    manifest = read_json(directory / "manifest.json")
    write_json(directory / "manifest.json", {**manifest, "task": "text_clasification"})
    with pytest.raises(UserError, match="did you mean 'text_classification'"):
        load_predictor(directory)
