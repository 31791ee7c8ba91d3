from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.cli import main
from pipeline.errors import DataError, UserError
from pipeline.export import predictor as predictor_module
from pipeline.stages.predict import run_predict
from tests.trained import write_stages

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a trained LSTM."""
    root = tmp_path_factory.mktemp("project")
    write_stages(root, "lstm")
    return root


@pytest.fixture
def model(project: Path) -> Path:
    return project / "outputs" / "model"


def predict(
    model: Path, texts: tuple[str, ...] = (), file: Path | None = None, field: str = "text"
) -> list[dict[str, Any]]:
    out = io.StringIO()
    run_predict(texts, file=file, directory=model, backend="auto", field=field, stream_out=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def write(path: Path, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def command(project: Path, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "predict", *arguments],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def test_arguments_are_predicted_in_order(model: Path) -> None:
    records = predict(model, ("the match", "team won\nthe match", "赛"))
    assert [record["text"] for record in records] == ["the match", "team won\nthe match", "赛"]
    assert {record["prediction"] for record in records} <= {"sports", "other"}


@pytest.mark.parametrize("name", ["texts.txt", "texts.txt.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_text_file_has_a_text_a_line(model: Path, tmp_path: Path, name: str, end: str) -> None:
    lines = ["\ufeffthe match", "team, “won”", "球赛"]
    for last in ("", end):
        file = write(tmp_path / name, end.join(lines) + last)
        texts = [record["text"] for record in predict(model, file=file)]
        assert texts == ["the match", "team, “won”", "球赛"]


@pytest.mark.parametrize("name", ["texts.jsonl", "texts.jsonl.gz"])
def test_json_lines_hold_the_text_in_a_field(model: Path, tmp_path: Path, name: str) -> None:
    rows = [{"headline": "the match"}, {"headline": "team\nwon", "label": 1}]
    file = write(tmp_path / name, "\n".join(map(json.dumps, rows)))
    texts = [record["text"] for record in predict(model, file=file, field="headline")]
    assert texts == ["the match", "team\nwon"]


def test_the_same_text_gets_the_same_prediction_from_any_source(
    model: Path, tmp_path: Path
) -> None:
    text = "the home team won the match"
    (argument,) = predict(model, (text,))
    (line,) = predict(model, file=write(tmp_path / "a.txt", text))
    (row,) = predict(model, file=write(tmp_path / "a.jsonl", json.dumps({"text": text})))
    assert argument == line == row


def test_empty_lines_keep_their_place_with_nulls_and_a_warning(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "texts.txt", "the match\n\n \t\nteam\n")
    records = predict(model, file=file)
    assert [record["prediction"] is None for record in records] == [False, True, True, False]
    assert "2 rows (the first is row 2) without a word" in capfd.readouterr().err
    rows = '{"text": null}\n\n{"text": ""}\n{"text": "team"}\n'
    records = predict(model, file=write(tmp_path / "texts.jsonl", rows))
    assert [record["prediction"] is None for record in records] == [True, True, True, False]


def test_an_empty_file_gives_no_line(model: Path, tmp_path: Path) -> None:
    for name in ("texts.txt", "texts.jsonl", "texts.txt.gz"):
        assert predict(model, file=write(tmp_path / name, "")) == []


def test_many_windows_keep_order_and_bound_what_is_held(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.stages.predict_input.WINDOW_BYTES", 1_000)
    seen: list[int] = []
    original = predictor_module.Predictor.predict

    def counted(self: Any, texts: Any) -> Any:
        seen.append(len(texts))
        return original(self, texts)

    monkeypatch.setattr(predictor_module.Predictor, "predict", counted)
    texts = [f"the match {number}" for number in range(500)]
    records = predict(model, file=write(tmp_path / "texts.txt", "\n".join(texts)))
    assert [record["text"] for record in records] == texts
    assert len(seen) > 5
    assert max(seen) < 100


@pytest.mark.parametrize(
    ("lines", "row", "message"),
    [
        (b"fine\n\xff\xfe bad", 2, "not UTF-8: byte 0xff at place 1"),
        ('{"text": "a"}\n{"text": ', 2, "is not JSON"),
        ('{"text": "a"}\n\n["a"]', 3, "must be a JSON object, got list"),
        ('{"txt": "a"}', 1, "has no field 'text'"),
        ('{"text": 7}', 1, "must hold a text, got int 7"),
        ('{"text": "a \\ud800"}', 1, "half a surrogate pair at character 3"),
    ],
)
def test_a_bad_row_is_named_with_file_and_remedy(
    model: Path, tmp_path: Path, lines: str | bytes, row: int, message: str
) -> None:
    file = write(tmp_path / ("a.txt" if isinstance(lines, bytes) else "a.jsonl"), lines)
    with pytest.raises(DataError) as caught:
        predict(model, file=file)
    assert str(caught.value).startswith(f"{file}, row {row}: ")
    assert message in str(caught.value)
    assert caught.value.remedy


def test_a_missing_field_suggests_the_nearest(model: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", '{"txt": "a", "label": 1}')
    with pytest.raises(DataError, match="did you mean 'txt'"):
        predict(model, file=file)


def test_a_file_that_cannot_be_read_is_named(model: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    packed = write(tmp_path / "a.txt.gz", "the match\n" * 1_000)
    packed.write_bytes(packed.read_bytes()[:-12])
    for name, message in (
        ("none.txt", "No such file"),
        ("folder.txt", "Is a directory"),
        ("a.csv", r"not from \.csv"),
        ("a.gz", "not from this"),
        ("a.txt.gz", "not a whole gzip file"),
    ):
        with pytest.raises(DataError, match=message) as caught:
            predict(model, file=tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


def test_a_file_without_lines_is_refused_before_memory_ends(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.stages.predict_input.LONGEST_LINE_BYTES", 500_000)
    file = write(tmp_path / "a.txt", "x" * 2_000_000)
    with pytest.raises(DataError, match="more than 500,000 bytes"):
        predict(model, file=file)


def test_a_text_of_a_megabyte_is_cut_not_refused(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = "the match\n" + "the match " * 100_000
    _, record = predict(model, file=write(tmp_path / "a.txt", text))
    assert record["prediction"] in {"sports", "other"}
    assert "1 row is longer than model.max_length=" in capfd.readouterr().err


def test_arguments_and_a_file_together_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not from both"):
        predict(model, ("a",), file=write(tmp_path / "a.txt", "b"))


def test_the_command_answers_each_line_at_once_and_ctrl_c_ends_it_with_one_line(
    project: Path,
) -> None:
    process = command(project, stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    for text in ("the match", "球赛"):
        process.stdin.write(text.encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == text
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == b""
    assert errors.decode().splitlines() == ["error: interrupted"]


def test_the_end_of_standard_input_ends_the_command(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("the match\n球赛\n".encode())))
    assert main(["predict"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["the match", "球赛"]


def test_a_closed_pipe_ends_the_command_quietly(project: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "many.txt", "the match\n" * 5_000)
    process = command(project, "--file", str(file))
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    assert process.wait(60) == 0
    assert errors == b""


def test_a_users_mistake_is_one_message_and_exit_code_2(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    file = write(tmp_path / "a.jsonl", '{"text": "fine"}\n{"body": "x"}\n')
    monkeypatch.chdir(project)
    assert main(["predict", "--file", str(file)]) == 2
    out, message = capfd.readouterr()
    assert out == ""
    assert message.startswith(f"error: {file}, row 2: has no field 'text'")
    assert "Traceback" not in message


def test_the_directory_of_a_run_leads_to_that_of_its_model(model: Path) -> None:
    with pytest.raises(UserError, match="directory of a run") as caught:
        predict(model.parent, ("a text",))
    assert str(model) in str(caught.value.remedy)


def test_without_a_model_the_command_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("{}\n")
    started = time.perf_counter()
    _, errors = (process := command(tmp_path, "a text")).communicate(timeout=60)
    assert process.returncode == 2
    assert "there is no model to predict with" in errors.decode()
    assert time.perf_counter() - started < 30
