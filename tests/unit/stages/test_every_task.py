"""Every task of texts goes through all stages; those with tests of their own are named."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.artifacts import read_json
from pipeline.config.schema import Config
from pipeline.errors import DataError
from pipeline.evaluation.charts import CHARTS
from pipeline.tasks.registry import load_task, shipped_tasks
from tests.stage_projects import empty_project, predicted, run_stages, tiny_config

torch.set_num_threads(1)

ELSEWHERE = {
    "audio_classification": "test_speech",
    "causal_language_model": "test_pretraining",
    "image_classification": "test_pictures",
    "masked_language_model": "test_pretraining",
    "multi_label_classification": "test_sets_and_numbers",
    "regression": "test_sets_and_numbers",
    "sequence_to_sequence": "test_written_texts",
    "speech_recognition_ctc": "test_speech",
    "speech_recognition_seq2seq": "test_speech",
}
"""By task the module of this directory that takes it through all stages."""
TOPICS = ("sports", "business", "health")
PAIR = {"text": "en", "text_pair": "item", "group": "id"}


@dataclass(frozen=True)
class Case:
    """A task on the shipped news.

    Attributes:
        columns: What is read.
        charts: Tables that are drawn whatever the model says.
        page: Words of its page of mistakes.
        options: The task's.
    """

    columns: dict[str, str]
    charts: frozenset[str]
    page: str
    options: dict[str, Any] = field(default_factory=dict)


LABELLED = frozenset({"confusion.csv", "pr_curve.csv", "reliability.csv"})
CASES = {
    "text_classification": Case({"text": "en", "label": "topic"}, LABELLED, "instead of"),
    "token_classification": Case(
        {"text": "en", "entities": "entities_en"}, frozenset({"confusion.csv"}), "missed"
    ),
    "text_pair_classification": Case({**PAIR, "label": "fits"}, LABELLED, "instead of"),
    "text_pair_regression": Case(
        {**PAIR, "target": "relevance"}, frozenset({"numbers.csv"}), "Largest errors"
    ),
    "text_pair_ranking": Case(
        {**PAIR, "relevance": "relevance"},
        frozenset({"ranks.csv"}),
        "first relevant item at place",
        {"objective": "pairwise"},
    ),
}


def config(kind: str) -> Config:
    case = CASES[kind]
    is_pair = "group" in case.columns
    split = {"method": "group" if is_pair else "random", "validation": 0.2, "test": 0.2}
    file = "data/pairs.jsonl" if is_pair else "data/news.jsonl"
    return tiny_config(
        kind,
        {"files": {"all": {"path": file}}, "columns": case.columns, "split": split},
        {
            "architecture": {"kind": "bert", "hidden_size": 16, "num_layers": 1},
            "tokenizer": {"kind": "wordpiece", "vocab_size": 500},
            "max_length": 48,
        },
        options=case.options,
        trainer={"max_steps": 2, "max_tokens_per_batch": 1024},
        evaluation={"baselines": ["majority"]},
        export={"parity_rows": 6},
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, newsroom: Path) -> Path:
    """A project with news, and with news and the names of three topics as pairs."""
    made = empty_project(tmp_path_factory.mktemp("project"))
    lines = newsroom.read_text(encoding="utf-8").splitlines()
    items = [one for one in map(json.loads, lines) if one["topic"] in TOPICS][:60]
    pairs = [
        {
            "id": f"{item['id']}-{topic}",
            "en": item["en"],
            "item": topic,
            "relevance": int(item["topic"] == topic),
            "fits": "yes" if item["topic"] == topic else "no",
        }
        for item in items
        for topic in TOPICS
    ]
    for name, rows in (("news", items), ("pairs", pairs)):
        text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
        (made / "data" / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return made


def near(number: str) -> Any:
    return pytest.approx(float(number), abs=1e-3)


@pytest.mark.parametrize("kind", CASES)
def test_texts_and_pairs_go_through_every_stage(root: Path, tmp_path: Path, kind: str) -> None:
    outputs = run_stages(config(kind), root, tmp_path / "outputs")

    task = load_task(kind, CASES[kind].options)
    metrics = read_json(outputs.evaluation / "metrics.json")
    found = metrics["test"][task.primary_metric.name]
    assert found["low"] <= found["value"] <= found["high"]
    page = (outputs.evaluation / "mistakes.html").read_text(encoding="utf-8")
    assert CASES[kind].page in page
    lines = {name: len((outputs.evaluation / name).read_text().splitlines()) for name in CHARTS}
    drawn = {name for name, count in lines.items() if count > 1}
    assert drawn >= CASES[kind].charts | {"scores.csv"}
    parity = read_json(outputs.export / "report.json")["models"]["onnx"]["parity"]
    assert parity["prediction_agreement"] == 1.0

    given = "Snow closed the court of Marib."
    if "text_pair" in CASES[kind].columns:
        with pytest.raises(DataError) as caught:
            predicted(outputs.model, json.dumps({"text": given}))
        assert "an object with the keys text and text_pair" in str(caught.value.remedy)
        given = json.dumps({"text": given, "text_pair": "sports"})
    (found,) = predicted(outputs.model, given)
    assert found["text"].startswith("Snow closed")
    assert [found] == predicted(outputs.export, given, number=near)


def test_no_task_is_forgotten() -> None:
    assert sorted([*CASES, *ELSEWHERE]) == list(shipped_tasks())
    for module in ELSEWHERE.values():
        assert Path(__file__).with_name(f"{module}.py").is_file()
