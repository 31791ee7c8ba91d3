from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from pipeline.artifacts import file_sha256
from pipeline.config.data import DataConfig
from pipeline.data.preparation import CleanSplits, clean_splits
from pipeline.errors import DataError
from pipeline.tasks.base import TEXT, Column

COLUMNS = (TEXT, Column("target", "text", is_target=True))
SPLIT = {"validation": 0.2, "test": 0.2, "method": "shared_text"}


def config(**files: Any) -> DataConfig:
    values = {"name": "pairs", "files": files, "format": {"kind": "lines"}, "split": SPLIT}
    return DataConfig.model_validate(values)


def prepared(root: Path, made: DataConfig) -> CleanSplits:
    scratch = root / "scratch"
    scratch.mkdir()
    return clean_splits(made, columns=COLUMNS, root=root, scratch=scratch)


def write(root: Path, name: str, lines: list[str]) -> dict[str, str]:
    path = root / "data" / name
    path.parent.mkdir(exist_ok=True)
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return {"path": f"data/{name}"}


def numbered(word: str, count: int = 30) -> list[str]:
    return [f"{word} {number}" for number in range(count)]


def test_lines_of_aligned_files_are_one_row(tmp_path: Path) -> None:
    english = write(tmp_path, "train.en.gz", numbered("dog"))
    german = write(tmp_path, "train.de", numbered("Hund"))
    found = prepared(tmp_path, config(all={**english, "aligned": {"target": german}}))
    pairs = {
        (row["text"], row["target"]) for table in found.tables.values() for row in table.to_pylist()
    }
    assert pairs == set(zip(numbered("dog"), numbered("Hund"), strict=True))
    assert [table.num_rows for table in found.tables.values()] == [18, 6, 6]
    assert found.sources == {
        one["path"]: file_sha256(tmp_path / one["path"]) for one in (english, german)
    }


def test_an_empty_line_leaves_its_row_out_and_no_other(tmp_path: Path) -> None:
    german = numbered("Hund")
    german[3] = "  "
    english = write(tmp_path, "a.en", numbered("dog"))
    files = {**english, "aligned": {"target": write(tmp_path, "a.de", german)}}
    found = prepared(tmp_path, config(all=files))
    rows = [row for table in found.tables.values() for row in table.to_pylist()]
    assert found.dropped == {"empty": 1}
    assert all(row["text"].split()[1] == row["target"].split()[1] for row in rows)
    assert len(rows) == 29


def test_empty_lines_between_texts_are_no_texts(tmp_path: Path) -> None:
    lines = [line for text in numbered("dog") for line in (text, "", "  ")]
    made = config(all=write(tmp_path, "book.txt", lines))
    (tmp_path / "scratch").mkdir()
    found = clean_splits(made, columns=(TEXT,), root=tmp_path, scratch=tmp_path / "scratch")
    ids = {row["id"] for table in found.tables.values() for row in table.to_pylist()}
    assert ids == {f"data/book.txt:{number}" for number in range(1, 90, 3)}
    assert not any(found.dropped.values())


def test_different_numbers_of_lines_name_both_files_and_counts(tmp_path: Path) -> None:
    english = write(tmp_path, "a.en", numbered("dog"))
    german = write(tmp_path, "a.de.gz", numbered("Hund", 28))
    with pytest.raises(DataError, match=r"30 lines, but data/a\.de\.gz, .* has 28") as caught:
        prepared(tmp_path, config(all={**english, "aligned": {"target": german}}))
    assert "data/a.en" in str(caught.value)


def test_each_aligned_file_is_pinned(tmp_path: Path) -> None:
    english = write(tmp_path, "a.en", numbered("dog"))
    german = {**write(tmp_path, "a.de", numbered("Hund")), "sha256": "0" * 64}
    with pytest.raises(DataError, match=r"data\.files\.all\.aligned\.target\.sha256 is 0000"):
        prepared(tmp_path, config(all={**english, "aligned": {"target": german}}))
    outside = {**english, "aligned": {"target": {"path": "elsewhere.de"}}}
    (tmp_path / "elsewhere.de").write_text("Hund\n")
    (tmp_path / "scratch").rmdir()
    with pytest.raises(DataError, match="outside data/") as caught:
        prepared(tmp_path, config(all=outside))
    assert "paste this line under data.files.all.aligned.target" in str(caught.value.remedy)


def test_a_second_column_without_aligned_files_is_asked_for(tmp_path: Path) -> None:
    english = write(tmp_path, "a.en", numbered("dog"))
    with pytest.raises(DataError, match="no column 'target'") as caught:
        prepared(tmp_path, config(all=english))
    assert "data.files.train.aligned.target.path" in str(caught.value.remedy)


def test_aligned_files_need_lines() -> None:
    files = {"all": {"path": "data/a.csv", "aligned": {"target": {"path": "data/b.csv"}}}}
    with pytest.raises(ValueError, match=r"files\.all\.aligned goes with format\.kind=lines"):
        DataConfig.model_validate({"name": "pairs", "files": files})


def test_all_files_have_a_key() -> None:
    files = {"train": {"path": "a", "aligned": {"target": {"path": "b"}}}, "test": {"path": "c"}}
    assert {key: file.path for key, file in config(**files).all_files.items()} == {
        "train": "a",
        "train.aligned.target": "b",
        "test": "c",
    }
