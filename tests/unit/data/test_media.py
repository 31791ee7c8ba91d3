from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.artifacts import file_sha256
from pipeline.config.data import MediaConfig
from pipeline.data.media import MediaSource, read_media
from pipeline.data.media_rows import with_contents
from pipeline.data.rules import RuleError
from pipeline.data.sources.pins import checked_media, directory_sha256
from pipeline.errors import DataError
from pipeline.tasks.base import Column
from pipeline.tasks.columns import CONTENT_TYPE, MEDIA_TYPE

FILES = {
    "recordings/0_Anna_0.wav": b"zero",
    "recordings/one.WAV": b"one",
    "more/one.wav": b"other one",
    "a/1.jpg": b"first",
    "b/1.jpg": b"second",
    ".hidden/x.wav": b"",
    "__MACOSX/recordings/._0_Anna_0.wav": b"",
}


def packed(path: Path, files: Mapping[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def spread(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


@pytest.fixture(params=["directory", "zip"])
def source(tmp_path: Path, request: pytest.FixtureRequest) -> MediaSource:
    made = (
        packed(tmp_path / "x.zip", FILES)
        if request.param == "zip"
        else spread(tmp_path / "x", FILES)
    )
    return MediaSource(made, made.name)


def test_hidden_files_are_not_among_the_names(source: MediaSource) -> None:
    assert source.names == (
        "a/1.jpg",
        "b/1.jpg",
        "more/one.wav",
        "recordings/0_Anna_0.wav",
        "recordings/one.WAV",
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("recordings/0_Anna_0.wav", "recordings/0_Anna_0.wav"),
        ("0_Anna_0.wav", "recordings/0_Anna_0.wav"),
        ("./recordings\\0_anna_0.WAV", "recordings/0_Anna_0.wav"),
        ("data/fsdd/recordings/0_anna_0.wav", "recordings/0_Anna_0.wav"),
        ("0_Anna_0", "recordings/0_Anna_0.wav"),
        ("more/one.wav", "more/one.wav"),
    ],
)
def test_a_file_is_found_whatever_case_folders_or_ending_the_row_has(
    source: MediaSource, written: str, meant: str
) -> None:
    assert source.find(written) == meant
    assert source.read(meant) == FILES[meant]


@pytest.mark.parametrize("written", ["one.wav", "1.jpg", "c/1.jpg"])
def test_a_name_that_fits_several_files_or_another_folder_is_refused(
    source: MediaSource, written: str
) -> None:
    with pytest.raises(RuleError):
        source.find(written)


@pytest.mark.parametrize("written", ["../x.wav", "/etc/passwd", "a/../../x", ""])
def test_a_path_that_leads_out_is_refused(source: MediaSource, written: str) -> None:
    with pytest.raises(RuleError, match="no path inside"):
        source.find(written)


def test_a_path_from_the_machines_root_leads_into_a_directory(tmp_path: Path) -> None:
    made = spread(tmp_path / "x", FILES)
    (tmp_path / "link").symlink_to(made, target_is_directory=True)
    for place in (made, tmp_path / "link"):
        source = MediaSource(place, place.name)
        for written in (made / "a/1.jpg", place / "a/1.jpg"):
            assert source.find(str(written)) == "a/1.jpg"
        for other in (tmp_path / "y/1.jpg", place / "../y/1.jpg"):
            with pytest.raises(RuleError, match="no path inside"):
                source.find(str(other))


def test_a_missing_file_suggests_one_that_is_there(source: MediaSource) -> None:
    with pytest.raises(RuleError, match="no file") as caught:
        source.find("recordings/0_Ana_0.wav")
    assert "recordings/0_Anna_0.wav" in caught.value.remedy


def test_names_in_a_code_that_the_archive_does_not_tell_are_read(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", {"aaaa/1.jpg": b"x"})
    written = path.read_bytes().replace(b"aaaa/1.jpg", "飞机/1.jpg".encode("gb18030"))
    path.write_bytes(written)
    assert MediaSource(path, "x.zip").names == ("飞机/1.jpg",)


def test_a_file_is_read_by_its_full_name(tmp_path: Path) -> None:
    packed(tmp_path / "x.zip", FILES)
    spread(tmp_path / "y", FILES)
    for name in ("x.zip", "y", "y/"):
        source = MediaSource(tmp_path / name, name)
        assert read_media(source.full_name("a/1.jpg"), tmp_path) == b"first"
    for name in ("x.zip/a/9.jpg", "y/9.jpg", "z.zip/a", "y/a"):
        with pytest.raises(DataError):
            read_media(name, tmp_path)


def test_an_archive_that_changed_is_opened_anew(tmp_path: Path) -> None:
    packed(tmp_path / "x.zip", {"a": b"old"})
    assert read_media("x.zip/a", tmp_path) == b"old"
    packed(tmp_path / "x.zip", {"a": b"newer"})
    assert read_media("x.zip/a", tmp_path) == b"newer"


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", {"a.wav": bytes(range(256)) * 40})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"x\.zip: the archive is damaged") as caught:
        MediaSource(path, "x.zip")
    assert caught.value.remedy
    middle = bytearray(whole)
    middle[60] ^= 0xFF
    path.write_bytes(bytes(middle))
    with pytest.raises(DataError, match=r"a\.wav cannot be unpacked"):
        MediaSource(path, "x.zip").read("a.wav")


def test_a_file_behind_a_password_is_named(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", {"a.wav": b"x"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match="encrypted"):
        MediaSource(path, "x.zip").read("a.wav")


def test_nothing_in_a_source_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file is in it"):
        MediaSource(packed(tmp_path / "x.zip", {}), "x.zip")


def test_a_directory_is_pinned_by_names_and_contents(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    outside = spread(tmp_path / "media", {"a": b"x", "b/c": b"y"})
    config = MediaConfig(path="../media")
    with pytest.raises(DataError, match="directory lies outside data/") as caught:
        checked_media(config, "data.media", root)
    line = f"sha256: {directory_sha256(outside)}"
    assert f"data.media:\n    {line}" in str(caught.value.remedy)
    pinned = MediaConfig(path="../media", sha256=line[-64:])
    assert checked_media(pinned, "data.media", root).sha256 == line[-64:]
    (outside / "b/c").write_bytes(b"z")
    with pytest.raises(DataError, match="not the directory that the config pins"):
        checked_media(pinned, "data.media", root)
    inside = spread(root / "data" / "media", {"a": b"x"})
    found = checked_media(MediaConfig(path="data/media"), "data.media", root)
    assert found.sha256 == directory_sha256(inside)


def test_only_directories_and_archives_hold_media(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    archive = packed(tmp_path / "data" / "x.zip", {"a": b"x"})
    found = checked_media(MediaConfig(path="data/x.zip"), "data.media", tmp_path)
    assert found.sha256 == file_sha256(archive)
    (tmp_path / "data" / "x.tar").write_bytes(b"x")
    for name, word in (("x.tar", "neither"), ("none", "no such")):
        with pytest.raises(DataError, match=word) as caught:
            checked_media(MediaConfig(path=f"data/{name}"), "data.media", tmp_path)
        assert "data.media.path" in str(caught.value.remedy)


def test_rows_get_the_bytes_of_their_files_before_they_are_encoded(tmp_path: Path) -> None:
    packed(tmp_path / "x.zip", {"a": b"first", "b": b"second"})
    values = [
        {"path": f"x.zip/{name}", "sha256": hashlib.sha256(content).hexdigest(), "size": 1}
        for name, content in (("a", b"first"), ("b", b"second"))
    ]
    rows = pa.table({"id": ["1", "2"], "image": pa.array(values, MEDIA_TYPE)})
    full = with_contents(rows, [Column("image", "image")], tmp_path)
    assert full["image"].type == CONTENT_TYPE
    assert full["image"].to_pylist() == [
        {"path": "x.zip/a", "bytes": b"first"},
        {"path": "x.zip/b", "bytes": b"second"},
    ]


def test_what_is_no_zip_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"x\.zip: the archive is damaged or no \.zip"):
        MediaSource(tmp_path / "x.zip", "x.zip")
