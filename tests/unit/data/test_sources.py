from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config.data import FormatConfig
from pipeline.data.sources.formats import format_kind, read_rows
from pipeline.data.sources.raw import BATCH_ROWS, SourceFile, WantedColumns
from pipeline.errors import DataError

TEXT_LABEL = {"text": "text", "label": "label"}
ROWS = {"text": ["one, two", 'say "hi"', "三\n四"], "label": ["a", "b", "a"]}


def read(
    path: Path, needed: dict[str, str] | None = None, *optional: str, **options: Any
) -> tuple[dict[str, list[Any]], list[int]]:
    """All rows of a file and their numbers."""
    config = FormatConfig(**options)
    named = {f"data.columns.{name}": raw for name, raw in (needed or TEXT_LABEL).items()}
    wanted = WantedColumns(named, optional)
    file = SourceFile(path, path.name, "")
    columns: dict[str, list[Any]] = {}
    numbers: list[int] = []
    for rows in read_rows(file, format_kind(path.name, config), config, wanted):
        assert len(rows.numbers) <= BATCH_ROWS
        numbers += rows.numbers
        for name, values in rows.columns.items():
            columns.setdefault(name, []).extend(values)
    return columns, numbers


def error_of(path: Path, needed: dict[str, str] | None = None, **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        read(path, needed, **options)
    assert caught.value.file == path.name
    assert caught.value.remedy
    return caught.value


def write(path: Path, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


CSV = 'id,text,label\n1,"one, two",a\n2,"say ""hi""",b\n3,"三\n四",a\n'
TSV = CSV.replace('"one, two"', "one; two").replace(",", "\t").replace("one; two", "one, two")


def json_rows() -> list[dict[str, str]]:
    return [dict(zip(ROWS, values, strict=True)) for values in zip(*ROWS.values(), strict=True)]


def parquet_bytes() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(ROWS), sink)
    return bytes(sink.getvalue())


CONTENTS: dict[str, Callable[[], str | bytes]] = {
    "rows.csv": lambda: CSV,
    "rows.tsv": lambda: TSV,
    "rows.json": lambda: json.dumps(json_rows()),
    "rows.jsonl": lambda: "".join(json.dumps(row) + "\n" for row in json_rows()),
    "rows.parquet": parquet_bytes,
}


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("name", CONTENTS)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str, packed: str) -> None:
    columns, numbers = read(write(tmp_path / (name + packed), CONTENTS[name]()))
    assert columns == ROWS
    first = 2 if name[-3:] in {"csv", "tsv"} else 1
    assert numbers == [first, first + 1, first + 2]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_long_files_come_in_batches(tmp_path: Path, name: str) -> None:
    count = BATCH_ROWS + 5
    texts = [f"text {i}" for i in range(count)]
    content: str | bytes = "text\n" + "\n".join(texts)
    if name.endswith("jsonl"):
        content = "\n".join(json.dumps({"text": text}) for text in texts)
    elif name.endswith("parquet"):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"text": texts}), sink)
        content = bytes(sink.getvalue())
    columns, numbers = read(write(tmp_path / name, content), {"text": "text"})
    assert columns["text"] == texts
    assert numbers == list(range(numbers[0], numbers[0] + count))


def test_nothing_between_delimiters_is_none_but_words_for_nothing_are_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,label\n,a\n"",b\nNA,null\nnan,\n')
    assert read(path)[0] == {"text": [None, "", "NA", "nan"], "label": ["a", "b", "null", None]}


def test_a_file_without_header_has_the_names_that_the_config_gives(tmp_path: Path) -> None:
    path = write(tmp_path / "sms.tsv", 'ham\tgo to "the bar\nspam\tfree\n')
    columns, numbers = read(path, quoting=False, column_names=("label", "text"))
    assert columns == {"text": ['go to "the bar', "free"], "label": ["ham", "spam"]}
    assert numbers == [1, 2]


