from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipeline import console
from pipeline.artifacts import Outputs, file_sha256
from pipeline.config.compose import compose
from pipeline.config.schema import Config
from pipeline.config.validation import validate
from pipeline.data.preprocessing import Preprocessing
from pipeline.data.store import EncodedDataset
from pipeline.errors import ConfigError, DataError, EnvironmentProblem
from pipeline.models.tokenizer import load_tokenizer
from pipeline.stages import prepare

SECTIONS = ("method", "optimizer", "scheduler", "trainer", "evaluation", "export", "tracking")


def config(data: dict[str, Any], **sections: Any) -> Config:
    """A text classifier with a small vocabulary of its own, unless sections say otherwise."""
    values: dict[str, Any] = {name: {} for name in SECTIONS}
    values["task"] = {"kind": "text_classification"}
    values["model"] = {
        "architecture": {"kind": "bert"},
        "tokenizer": {"kind": "word", "vocab_size": 500},
        "max_length": 16,
    }
    data = {"files": {"all": {"path": "data/rows.jsonl"}}, "name": "rows", **data}
    return validate(Config, {**values, "data": data, **sections}, lambda key: None)


class Project:
    """A project's root with raw data, and its outputs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.outputs = Outputs(root / "outputs")
        (root / "data").mkdir()

    def write(self, rows: Sequence[dict[str, Any]], name: str = "rows.jsonl") -> None:
        """Writes raw rows as JSON Lines."""
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (self.root / "data" / name).write_text("".join(lines), encoding="utf-8")

    def prepare(self, data: dict[str, Any] | None = None, **sections: Any) -> prepare.PrepareResult:
        """Runs the stage."""
        return prepare.run(config(data or {}, **sections), root=self.root, outputs=self.outputs)

    @property
    def dataset(self) -> EncodedDataset:
        """What the stage wrote."""
        return EncodedDataset.open(self.outputs.dataset)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def news(count: int) -> list[dict[str, Any]]:
    """Rows whose texts share few words."""
    return [
        {
            "id": f"n{i}",
            "text": f"{'match' if i % 3 else 'market'} {i * 7919 % 9973} in town {i}{i * i}",
            "label": "sports" if i % 3 else "business",
        }
        for i in range(count)
    ]


def snapshot(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): file_sha256(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def listing(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_raw_rows_become_encoded_splits_with_all_that_later_stages_need(project: Project) -> None:
    project.write(news(100))
    result = project.prepare({"language": "en", "licence": "CC0"})
    dataset = project.dataset
    assert dataset.info == result.info
    assert dataset.info.rows == {"train": 70, "validation": 15, "test": 15}
    assert dataset.info.label_names == ("business", "sports")
    assert (dataset.info.language, dataset.info.licence) == ("en", "CC0")
    raw = file_sha256(project.root / "data" / "rows.jsonl")
    assert dataset.info.sources == {"data/rows.jsonl": raw}
    seen = []
    for name in dataset.info.rows:
        table = dataset.split(name).table
        seen += table.select(["id", "text", "label"]).to_pylist()
        assert table["labels"].to_pylist() == [
            dataset.info.label_names.index(label) for label in table["label"].to_pylist()
        ]
        assert dataset.info.tokens[name] == int(dataset.split(name).lengths.sum())
    assert sorted(seen, key=lambda row: int(row["id"][1:])) == news(100)
    tokenizer = load_tokenizer(dataset.processor_directory)
    first = dataset.split("train").table.slice(0, 1).to_pylist()[0]
    assert (
        tokenizer(first["text"], truncation=True, max_length=16)["input_ids"]
        == (first["input_ids"])
    )
    assert dataset.info.pad_token_id == tokenizer.pad_token_id
    assert json.loads((project.outputs.dataset / "quality.json").read_text())["dataset"] == "rows"
    assert "Data quality: rows" in (project.outputs.dataset / "quality.html").read_text()
    assert not [path for path in project.outputs.dataset.iterdir() if path.name.startswith(".")]
    assert listing(project.outputs.root) == ["dataset"]


def test_two_processes_write_the_same_bytes(project: Project) -> None:
    project.write([*news(60), *news(10)])
    script = (
        "import sys, json; from pathlib import Path\n"
        "from pipeline.artifacts import Outputs; from pipeline.config.schema import Config\n"
        "from pipeline.stages.prepare import run\n"
        "root = Path(sys.argv[1])\n"
        "config = Config.model_validate_json((root / 'config.json').read_text())\n"
        "run(config, root=root, outputs=Outputs(root / 'outputs'))\n"
        "assert 'torch' not in sys.modules, 'prepare must not pay for torch'\n"
        "assert 'pytorch_lightning' not in sys.modules and 'mlflow' not in sys.modules\n"
    )
    chosen = config({"cleaning": [{"step": "unicode"}], "quality": {"leakage_share": {}}})
    (project.root / "config.json").write_text(chosen.model_dump_json())
    found = []
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", script, str(project.root)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
        )
        found.append(snapshot(project.outputs.dataset))
    assert found[0] == found[1]


def test_the_fingerprint_follows_rows_labels_and_tokenizer(project: Project) -> None:
    project.write(news(60))
    first = project.prepare().info.fingerprint
    assert project.prepare({"name": "renamed"}).info.fingerprint == first
    assert project.prepare({"labels": {"names": ["sports", "business"]}}).info.fingerprint != first
    smaller = {
        "architecture": {"kind": "bert"},
        "tokenizer": {"kind": "word", "vocab_size": 50},
        "max_length": 16,
    }
    assert project.prepare(model=smaller).info.fingerprint != first
    project.write([*news(60), {"text": "one more", "label": "sports"}])
    assert project.prepare().info.fingerprint != first


def test_a_missing_split_is_carved_from_train_and_given_ones_stay_whole(project: Project) -> None:
    project.write(news(80))
    project.write([{**row, "text": row["text"] + "!"} for row in news(9)], "dev.jsonl")
    files = {"train": {"path": "data/rows.jsonl"}, "test": {"path": "data/dev.jsonl"}}
    result = project.prepare({"files": files, "split": {"validation": 0.25}})
    assert result.info.rows == {"train": 60, "validation": 20, "test": 9}
    assert project.dataset.split("test").table["text"].to_pylist()[0].endswith("!")
    assert set(result.info.sources) == {"data/rows.jsonl", "data/dev.jsonl"}


def test_max_rows_keeps_the_first_rows_of_each_file(project: Project) -> None:
    project.write(news(90))
    result = project.prepare({"max_rows": 40})
    assert sum(result.info.rows.values()) == 40
    texts = [t for name in result.info.rows for t in project.dataset.split(name).table["id"]]
    assert {text.as_py() for text in texts} == {f"n{i}" for i in range(40)}


def test_cleaning_is_counted_reported_and_kept_for_predict(project: Project) -> None:
    rows = [{**row, "text": f"<b>{row['text'].upper()}</b>  &amp; more"} for row in news(60)]
    rows += [{"text": "<br/>", "label": "sports"}, {**rows[0], "id": "again"}]
    project.write(rows)
    cleaning = [
        {"step": "html"},
        {"step": "lowercase"},
        {"step": "whitespace"},
        {"step": "deduplicate"},
    ]
    result = project.prepare({"cleaning": cleaning})
    assert sum(result.info.rows.values()) == 60
    assert result.report.dropped == {"empty": 1}
    counted = {step["step"]: step for step in result.report.cleaning}
    assert counted["html"]["rows_changed"] == 62
    assert counted["deduplicate"]["rows_removed"] == 1
    page = (project.outputs.dataset / "quality.html").read_text()
    assert "rows changed: 62" in page
    kept = Preprocessing.read(project.outputs.dataset)
    assert kept.max_length == 16
    assert kept.clean(["<i>Big</i>  NEWS<br>today"]) == ["big news today"]


def test_a_text_of_a_megabyte_is_cut_and_one_of_white_space_left_out(project: Project) -> None:
    rows = news(60)
    rows[7]["text"] = "a long story without end " * 42_000
    rows[8]["text"] = " \t\n\u3000"
    rows[9]["label"] = None
    project.write(rows)
    result = project.prepare()
    assert result.report.dropped == {"empty": 1, "null": 1}
    assert sum(result.info.rows.values()) == 58
    assert sum(part.truncated_rows for part in result.report.splits.values()) >= 1
    lengths = [n for name in result.info.rows for n in project.dataset.split(name).lengths]
    assert max(lengths) == 16
    assert any(part.lengths["p100"] > 100_000 for part in result.report.splits.values())


def test_warnings_are_one_line_each_and_the_end_says_where_things_are(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = news(60)
    rows[5]["label"] = None
    project.write(rows)
    project.prepare()
    lines = capsys.readouterr().err.strip().splitlines()
    warnings = [line for line in lines if line.startswith("warning: ")]
    assert any("Missing values" in line for line in warnings)
    assert all(line in warnings for line in lines[:-1])
    assert "train 41, validation 9, test 9 rows" in lines[-1]
    assert "outputs/dataset/quality.html" in lines[-1]


def test_a_terminal_sees_a_live_bar(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=screen, force_terminal=True, width=100))
    project.write(news(60))
    project.prepare()
    assert "reading" in screen.getvalue()
    assert "encoding" in screen.getvalue()
    assert "60/60" in screen.getvalue()


def test_an_error_of_quality_keeps_the_old_dataset_and_shows_the_report(project: Project) -> None:
    project.write(news(60))
    project.prepare()
    before = snapshot(project.outputs.dataset)
    project.write([{**row, "text": "the same text"} for row in news(60)])
    with pytest.raises(DataError, match="not fit to train on") as caught:
        project.prepare()
    rejected = project.outputs.root / "quality_rejected.html"
    assert "Leakage between splits" in caught.value.message
    assert "what to do" in caught.value.message
    assert str(rejected) in str(caught.value.remedy)
    assert "data.quality.leakage_share.error" in str(caught.value.remedy)
    assert "Leakage" in rejected.read_text()
    assert snapshot(project.outputs.dataset) == before
    assert listing(project.outputs.root) == ["dataset", "quality_rejected.html"]
    project.write(news(60))
    project.prepare()
    assert not rejected.exists(), "the report of a refusal goes once the data is fit"


def test_an_english_tokenizer_on_chinese_text_is_refused_loudly(
    project: Project, repository: Path
) -> None:
    project.write(
        [
            {"text": f"今天的比赛在北京举行，第{i}场球队获胜。", "label": "ab"[i % 2]}
            for i in range(40)
        ]
    )
    minilm = compose(["model=minilm"], repository).model.model_dump(mode="json")
    with pytest.raises(DataError, match="DOES NOT FIT THE TEXT") as caught:
        project.prepare(model=minilm)
    assert "minilm" in caught.value.message
    assert "Chinese" in caught.value.message
    assert not project.outputs.dataset.exists()


@pytest.mark.parametrize(
    ("rows", "data", "message"),
    [
        (news(3), {}, "has no rows"),
        (news(60), {"split": {"test": 0.0}}, "split test has no rows"),
        ([{**row, "label": "only"} for row in news(60)], {}, "only the label 'only'"),
        (news(60), {"labels": {"names": ["sport", "business"]}}, "row 2: the label 'sports'"),
        (news(60), {"labels": {"positive": "sport"}}, "no row has the label 'sport'"),
        (news(60), {"columns": {"text": "txt"}}, "no column 'txt'"),
        (news(60), {"files": {"all": {"path": "data/none.csv"}}}, "does not exist"),
        ([], {}, "the file is empty"),
        ([{"text": " ", "label": "a"}] * 9, {}, r"all were left out \(empty 9\)"),
    ],
)
def test_bad_data_is_one_clear_error_and_the_old_dataset_stays(
    project: Project, rows: list[dict[str, Any]], data: dict[str, Any], message: str
) -> None:
    project.write(news(60))
    project.prepare()
    before = snapshot(project.outputs.root)
    project.write(rows)
    with pytest.raises(DataError, match=message) as caught:
        project.prepare(data)
    assert caught.value.remedy
    assert snapshot(project.outputs.root) == before


def test_a_label_that_train_lacks_names_the_row(project: Project) -> None:
    project.write(news(60))
    project.write([{"text": "a new kind of row", "label": "weather", "id": "w1"}], "dev.jsonl")
    files = {"train": {"path": "data/rows.jsonl"}, "test": {"path": "data/dev.jsonl"}}
    with pytest.raises(DataError, match=r"'w1'.*'weather'"):
        project.prepare({"files": files})


def test_a_step_that_moves_characters_blindly_is_refused_for_entities(project: Project) -> None:
    project.write([{"text": "Anna", "entities": [[0, 4, "PER"]]}] * 20)
    with pytest.raises(ConfigError, match="cannot say where characters went"):
        project.prepare({"cleaning": [{"step": "html"}]}, task={"kind": "token_classification"})


def test_a_full_disk_is_one_message_and_the_old_dataset_stays(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa

    project.write(news(60))
    project.prepare()
    before = snapshot(project.outputs.root)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pa.ipc, "new_file", refuse)
    with pytest.raises(EnvironmentProblem, match="No space left on device"):
        project.prepare()
    assert snapshot(project.outputs.root) == before


def test_packed_files_give_the_same_dataset(project: Project) -> None:
    project.write(news(60))
    plain = project.prepare().info
    raw = (project.root / "data" / "rows.jsonl").read_bytes()
    (project.root / "data" / "rows.jsonl.gz").write_bytes(gzip.compress(raw))
    packed = project.prepare({"files": {"all": {"path": "data/rows.jsonl.gz"}}}).info
    assert packed.fingerprint == plain.fingerprint
    assert packed.sources != plain.sources
