from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.config.data import DataConfig, QualityConfig
from pipeline.data.preparation import CleanSplits, clean_splits
from pipeline.data.quality.media_checks import unreadable
from pipeline.errors import ConfigError, DataError
from pipeline.tasks.base import LABEL, Column
from pipeline.tasks.columns import describe_row, input_bytes, input_keys, input_texts

COLUMNS = (Column("image", "image"), LABEL)


def picture(seed: int) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def packed(path: Path, files: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def prepared(root: Path, **data: Any) -> CleanSplits:
    scratch = root / "scratch"
    scratch.mkdir(exist_ok=True)
    config = DataConfig.model_validate(data, strict=False)
    return clean_splits(config, columns=COLUMNS, root=root, scratch=scratch)


def left_out(splits: CleanSplits) -> dict[str, int]:
    return {reason: count for reason, count in splits.dropped.items() if count}


def pictures(count: int, classes: str = "ab") -> dict[str, bytes]:
    return {
        f"train/{one}/{i:03}.png": picture(i + 97 * ord(one))
        for one in classes
        for i in range(count)
    }


def from_folder(root: Path, files: Mapping[str, bytes], **data: Any) -> CleanSplits:
    packed(root / "data" / "x.zip", files)
    return prepared(root, files={"all": {"path": "data/x.zip"}}, format={"kind": "folder"}, **data)


def test_a_folder_gives_a_row_for_each_file_labelled_by_its_folder(tmp_path: Path) -> None:
    files = pictures(10)
    splits = from_folder(tmp_path, files)
    rows = [row for table in splits.tables.values() for row in table.to_pylist()]
    assert len(rows) == 20
    for row in rows:
        path = row["image"]["path"].removeprefix("data/x.zip/")
        assert row["label"] == path.split("/")[1]
        assert row["image"]["size"] == len(files[path])
        assert row["id"].startswith("data/x.zip:")
    assert splits.sources.keys() == {"data/x.zip"}
    assert left_out(splits) == {}


def test_one_corrupt_file_among_thousands_is_left_out_and_named(tmp_path: Path) -> None:
    files = {f"{'ab'[i % 2]}/{i}.png": picture(i) for i in range(2_000)}
    files["a/10.png"] = files["a/10.png"][:60]
    files["b/11.png"] = b""
    files["notes.txt"] = b"no picture"
    splits = from_folder(tmp_path, files)
    assert sum(table.num_rows for table in splits.tables.values()) == 1_998
    assert left_out(splits) == {"unreadable": 2, "null": 1}
    assert {bad["file"]: bad["reason"] for bad in splits.bad_media} == {
        "a/10.png": splits.bad_media[0]["reason"],
        "b/11.png": "the file is empty",
    }
    assert "damaged" in splits.bad_media[0]["reason"]
    found = unreadable(splits.dropped, 1_998, splits.bad_media, QualityConfig())
    assert (found.severity, found.value) == ("warning", 2 / 2_000)
    assert found.examples[0]["file"] == "a/10.png"


def test_a_corrupt_file_is_an_error_where_that_is_wanted(tmp_path: Path) -> None:
    files = {**pictures(3), "train/a/001.png": b"GIF89a"}
    with pytest.raises(DataError, match=r"data/x\.zip, row 2: train/a/001\.png: ") as caught:
        from_folder(tmp_path, files, bad_media="error")
    assert "data.bad_media=skip" in str(caught.value.remedy)


def test_other_files_of_a_folder_are_counted(tmp_path: Path) -> None:
    files = {**pictures(10), "train/a/list.txt": b"x", "train/.DS_Store": b"x"}
    assert left_out(from_folder(tmp_path, files)) == {"other file": 1}


def from_table(
    root: Path, names: list[str], files: Mapping[str, bytes], **data: Any
) -> CleanSplits:
    packed(root / "data" / "pictures.zip", files)
    with (root / "data" / "rows.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows(
            [("file_name", "label"), *((name, "ab"[i % 2]) for i, name in enumerate(names))]
        )
    return prepared(
        root,
        files={"all": {"path": "data/rows.csv"}},
        columns={"image": "file_name"},
        media={"path": "data/pictures.zip"},
        **data,
    )


def test_rows_of_a_table_name_files_of_an_archive(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(20)]
    files = {f"pictures/{name}": picture(i) for i, name in enumerate(names)}
    splits = from_table(tmp_path, names, files)
    assert splits.sources.keys() == {"data/rows.csv", "data/pictures.zip"}
    rows = splits.tables["train"]
    path = rows["image"][0].as_py()["path"]
    assert path.startswith("data/pictures.zip/pictures/")
    assert input_texts(rows, COLUMNS)[0].as_py() == path
    assert input_keys(rows, COLUMNS)[0].as_py() == rows["image"][0].as_py()["sha256"]
    assert input_bytes(rows, COLUMNS)[0] == len(path) + rows["image"][0].as_py()["size"]
    assert path in describe_row(rows, 0)


def test_a_missing_file_is_named_with_its_row(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(20)]
    files = {f"pictures/{name}": picture(i) for i, name in enumerate(names) if i != 7}
    splits = from_table(tmp_path, names, files)
    assert left_out(splits) == {"unreadable": 1}
    (bad,) = splits.bad_media
    assert (bad["file"], bad["row"]) == ("7.png", "data/rows.csv:9")
    with pytest.raises(DataError, match=r"rows\.csv, row 9: 7\.png: there is no file"):
        from_table(tmp_path, names, files, bad_media="error")


def test_equal_files_of_other_names_are_removed_as_duplicates(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(20)]
    files = {name: picture(i % 19) for i, name in enumerate(names)}
    splits = from_table(tmp_path, names, files, cleaning=[{"step": "deduplicate"}])
    assert sum(table.num_rows for table in splits.tables.values()) == 19


def test_a_hash_splits_by_content_and_not_by_name(tmp_path: Path) -> None:
    def train(prefix: str) -> set[str]:
        files = {
            f"{one}/{prefix}{i}.png": picture(i + 97 * ord(one)) for one in "ab" for i in range(30)
        }
        rows = from_folder(tmp_path, files, split={"method": "hash"}).tables["train"]
        return {value["sha256"] for value in rows["image"].to_pylist()}

    assert train("x") == train("y")


def test_rows_that_name_files_need_a_place_for_them(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text("image,label\n1.png,a\n")
    with pytest.raises(ConfigError, match=r"data\.media"):
        prepared(tmp_path, files={"all": {"path": "data/rows.csv"}})
