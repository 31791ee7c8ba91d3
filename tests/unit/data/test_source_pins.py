from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.artifacts import file_sha256
from pipeline.config.data import FileConfig
from pipeline.data.sources.pins import checked_file
from pipeline.errors import DataError, EnvironmentProblem


@pytest.fixture
def root(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    (project / "data" / "news.csv").write_text("text,label\nx,a\n")
    return project


def test_a_file_below_data_needs_no_pin(root: Path) -> None:
    file = checked_file(FileConfig(path="data/news.csv"), "all", root)
    assert file.name == "data/news.csv"
    assert file.sha256 == file_sha256(root / "data" / "news.csv")


@pytest.mark.parametrize("place", ["../news.csv", "data/../news.csv"])
def test_a_file_outside_data_is_refused_with_the_line_to_paste(root: Path, place: str) -> None:
    outside = (root / place).resolve()
    outside.write_text("text\nx\n")
    with pytest.raises(DataError, match="outside data/") as caught:
        checked_file(FileConfig(path=place), "train", root)
    line = f"sha256: {file_sha256(outside)}"
    assert f"data.files.train:\n    {line}" in str(caught.value.remedy)
    pinned = checked_file(FileConfig(path=place, sha256=line[-64:]), "train", root)
    assert pinned.name == place


def test_a_link_below_data_counts_by_its_own_place(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.csv").write_text("text\nx\n")
    (root / "data" / "link.csv").symlink_to(tmp_path / "elsewhere.csv")
    file = checked_file(FileConfig(path="data/link.csv"), "all", root)
    assert file.sha256 == file_sha256(tmp_path / "elsewhere.csv")


def test_another_content_than_the_pinned_one_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match="not the file that the config pins") as caught:
        checked_file(FileConfig(path="data/news.csv", sha256="0" * 64), "all", root)
    assert file_sha256(root / "data" / "news.csv") in str(caught.value.remedy)


def test_a_missing_file_suggests_one_that_is_there(root: Path) -> None:
    with pytest.raises(DataError, match="does not exist") as caught:
        checked_file(FileConfig(path="data/nws.csv"), "all", root)
    assert "did you mean 'news.csv'" in str(caught.value.remedy)
    with pytest.raises(DataError, match="does not exist") as caught:
        checked_file(FileConfig(path="data/sst2/train.tsv"), "train", root)
    assert "data/sst2 does not exist" in str(caught.value.remedy)


def test_an_empty_file_and_a_directory_are_refused(root: Path) -> None:
    (root / "data" / "empty.csv").touch()
    with pytest.raises(DataError, match=r"data/empty.csv: the file is empty"):
        checked_file(FileConfig(path="data/empty.csv"), "all", root)
    with pytest.raises(DataError, match="a directory") as caught:
        checked_file(FileConfig(path="data"), "all", root)
    assert "data.hub" in str(caught.value.remedy)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_the_machines_fault(root: Path) -> None:
    (root / "data" / "news.csv").chmod(0)
    with pytest.raises(EnvironmentProblem, match=r"cannot read data/news\.csv"):
        checked_file(FileConfig(path="data/news.csv"), "all", root)
