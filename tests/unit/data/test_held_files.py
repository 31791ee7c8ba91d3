"""Pictures and recordings that lie inside a Parquet file."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.artifacts import file_sha256
from pipeline.config.data import DataConfig
from pipeline.data import held, preparation
from pipeline.data.content_store import ContentStore
from pipeline.data.media_rows import with_contents
from pipeline.data.preparation import CleanSplits
from pipeline.data.sources.class_names import class_names, named
from pipeline.data.sources.parquet import read_parquet
from pipeline.data.sources.raw import SourceFile, WantedColumns
from pipeline.errors import ConfigError, DataError, EnvironmentProblem
from pipeline.tasks.base import LABEL, Column
from pipeline.tasks.columns import input_texts
from tests.pictures import COLOURS, picture
from tests.sounds import sound_file, tone

FILE = "data/train-00000-of-00001.parquet"
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
COLUMNS = (Column("image", "image"), LABEL)
Row = dict[str, Any] | None


def cells(count: int) -> list[Row]:
    names = list(COLOURS)
    return [
        {"bytes": picture(names[i % 3], i), "path": f"{i:03}.png" if i % 2 else None}
        for i in range(count)
    ]


def labels_of(rows: Sequence[Any]) -> list[str]:
    return [list(COLOURS)[i % 3] for i in range(len(rows))]


def written(root: Path, columns: dict[str, Any], **options: Any) -> Path:
    path = root / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, **options)
    return path


def clean(root: Path, columns: Sequence[Column] = COLUMNS, **data: Any) -> CleanSplits:
    """Reads the file; `raw` is the section `data.columns`."""
    data["columns"] = data.pop("raw", {})
    (root / "scratch").mkdir(exist_ok=True)
    config = DataConfig.model_validate({"files": {"all": {"path": FILE}}, **data}, strict=False)
    return preparation.clean_splits(config, columns=columns, root=root, scratch=root / "scratch")


def pictures(root: Path, rows: Sequence[Row], **data: Any) -> CleanSplits:
    written(root, {"image": pa.array(rows, STRUCT), "label": labels_of(rows)})
    return clean(root, **data)


def all_rows(splits: CleanSplits) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for one in splits.tables.values() for row in one.to_pylist()}


def test_files_in_rows_need_no_place_and_keep_their_names(tmp_path: Path) -> None:
    rows = cells(20)
    splits = pictures(tmp_path, rows)
    found = all_rows(splits)
    assert found.keys() == {f"{FILE}:{number}" for number in range(1, 21)}
    assert found[f"{FILE}:2"]["image"]["path"] == "001.png"
    assert found[f"{FILE}:3"]["image"]["path"] == f"{FILE}:3"
    assert found[f"{FILE}:2"]["label"] == "green"
    assert splits.sources == {FILE: file_sha256(tmp_path / FILE)}
    full = with_contents(splits.tables["train"], COLUMNS, tmp_path, splits.contents)
    by_path = {one["path"]: one["bytes"] for one in full["image"].to_pylist()}
    number = 1 if "001.png" in by_path else 3
    assert by_path[f"{number:03}.png"] == (rows[number] or {})["bytes"]
    assert input_texts(splits.tables["train"], COLUMNS).to_pylist() == list(by_path)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_a_column_of_bytes_alone_is_read_and_named_by_the_rows_own_id(
    tmp_path: Path, kind: pa.DataType
) -> None:
    contents = [(cell or {})["bytes"] for cell in cells(12)]
    ids = [f"frog-{i}" for i in range(12)]
    values = {"img": pa.array(contents, kind), "label": labels_of(contents), "key": ids}
    written(tmp_path, values)
    splits = clean(tmp_path, raw={"image": "img", "id": "key"})
    assert {key: row["image"]["path"] for key, row in all_rows(splits).items()} == dict(
        zip(ids, ids, strict=True)
    )


def test_a_path_is_a_name_and_never_opened(tmp_path: Path) -> None:
    rows = [{"bytes": (cell or {})["bytes"], "path": "/etc/passwd"} for cell in cells(12)]
    splits = pictures(tmp_path, rows)
    full = with_contents(splits.tables["train"], COLUMNS, tmp_path, splits.contents)
    for one in full["image"].to_pylist():
        assert one["path"] == "/etc/passwd"
        assert one["bytes"].startswith(b"\x89PNG")


def test_bad_files_are_left_out_and_named(tmp_path: Path) -> None:
    rows = cells(20)
    whole = picture("red", 99)
    rows[3] = {"bytes": whole[:60], "path": "cut.png"}
    rows[4] = {"bytes": b"", "path": None}
    rows[5] = {"bytes": b"no picture", "path": "five.png"}
    rows[6] = {"bytes": None, "path": "six.png"}
    rows[7], rows[8] = None, {"bytes": None, "path": None}
    splits = pictures(tmp_path, rows)
    assert {why: count for why, count in splits.dropped.items() if count} == {
        "unreadable": 4,
        "null": 2,
    }
    reasons = {bad["file"]: (bad["row"], bad["reason"]) for bad in splits.bad_media}
    assert reasons["cut.png"][0] == f"{FILE}:4"
    assert "damaged" in reasons["cut.png"][1]
    assert reasons[f"{FILE}:5"] == (f"{FILE}:5", "the file is empty")
    assert "no picture of a known format" in reasons["five.png"][1]
    assert "'six.png' without its bytes" in reasons["six.png"][1]
    with pytest.raises(DataError, match=r"parquet, row 4: cut\.png: ") as caught:
        pictures(tmp_path, rows, bad_media="error")
    assert "data.bad_media=skip" in str(caught.value.remedy)


@pytest.mark.parametrize("kind", ["names", "structs"])
def test_names_alone_need_a_place_or_the_bytes(tmp_path: Path, kind: str) -> None:
    names = [f"{i}.png" for i in range(12)]
    values = names if kind == "names" else [{"bytes": None, "path": name} for name in names]
    written(tmp_path, {"image": values, "label": labels_of(names)})
    with pytest.raises(ConfigError, match=r"names files such as '0\.png'") as caught:
        clean(tmp_path)
    for way in ("data.media.path", "{bytes, path}", "push_to_hub"):
        assert way in str(caught.value)
    (tmp_path / "data" / "pictures").mkdir()
    for i, name in enumerate(names):
        (tmp_path / "data" / "pictures" / name).write_bytes(picture("red", i))
    splits = clean(tmp_path, media={"path": "data/pictures"})
    rows = all_rows(splits)
    assert rows[f"{FILE}:1"]["image"]["path"] == "data/pictures/0.png"
    assert splits.sources.keys() == {FILE, "data/pictures"}
    assert with_contents(splits.tables["train"], COLUMNS, tmp_path)["image"].null_count == 0


def test_recordings_in_rows_are_checked_as_files_are(tmp_path: Path) -> None:
    sounds = [sound_file(tone(300.0 + 10 * i, 0.2)) for i in range(12)]
    sounds[5] = sounds[5][:400]
    rows = [{"bytes": one, "path": f"{i}.wav"} for i, one in enumerate(sounds)]
    written(tmp_path, {"audio": pa.array(rows, STRUCT), "label": labels_of(rows)})
    splits = clean(tmp_path, (Column("audio", "audio"), LABEL))
    assert [bad["file"] for bad in splits.bad_media] == ["5.wav"]
    assert "cut off" in splits.bad_media[0]["reason"]


@pytest.mark.parametrize(
    ("value", "message"),
    [([0.5, 0.25], "got \\[0.5, 0.25\\]"), ({"array": [0.5] * 1_000, "rate": 8}, "got \\{'array'")],
)
def test_other_values_are_refused_in_few_words(tmp_path: Path, value: Any, message: str) -> None:
    written(tmp_path, {"image": [value] * 12, "label": labels_of(range(12))})
    (tmp_path / "data" / "pictures").mkdir()
    (tmp_path / "data" / "pictures" / "x.png").write_bytes(b"x")
    with pytest.raises(DataError, match=message) as caught:
        clean(tmp_path, media={"path": "data/pictures"}, bad_media="error")
    assert len(caught.value.message) < 200
    with pytest.raises(ConfigError, match=message) as without:
        clean(tmp_path)
    assert "data.columns.image: the column must hold files" in str(without.value)


def test_bytes_are_no_text_label_or_slice(tmp_path: Path) -> None:
    rows = cells(12)
    written(tmp_path, {"image": pa.array(rows, STRUCT), "label": [b"a"] * 12})
    with pytest.raises(DataError, match=r"a label must be .* binary of 1 bytes"):
        clean(tmp_path)
    with pytest.raises(DataError, match=r"data\.slices holds words"):
        pictures(tmp_path, rows, slices=["image"])


def test_class_ids_become_the_names_that_the_file_tells(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    names = ["cat", "dog"]
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    )
    rows = {"image": cells(12), "label": [i % 2 for i in range(11)] + [-1]}
    (tmp_path / "data").mkdir()
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / FILE)

    def labels(**options: Any) -> set[str]:
        found = all_rows(clean(tmp_path, labels=options))
        assert len(found) == 11 if options.get("map") is None else 12
        return {row["label"] for row in found.values()}

    assert labels() == {"cat", "dog"}
    assert labels(positive="dog") == {"dog", "other"}


def test_what_the_config_says_of_class_ids_comes_first(tmp_path: Path) -> None:
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}})}
    rows = cells(12)
    values = {"image": pa.array(rows, STRUCT), "label": [i % 2 for i in range(12)]}
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table(values).replace_schema_metadata(metadata), tmp_path / FILE)
    for options, expected in (
        ({}, {"cat", "dog"}),
        ({"names": ["x", "y"]}, {"x", "y"}),
        ({"map": {"0": "null", "1": "one"}}, {"null", "one"}),
        ({"positive": "1"}, {"1", "other"}),
    ):
        splits = clean(tmp_path, labels=options)
        assert {row["label"] for row in all_rows(splits).values()} == expected


def test_class_names_are_found_in_lists_and_odd_metadata_is_passed_over() -> None:
    label = {"names": ["a", "b"], "_type": "ClassLabel"}
    features = {
        "new": {"feature": label, "_type": "List"},
        "old": [label],
        "text": {"dtype": "string", "_type": "Value"},
    }
    schema = pa.schema([("new", pa.list_(pa.int64()))])
    told = schema.with_metadata({b"huggingface": json.dumps({"info": {"features": features}})})
    assert class_names(told) == {"new": ["a", "b"], "old": ["a", "b"]}
    for odd in (b"{", b"[]", b'{"info": {"features": [1]}}', b'{"info": null}'):
        assert class_names(schema.with_metadata({b"huggingface": odd})) == {}
    assert class_names(schema) == {}
    assert named([[0, -1], None, [1], 7], ["a", "b"]) == [["a", None], None, ["b"], 7]


def test_few_large_files_are_in_memory_at_once(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    contents = [noise.bytes(2**21) for _ in range(40)]
    path = written(tmp_path, {"image": contents, "n": list(range(40))})
    file = SourceFile(path, FILE, "")
    batches = list(read_parquet(file, WantedColumns({"data.columns.image": "image"})))
    assert [len(batch.numbers) for batch in batches] == [7, 7, 7, 7, 7, 5]
    assert batches[1].columns["image"][0].content.to_pybytes() == contents[7]
    assert list(batches[1].numbers) == list(range(8, 15))
    (numbers,) = read_parquet(file, WantedColumns({"data.columns.n": "n"}))
    assert len(numbers.numbers) == 40


def test_values_are_views_of_the_table() -> None:
    column = pa.array([{"bytes": b"x" * 1_000, "path": "a"}, None], STRUCT)
    before = pa.total_allocated_bytes()
    values = held.column_values(pa.chunked_array([column]))
    assert pa.total_allocated_bytes() == before
    assert (str(values[0]), values[1]) == ("binary of 1,000 bytes", None)
    assert held.column_values(pa.array([1, None])) == [1, None]


def test_equal_contents_are_kept_once(tmp_path: Path) -> None:
    store = ContentStore(tmp_path / "contents")
    keys = [f"{i:064x}" for i in range(3)]
    assert store.get(keys[0]) is None
    for key, content in zip([*keys, keys[0]], [b"one", b"", b"three", b"one"], strict=True):
        store.add(key, content)
    assert [store.get(key) for key in keys] == [b"one", b"", b"three"]
    assert (tmp_path / "contents").stat().st_size == len(b"onethree")
    with pytest.raises(EnvironmentProblem):
        ContentStore(tmp_path / "no" / "contents").add(keys[0], b"x")


def test_a_damaged_file_of_pictures_is_named(tmp_path: Path) -> None:
    stream = io.BytesIO((written(tmp_path, {"image": [b"x"], "label": ["a"]})).read_bytes()[:-20])
    (tmp_path / FILE).write_bytes(stream.getvalue())
    with pytest.raises(DataError, match="not a readable Parquet file"):
        clean(tmp_path)
