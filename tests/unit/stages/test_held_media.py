"""Pictures and recordings that lie inside Parquet files through every stage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from pipeline.artifacts import Outputs, file_sha256, read_json
from pipeline.config.compose import compose
from pipeline.lineage.inputs import input_paths
from pipeline.stages.train_log import _example
from pipeline.tasks.base import Column
from tests.pictures import COLOURS, picture
from tests.sounds import PITCHES, sound_file, tone
from tests.stage_projects import SMALL_OVERRIDES, predicted, run_stages

torch.set_num_threads(1)

SHARD = "train-00000-of-00001.parquet"


@pytest.fixture
def root(tmp_path: Path, repository: Path) -> Path:
    """A project without data."""
    shutil.copytree(repository / "conf", tmp_path / "project" / "conf")
    (tmp_path / "project" / "params.yaml").write_text("experiment: sports_news\n")
    return tmp_path / "project"


def write(path: Path, column: str, files: list[dict[str, Any] | None], names: list[str]) -> None:
    """Writes a shard as `datasets` does: class ids, their names in the schema's metadata."""
    path.parent.mkdir(parents=True)
    label = {"names": names, "_type": "ClassLabel"}
    kind = {"_type": column.capitalize()}
    told = {"info": {"features": {column: kind, "label": label}}}
    values = pa.array(files, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    ids = [i % len(names) for i in range(len(files))]
    table = pa.table({column: values, "label": pa.array(ids, pa.int64())})
    pq.write_table(table.replace_schema_metadata({b"huggingface": json.dumps(told)}), path)


def option(root: Path, values: dict[str, Any]) -> None:
    values = {"split": {"method": "random", "validation": 0.2, "test": 0.2}, **values}
    (root / "conf" / "data" / "held.yaml").write_text(yaml.safe_dump(values))


def run(root: Path, *overrides: str) -> Outputs:
    return run_stages(compose(["data=held", *overrides, *SMALL_OVERRIDES], root), root)


def unreadable(outputs: Outputs) -> list[dict[str, str]]:
    findings = read_json(outputs.dataset / "quality.json")["findings"]
    (found,) = [one for one in findings if one["check"] == "unreadable_share"]
    return list(found["examples"])


def name_of(path: Path, outputs: Outputs) -> Any:
    (found,) = predicted(outputs.export, str(path), backend="onnx")
    return found["prediction"]


def test_pictures_in_a_parquet_file_go_through_every_stage(root: Path) -> None:
    names = list(COLOURS)
    files: list[dict[str, Any] | None] = [
        {"bytes": picture(names[i % 3], i), "path": f"{i:03}.png" if i % 2 else None}
        for i in range(60)
    ]
    files[7] = {"bytes": picture("green", 7)[:90], "path": "cut.png"}
    files[8] = {"bytes": b"", "path": None}
    # A red picture at an odd place: it is shown among the mistakes.
    files[10] = {"bytes": picture("red", 10), "path": "odd.png"}
    path = root / "data" / "colours" / "data" / SHARD
    write(path, "image", files, names)
    name = str(path.relative_to(root))
    option(root, {"files": {"all": {"path": name, "sha256": file_sha256(path)}}})
    outputs = run(
        root,
        "experiment=cifar10_sample",
        "data.split.test=0.5",
        "trainer.max_epochs=4",
        "trainer.per_device_batch_size=12",
        "model.architecture={conv_channels: 4, num_layers: 2}",
        "model.image={height: 16, width: 16}",
    )
    bad = {one["file"]: one["row"] for one in unreadable(outputs)}
    assert bad == {"cut.png": f"{name}:8", f"{name}:9": f"{name}:9"}
    info = read_json(outputs.dataset / "info.json")
    assert set(info["label_names"]) == set(names)
    assert info["sources"] == {name: file_sha256(path)}
    shown = (outputs.evaluation / "mistakes.html").read_text()
    assert ("data:image/png;base64," in shown) == ("No mistake" not in shown)
    rows = pq.read_table(next(outputs.evaluation.glob("*test*.parquet"))).to_pylist()
    assert {row["id"] for row in rows} <= {f"{name}:{number}" for number in range(1, 61)}
    (root / "one.png").write_bytes(picture("blue", 99))
    assert name_of(root / "one.png", outputs) in names
    assert not list(outputs.dataset.rglob("contents"))
    assert input_paths(compose(["data=held"], root).model_dump(mode="json"))[0] == name


def test_recordings_of_a_hub_dataset_go_through_every_stage(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(root / "cache"))
    names = [letter for letter in PITCHES if letter != " "]
    files: list[dict[str, Any] | None] = [
        {"bytes": sound_file(tone(PITCHES[names[i % 3]] + i, 0.25, 8_000), 8_000), "path": None}
        for i in range(60)
    ]
    files[8] = {"bytes": (files[8] or {})["bytes"][:500], "path": "cut.wav"}
    files[9] = {"bytes": sound_file(tone(0, 0.25, 8_000), 8_000), "path": "silent.wav"}
    write(root / "data" / "tones" / "data" / SHARD, "audio", files, names)
    option(root, {"hub": {"dataset": "./data/tones"}, "columns": {"audio": "audio"}})
    outputs = run(
        root,
        "experiment=arabic_commands",
        "trainer.max_epochs=1",
        "trainer.max_tokens_per_batch=400",
        "model.architecture.conv_channels=8",
        "model.audio.num_mels=24",
    )
    assert [one["file"] for one in unreadable(outputs)] == ["cut.wav"]
    findings = read_json(outputs.dataset / "quality.json")["findings"]
    (silent,) = [one for one in findings if one["check"] == "silent_share"]
    assert silent["value"] > 0
    assert "silent.wav" in json.dumps(silent["examples"])
    mistakes = (outputs.evaluation / "mistakes.html").read_text()
    assert "./data/tones[train]:" in mistakes
    assert "spectrogram" in mistakes
    (root / "one.wav").write_bytes(sound_file(tone(900, 0.25, 8_000), 8_000))
    assert name_of(root / "one.wav", outputs) in names


def test_no_other_file_is_logged_as_an_example_of_what_lay_in_a_row(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    value = {"path": "secret.png", "sha256": "0" * 64, "size": 6}
    assert _example(pa.table({"image": [value]}), [Column("image", "image")], tmp_path) == {}
