from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.config.data import HubConfig
from pipeline.data.sources.hub import hub_version, read_hub
from pipeline.data.sources.raw import WantedColumns
from pipeline.errors import DataError, EnvironmentProblem

datasets = pytest.importorskip("datasets")
WANTED = WantedColumns({"data.columns.text": "text", "data.columns.label": "label"})


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a local dataset of two splits."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    directory = tmp_path / "data" / "reviews"
    directory.mkdir(parents=True)
    for split, count in (("train", 5), ("test", 2)):
        lines = [json.dumps({"text": f"{split} {i}", "label": i % 2}) for i in range(count)]
        (directory / f"{split}.jsonl").write_text("\n".join(lines))
    return tmp_path


def local(**options: Any) -> HubConfig:
    return HubConfig(**{"dataset": "./data/reviews", **options})


def test_a_local_directory_is_read_split_by_split(root: Path) -> None:
    batches = list(read_hub(local(), "train", root, WANTED))
    assert [list(batch.numbers) for batch in batches] == [[1, 2, 3, 4, 5]]
    assert batches[0].columns["text"] == [f"train {i}" for i in range(5)]
    assert batches[0].columns["label"] == [0, 1, 0, 1, 0]


def test_class_ids_become_their_names(root: Path) -> None:
    names = datasets.ClassLabel(names=["bad", "good"])
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": names, "tags": datasets.List(names)}
    )
    rows = {"text": ["x", "y", "z"], "label": [1, 0, -1], "tags": [[0, 1], [], [1]]}
    target = root / "data" / "typed"
    target.mkdir()
    datasets.Dataset.from_dict(rows, features=features).to_parquet(target / "train.parquet")
    wanted = WantedColumns({f"data.columns.{name}": name for name in ("text", "label", "tags")})
    (batch,) = read_hub(local(dataset="./data/typed"), "train", root, wanted)
    assert batch.columns["label"] == ["good", "bad", None]
    assert batch.columns["tags"] == [["bad", "good"], [], ["good"]]


def test_a_missing_split_or_column_is_named(root: Path) -> None:
    with pytest.raises(DataError, match="cannot read the split 'dev'") as caught:
        list(read_hub(local(), "dev", root, WANTED))
    assert "train" in caught.value.message
    with pytest.raises(DataError, match="no column 'review'") as caught:
        list(read_hub(local(), "train", root, WantedColumns({"data.columns.text": "review"})))
    assert "text, label" in caught.value.message


def test_the_version_of_a_directory_changes_with_any_file(root: Path) -> None:
    before = hub_version(local(), root)
    (root / "data" / "reviews" / "test.jsonl").write_text('{"text": "new", "label": 1}')
    assert hub_version(local(), root) != before
    assert hub_version(HubConfig(dataset="glue", revision="abcdef1"), root) == "abcdef1"


def test_a_directory_outside_data_or_missing_is_refused(root: Path) -> None:
    (root / "elsewhere").mkdir()
    with pytest.raises(DataError, match="outside data/"):
        hub_version(local(dataset="./elsewhere"), root)
    with pytest.raises(DataError, match="does not exist"):
        hub_version(local(dataset="./data/nothing"), root)


def test_a_hub_that_cannot_be_reached_is_no_fault_of_the_data(root: Path) -> None:
    hub = HubConfig(dataset="some/dataset", revision="abcdef1")
    with pytest.raises(EnvironmentProblem, match="cannot fetch some/dataset") as caught:
        list(read_hub(hub, "train", root, WANTED))
    assert "HF_HUB_OFFLINE" in str(caught.value.remedy)


def test_a_hub_id_needs_a_revision() -> None:
    with pytest.raises(ValidationError, match="needs a revision"):
        HubConfig(dataset="glue")


def test_a_missing_package_names_what_to_install(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(EnvironmentProblem, match="needs the Python package") as caught:
        list(read_hub(local(), "train", root, WANTED))
    assert "[hub]" in str(caught.value.remedy)
