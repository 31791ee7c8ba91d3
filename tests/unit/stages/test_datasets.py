from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.data.store import INFO_FILE, EncodedDataset
from pipeline.errors import DataError, UserError
from pipeline.stages.datasets import dataset_key, prepared_dataset
from tests.sweep_jobs import job_config, write_jobs_project, write_raw_data

PREPARE = """
import json, sys
from pathlib import Path
import pipeline.stages.prepare, pipeline.models.tokenizer, transformers
from pipeline.config.schema import Config
from pipeline.stages.datasets import prepared_dataset
config = Config.model_validate_json(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(prepared_dataset(config, root=Path(sys.argv[2])))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_jobs_project(tmp_path / "project")


def key(root: Path, **sections: Any) -> str:
    return dataset_key(job_config(**sections), root=root)


def test_a_dataset_is_prepared_once(root: Path) -> None:
    directory = prepared_dataset(job_config(), root=root)
    assert directory.is_relative_to(root / ".cache" / "datasets")
    assert EncodedDataset.open(directory).info.rows["train"] == 84
    before = {path: path.stat().st_mtime_ns for path in directory.iterdir()}
    again = prepared_dataset(job_config(seed=5, optimizer={"lr": 0.5}), root=root)
    assert again == directory
    assert {path: path.stat().st_mtime_ns for path in directory.iterdir()} == before


def test_two_processes_that_want_a_dataset_at_once_prepare_it_once(root: Path) -> None:
    arguments = [sys.executable, "-c", PREPARE, job_config().model_dump_json(), str(root)]
    processes = [
        subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert len({directory for directory, _ in outputs}) == 1
    assert sorted("prepared tiny" in notices for _, notices in outputs) == [False, True]
    assert (Path(outputs[0][0].strip()) / INFO_FILE).is_file()


@pytest.mark.parametrize(
    "sections",
    [
        {"model": {"max_length": 16}},
        {"data": {"cleaning": [{"step": "whitespace"}]}},
        {"data": {"split": {"seed": 1}}},
        {"data": {"max_rows": 50}},
        {"task": {"options": {"label_smoothing": 0.1}}},
    ],
)
def test_what_changes_a_dataset_changes_its_key(root: Path, sections: dict[str, Any]) -> None:
    assert key(root, **sections) != key(root)


@pytest.mark.parametrize(
    "sections",
    [
        {"seed": 7},
        {"optimizer": {"lr": 0.5}},
        {"scheduler": {"warmup_ratio": 0.3}},
        {"trainer": {"max_epochs": 9}},
        {"method": {"kind": "head"}},
        {"model": {"dropout": 0.3}},
        {"task": {"primary_metric": "accuracy"}},
        {"experiment": "another"},
    ],
)
def test_what_only_training_needs_leaves_the_key(root: Path, sections: dict[str, Any]) -> None:
    assert key(root, **sections) == key(root)


def other_rows(root: Path) -> None:
    write_raw_data(root, seed=1)


def other_tokenizer(root: Path) -> None:
    path = root / "checkpoint" / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "do_lower_case": False}))


def other_vocabulary(root: Path) -> None:
    path = root / "checkpoint" / "vocab.txt"
    path.write_text(path.read_text() + "referee\n")


@pytest.mark.parametrize("change", [other_rows, other_tokenizer, other_vocabulary])
def test_files_count_with_their_content(root: Path, change: Callable[[Path], None]) -> None:
    before = key(root)
    change(root)
    assert key(root) != before


def test_weights_do_not_count(root: Path) -> None:
    before = key(root)
    (root / "checkpoint" / "model.safetensors").unlink()
    assert key(root) == before


def test_a_project_elsewhere_with_the_same_files_has_the_same_key(
    root: Path, tmp_path: Path
) -> None:
    assert key(shutil.copytree(root, tmp_path / "elsewhere")) == key(root)


def test_a_dataset_that_cannot_be_prepared_is_tried_again_by_the_next_trial(root: Path) -> None:
    path = root / "data" / "tiny.csv"
    content = path.read_bytes()
    path.write_text("text,label\na match,sports\n")
    with pytest.raises(UserError):
        prepared_dataset(job_config(), root=root)
    path.unlink()
    with pytest.raises(DataError, match=r"tiny\.csv"):
        prepared_dataset(job_config(), root=root)
    path.write_bytes(content)
    assert (prepared_dataset(job_config(), root=root) / INFO_FILE).is_file()