def test_a_byte_order_mark_and_windows_line_ends_do_not_count(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbftext,label\r\nx,a\r\n"
    assert read(write(tmp_path / "a.csv", content))[0] == {"text": ["x"], "label": ["a"]}
    content = b'\xef\xbb\xbf{"text": "x", "label": 1}\r\n'
    assert read(write(tmp_path / "a.jsonl", content))[0] == {"text": ["x"], "label": [1]}


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_other_encodings_are_read(tmp_path: Path, name: str, encoding: str) -> None:
    content = CONTENTS[name]()
    assert isinstance(content, str)
    path = write(tmp_path / name, content.encode(encoding))
    assert read(path, encoding=encoding)[0] == ROWS


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl"])
def test_a_wrong_encoding_names_the_row_and_one_that_fits(tmp_path: Path, name: str) -> None:
    lines = ["text,label", "fine,a", "今天的比赛在北京举行,b"]
    if name.endswith("jsonl"):
        lines = ['{"text": "1"}', '{"text": "2"}', '{"text": "今天的比赛在北京举行"}']
    error = error_of(write(tmp_path / name, "\n".join(lines).encode("gb18030")), {"text": "text"})
    assert error.row == 3
    assert "gb18030" in str(error.remedy)


def test_a_latin_1_file_is_not_taken_for_chinese(tmp_path: Path) -> None:
    error = error_of(write(tmp_path / "a.csv", "text,label\ncafé über,a\n".encode("latin-1")))
    assert error.row == 2
    assert "cp1252" in str(error.remedy)


def test_a_missing_column_names_the_columns_there_are(tmp_path: Path) -> None:
    for name, content in CONTENTS.items():
        error = error_of(write(tmp_path / name, content()), {"text": "txt"})
        assert "text, label" in error.message
        assert "data.columns.text" in error.message
        assert "did you mean 'text'" in str(error.remedy)


@pytest.mark.parametrize(("delimiter", "shown"), [(";", ";"), ("\t", "\\t"), ("|", "|")])
def test_a_wrong_delimiter_is_recognised_and_the_right_one_named(
    tmp_path: Path, delimiter: str, shown: str
) -> None:
    path = write(tmp_path / "a.csv", f"text{delimiter}label\nx{delimiter}a\n")
    assert f'delimiter="{shown}"' in str(error_of(path).remedy)
    assert read(path, delimiter=delimiter)[0] == {"text": ["x"], "label": ["a"]}


def test_a_wrong_delimiter_without_header_is_recognised_in_the_first_row(tmp_path: Path) -> None:
    error = error_of(write(tmp_path / "a.tsv", "x,a\n"), column_names=("text", "label"))
    assert error.row == 1
    assert 'delimiter=","' in str(error.remedy)


def test_a_row_with_other_fields_than_the_header_is_named(tmp_path: Path) -> None:
    error = error_of(write(tmp_path / "a.csv", "text,label\nx,a\nx, y,a\n"))
    assert error.row == 3
    assert "3 fields, where 2" in error.message
    assert "quotes" in str(error.remedy)


@pytest.mark.parametrize("rest", ["fine,b\n", "z,b\n" * 20])
def test_a_quote_that_is_never_closed_is_not_silently_the_rest_of_the_file(
    tmp_path: Path, rest: str
) -> None:
    error = error_of(write(tmp_path / "a.csv", f'label,text\na,x\na,"open\n{rest}'))
    assert error.row == 3
    assert "quoting=false" in str(error.remedy)


def test_a_row_longer_than_a_block_suggests_an_open_quote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.data.sources.delimited.BLOCK_BYTES", 2_000)
    lines = "".join(f"row {i},a\n" for i in range(2_000))
    error = error_of(write(tmp_path / "a.csv", f'text,label\n"open,a\n{lines}'))
    assert "longer than" in error.message
    assert "quote" in str(error.remedy)


def test_odd_quotes_within_words_are_no_mistake(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'label,text\na,5" disk\nb,"two\nlines"\n')
    assert read(path)[0]["text"] == ['5" disk', "two\nlines"]


def test_a_column_that_the_header_names_twice_is_refused(tmp_path: Path) -> None:
    assert "twice: 'text'" in error_of(write(tmp_path / "a.csv", "text,text\na,b\n")).message


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_text_of_a_megabyte_is_read(tmp_path: Path, name: str) -> None:
    text = "long text " * 120_000
    content: str | bytes = f"text\n{text}\n"
    if name.endswith("jsonl"):
        content = json.dumps({"text": text})
    elif name.endswith("parquet"):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"text": [text]}), sink)
        content = bytes(sink.getvalue())
    assert read(write(tmp_path / name, content), {"text": "text"})[0]["text"] == [text]


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz", "a.parquet.gz"])
def test_a_damaged_gzip_file_is_named(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, CONTENTS[name.replace("a.", "rows.").removesuffix(".gz")]())
    whole = path.read_bytes()
    for content in (whole[:-12], whole[10:]):
        path.write_bytes(content)
        assert "gzip" in error_of(path).message


