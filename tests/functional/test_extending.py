"""Runs the examples of docs/adding-a-*.md as a user would: files from outside the package."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.checkpoints import MakeCheckpoint
from tests.functional.project import Project

pytestmark = pytest.mark.functional

SHORT = ("trainer.max_epochs=1", "evaluation.num_bootstrap_samples=100", "tracking=off")
ONE_GRAPH = ("export.formats=[onnx]", "export.parity_rows=16", "export.latency_batch_sizes=[1]")


def examples(repository: Path, page: str) -> dict[str, str]:
    """The files that a page shows, by the name in their first line."""
    text = (repository / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```\w+\n# (\S+)\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    return dict(blocks)


def add(project: Project, files: dict[str, str], *names: str) -> None:
    """Writes files of a page into a project."""
    for name in names:
        path = project.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[name], encoding="utf-8")


def news(project: Project) -> list[dict[str, Any]]:
    lines = (project.root / "data/newsroom/newsroom.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[:240]]


def metrics(project: Project) -> dict[str, Any]:
    """The metrics of the one ad-hoc run."""
    (path,) = (project.root / "runs").glob("*/evaluation/metrics.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_a_dataset_is_one_file(project: Project, repository: Path) -> None:
    add(project, examples(repository, "adding-a-dataset.md"), "conf/data/reviews.yaml")
    raw = project.root / "data" / "reviews" / "reviews.tsv"
    raw.parent.mkdir()
    with raw.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t")
        writer.writerow(["review", "again"])
        writer.writerows([item["en"], "ny"[item["is_sports"]]] for item in news(project))

    project.call("evaluate", "data=reviews", *SHORT)

    assert 0 <= metrics(project)["test"]["accuracy"]["value"] <= 1
    (resolved,) = (project.root / "runs").glob("*/config.yaml")
    assert yaml.safe_load(resolved.read_text(encoding="utf-8"))["data"]["name"] == "reviews"


def test_a_column_file_is_a_dataset_of_entities(project: Project, repository: Path) -> None:
    add(project, examples(repository, "adding-a-dataset.md"), "conf/data/wards.yaml")
    raw = project.root / "data" / "wards" / "wards.bio"
    raw.parent.mkdir()
    sentence = "Dr\tO\nAda\tB-DOCTOR\nByron\tI-DOCTOR\nvisits\tO\nward\tB-WARD\n{}\tI-WARD\n"
    raw.write_text("\n".join(sentence.format(number) for number in range(60)), encoding="utf-8")

    project.call("evaluate", "data=wards", "task=token_classification", *SHORT)

    assert 0 <= metrics(project)["test"]["f1"]["value"] <= 1


def test_a_local_checkpoint_is_a_model(
    project: Project, repository: Path, make_checkpoint: MakeCheckpoint
) -> None:
    add(project, examples(repository, "adding-a-model.md"), "conf/model/our_bert.yaml")
    target = project.root / "checkpoints" / "our_bert"
    target.parent.mkdir()
    make_checkpoint("bert").rename(target)

    project.call(
        "evaluate", "model=our_bert", "data.quality.unknown_token_share.error=null", *SHORT
    )

    assert 0 <= metrics(project)["test"]["accuracy"]["value"] <= 1


def test_a_model_from_scratch_is_one_file(project: Project, repository: Path) -> None:
    add(project, examples(repository, "adding-a-model.md"), "conf/model/small_lstm.yaml")
    project.call("export", "model=small_lstm", *ONE_GRAPH, *SHORT)
    assert list((project.root / "runs").glob("*/export/onnx/*.onnx"))


def test_a_hub_model_without_network_says_what_to_do(project: Project, repository: Path) -> None:
    add(project, examples(repository, "adding-a-model.md"), "conf/model/roberta.yaml")
    output = project.call("prepare", "model=roberta", code=1)
    assert "hf download FacebookAI/roberta-base" in output
    assert "Traceback" not in output


def test_a_task_of_one_s_own_is_held_to_the_contract(tmp_path: Path, repository: Path) -> None:
    files = examples(repository, "adding-a-task.md")
    for name in ("ordinal.py", "test_ordinal.py"):
        (tmp_path / name).write_text(files[name], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "test_ordinal.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{repository}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_a_task_is_a_class_of_one_file(project: Project, repository: Path) -> None:
    files = examples(repository, "adding-a-task.md")
    add(project, files, "ordinal.py", "conf/task/ordinal.yaml", "conf/data/sentiment.yaml")

    project.pipeline(
        "export",
        "task=ordinal",
        "data=sentiment",
        "model=bert_scratch",
        *ONE_GRAPH,
        *SHORT,
    )

    found = metrics(project)["test"]
    error = found["mean_absolute_error"]
    assert error["low"] <= error["value"] <= error["high"]
    (exported,) = (project.root / "runs").glob("*/export")
    line = project.pipeline("predict", "--model", str(exported), "A bridge was opened.")
    assert json.loads(line)["prediction"] in {"terrible", "bad", "neutral", "good", "great"}
