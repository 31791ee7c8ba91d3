"""Hub datasets of pictures and recordings, as local directories of the same layout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config.data import DataConfig
from pipeline.data.media_rows import with_contents
from pipeline.data.preparation import CleanSplits, clean_splits
from pipeline.tasks.base import LABEL, Column
from tests.pictures import COLOURS, picture, write_pictures
from tests.sounds import sound_file, tone

datasets = pytest.importorskip("datasets")
SHARD = "data/train-00000-of-00001.parquet"
IMAGE, AUDIO = Column("image", "image"), Column("audio", "audio")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    datasets.disable_progress_bars()
    (tmp_path / "scratch").mkdir()
    return tmp_path


def pushed(root: Path, name: str, rows: dict[str, Any], feature: Any) -> None:
    """Writes a dataset as `push_to_hub` lays it out; its first column is of the feature."""
    media = next(iter(rows))
    features = datasets.Features(
        {media: feature, "label": datasets.ClassLabel(names=list(COLOURS))}
    )
    (root / "data" / name / "data").mkdir(parents=True)
    table = pa.table(rows, schema=features.arrow_schema)
    pq.write_table(table, root / "data" / name / SHARD)


def clean(root: Path, dataset: str, column: Column, **data: Any) -> CleanSplits:
    config = DataConfig.model_validate({"hub": {"dataset": dataset}, **data}, strict=False)
    return clean_splits(config, columns=(column, LABEL), root=root, scratch=root / "scratch")


def rows_of(splits: CleanSplits) -> list[dict[str, Any]]:
    return [row for table in splits.tables.values() for row in table.to_pylist()]


def test_pictures_of_a_hub_dataset_need_no_place(root: Path) -> None:
    contents = [picture(list(COLOURS)[i % 3], i) for i in range(15)]
    cells: list[Any] = [{"bytes": one, "path": f"{i}.png"} for i, one in enumerate(contents)]
    cells[4], cells[5] = None, {"bytes": contents[5][:70], "path": "cut.png"}
    rows = {"img": cells, "label": [i % 3 for i in range(15)]}
    pushed(root, "colours", rows, datasets.Image())
    splits = clean(root, "./data/colours", IMAGE, columns={"image": "img"})
    found = {row["image"]["path"]: row for row in rows_of(splits)}
    assert found.keys() == {f"{i}.png" for i in range(15) if i not in {4, 5}}
    assert found["1.png"]["label"] == "green"
    assert found["1.png"]["id"] == "./data/colours[train]:2"
    assert [bad["file"] for bad in splits.bad_media] == ["cut.png"]
    assert splits.dropped["null"] == 1
    assert splits.sources.keys() == {"./data/colours[train]"}
    full = with_contents(splits.tables["train"], (IMAGE,), root, splits.contents)
    for one in full["image"].to_pylist():
        assert one["bytes"] == contents[int(one["path"].removesuffix(".png"))]


def test_recordings_are_not_decoded_by_the_library(root: Path) -> None:
    sounds = [sound_file(tone(300.0 + 9 * i, 0.1), 8_000) for i in range(12)]
    rows = {
        "audio": [{"bytes": one, "path": None} for one in sounds],
        "label": [i % 3 for i in range(12)],
    }
    pushed(root, "tones", rows, datasets.Audio(sampling_rate=16_000))
    splits = clean(root, "./data/tones", AUDIO)
    found = rows_of(splits)
    assert len(found) == 12
    assert all(row["audio"]["path"] == row["id"] for row in found)
    full = with_contents(splits.tables["train"], (AUDIO,), root, splits.contents)
    assert {one["bytes"] for one in full["audio"].to_pylist()} < set(sounds)


def test_loose_files_are_read_from_the_dataset_s_own_directory(root: Path) -> None:
    write_pictures(root / "elsewhere" / "train", 5)
    (root / "data").mkdir()
    (root / "data" / "loose").symlink_to(root / "elsewhere", target_is_directory=True)
    splits = clean(root, "./data/loose", IMAGE)
    found = rows_of(splits)
    assert {row["image"]["path"] for row in found} == {
        f"./data/loose/train/{colour}/{i:03}.png" for colour in COLOURS for i in range(5)
    }
    assert all(f"/{row['label']}/" in row["image"]["path"] for row in found)
    assert with_contents(splits.tables["train"], (IMAGE,), root)["image"].null_count == 0


def test_a_path_without_bytes_is_a_file_of_the_dataset_or_named_as_missing(root: Path) -> None:
    cells: list[Any] = [{"bytes": picture("red", i), "path": f"{i}.png"} for i in range(12)]
    cells[3], cells[4] = {"bytes": None, "path": "beside.png"}, {"bytes": None, "path": "gone.png"}
    rows = {"image": cells, "label": [0, 1, 2] * 4}
    pushed(root, "mixed", rows, datasets.Image())
    (root / "data" / "mixed" / "beside.png").write_bytes(picture("blue", 99))
    splits = clean(root, "./data/mixed", IMAGE)
    paths = {row["image"]["path"] for row in rows_of(splits)}
    assert "./data/mixed/beside.png" in paths
    (bad,) = splits.bad_media
    assert (bad["file"], bad["row"]) == ("gone.png", "./data/mixed[train]:5")
    assert "no file 'gone.png' in ./data/mixed" in bad["reason"]