@pytest.mark.parametrize(
    ("content", "row", "message", "remedy"),
    [
        ('{"text": "x"}\n{"text": \n', 2, "not valid JSON", "one JSON object"),
        ('{"text": "x"}\n\n["y"]\n', 3, "object, got a list", "object"),
        ('[{"text": "x"}]\n', 1, "got a list", "kind=json"),
        ('[\n{"text": "x"}\n]\n', 1, "not valid JSON", "kind=json"),
    ],
)
def test_broken_json_lines_name_line_and_remedy(
    tmp_path: Path, content: str, row: int, message: str, remedy: str
) -> None:
    error = error_of(write(tmp_path / "a.jsonl", content), {"text": "text"})
    assert error.row == row
    assert message in error.message
    assert remedy in str(error.remedy)


@pytest.mark.parametrize(
    ("content", "row", "message", "remedy"),
    [
        ('{"text": "x"}\n{"text": "y"}\n', 2, "Extra data", "kind=jsonl"),
        ('[{"text": "x"},\n{"text" "y"}]', 2, "not valid JSON", "list of objects"),
        ('{"rows": []}', None, "got an object", "jsonl"),
        ('[{"text": "x"}, 3]', 2, "got a number", "object"),
    ],
)
def test_broken_json_names_row_and_remedy(
    tmp_path: Path, content: str, row: int | None, message: str, remedy: str
) -> None:
    error = error_of(write(tmp_path / "a.json", content), {"text": "text"})
    assert error.row == row
    assert message in error.message
    assert remedy in str(error.remedy)


def test_a_key_that_a_row_lacks_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "x"}\n{"text": "y", "label": true, "id": 7}\n')
    assert read(path, TEXT_LABEL, "id", "group")[0] == {
        "text": ["x", "y"],
        "label": [None, True],
        "id": [None, 7],
        "group": [None, None],
    }


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    assert "Parquet" in error_of(write(tmp_path / "a.parquet", "text,label\nx,a\n")).message


def test_an_ending_that_says_nothing_needs_a_configured_format(tmp_path: Path) -> None:
    path = write(tmp_path / "train.txt.gz", "x\t3\n")
    assert "data.format.kind" in str(error_of(path).remedy)
    assert read(path, kind="tsv", column_names=("text", "label"))[0]["label"] == ["3"]


CONLL = "-DOCSTART- X O\n\nAnna NN B-PER\nruns VB O\n\n\nRome NN B-LOC\n"


@pytest.mark.parametrize("name", ["a.conll", "a.bio.gz"])
def test_column_files_give_a_list_for_each_sentence(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, CONLL)
    columns, numbers = read(path, {"tokens": "tokens", "tags": "tags"})
    assert columns == {
        "tokens": [["Anna", "runs"], ["Rome"]],
        "tags": [["B-PER", "O"], ["B-LOC"]],
    }
    assert numbers == [3, 7]
    named = read(path, {"tokens": "word"}, column_names=("word", "pos", "ner"))[0]
    assert named == {"word": [["Anna", "runs"], ["Rome"]]}


def test_a_column_file_with_a_ragged_line_names_it(tmp_path: Path) -> None:
    needed = {"tokens": "tokens", "tags": "tags"}
    error = error_of(write(tmp_path / "a.conll", "Anna B-PER\nruns fast O\n"), needed)
    assert error.row == 2
    assert "3 columns, where 2" in error.message
    error = error_of(write(tmp_path / "b.conll", "\nAnna\nruns\n"), needed)
    assert error.row == 2
    assert "delimiter" in str(error.remedy)
