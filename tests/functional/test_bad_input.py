"""What a user gets wrong: one message with file, row and remedy, and nothing lost."""

from __future__ import annotations

import gzip
import json
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.artifacts import file_sha256
from pipeline.cli import main
from pipeline.data.store import EncodedDataset
from tests.checkpoints import MakeCheckpoint

pytestmark = pytest.mark.functional

Capture = pytest.CaptureFixture[str]

TEXTS = [
    f"news item number {number} about {'sports' if number % 2 else 'trade'}" for number in range(40)
]
LABELS = ["sports" if number % 2 else "other" for number in range(40)]


class Project:
    """A project in a directory of its own, run in this process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data" / "mine"

    def write(self, name: str, content: str | bytes) -> str:
        """Writes a raw file; returns its path from the root."""
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return f"data/mine/{name}"

    def describe(self, path: str, **data: Any) -> None:
        """Makes `conf/data/mine.yaml` for a raw file."""
        option = {"files": {"all": {"path": path}}, **data}
        text = "# A test's data.\n" + yaml.safe_dump(option)
        (self.root / "conf" / "data" / "mine.yaml").write_text(text, encoding="utf-8")

    def pin(self, **sections: Any) -> None:
        """Writes `params.yaml`."""
        params = {
            "data": "mine",
            "model": "bert_scratch",
            "method": "full",
            "tracking": "off",
            **sections,
        }
        (self.root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")

    def prepare(self) -> int:
        """Composes and prepares; returns the exit code."""
        return main(["compose"]) or main(["prepare"])


def table(texts: list[str], labels: list[str], separator: str = ",") -> str:
    rows = [f"{text}{separator}{label}" for text, label in zip(texts, labels, strict=True)]
    return "\n".join([f"text{separator}label", *rows]) + "\n"


@pytest.fixture
def project(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a good dataset that was prepared once."""
    shutil.copytree(repository / "conf", tmp_path / "conf")
    made = Project(tmp_path)
    monkeypatch.chdir(tmp_path)
    made.describe(made.write("good.csv", table(TEXTS, LABELS)))
    made.pin()
    assert made.prepare() == 0
    return made


def expect(project: Project, capsys: Capture, *words: str, code: int = 2) -> None:
    """Prepare must fail with one message that has these words, and leave the old dataset."""
    info = project.root / "outputs" / "dataset" / "info.json"
    before = info.read_bytes()
    capsys.readouterr()
    assert project.prepare() == code
    message = capsys.readouterr().err
    assert message.count("error: ") == 1
    assert "remedy" in message
    assert "Traceback" not in message
    for word in words:
        assert word in message, message
    assert info.read_bytes() == before
    assert EncodedDataset.open(info.parent).split("train")


def test_a_missing_file(project: Project, capsys: Capture) -> None:
    project.describe("data/mine/nowhere.csv")
    expect(project, capsys, "data/mine/nowhere.csv")


@pytest.mark.parametrize("content", ["", "text,label\n"])
def test_an_empty_file(project: Project, capsys: Capture, content: str) -> None:
    project.describe(project.write("empty.csv", content))
    expect(project, capsys, "data/mine/empty.csv")


def test_a_wrong_delimiter(project: Project, capsys: Capture) -> None:
    project.describe(project.write("semicolons.csv", table(TEXTS, LABELS, ";")))
    expect(project, capsys, "data/mine/semicolons.csv", "a semicolon", "data.format.delimiter")


def test_a_wrong_encoding(project: Project, capsys: Capture) -> None:
    content = table([f"café {text}" for text in TEXTS], LABELS).encode("latin-1")
    project.describe(project.write("latin.csv", content))
    expect(project, capsys, "data/mine/latin.csv", "row 2", "encoding")


def test_a_file_that_is_not_what_its_name_says(project: Project, capsys: Capture) -> None:
    project.describe(project.write("plain.csv.gz", table(TEXTS, LABELS)))
    expect(project, capsys, "data/mine/plain.csv.gz", "gzip")


def test_a_truncated_archive(project: Project, capsys: Capture) -> None:
    whole = gzip.compress(table(TEXTS, LABELS).encode())
    project.describe(project.write("cut.csv.gz", whole[: len(whole) // 2]))
    expect(project, capsys, "data/mine/cut.csv.gz")


def test_a_missing_column(project: Project, capsys: Capture) -> None:
    project.describe("data/mine/good.csv", columns={"text": "txt"})
    expect(project, capsys, "'txt'", "did you mean 'text'", "data/mine/good.csv")


def test_an_unknown_label(project: Project, capsys: Capture) -> None:
    labels = ["other", "sprots", *LABELS[2:]]
    path = project.write("typo.csv", table(TEXTS, labels))
    project.describe(path, labels={"names": ["other", "sports"]})
    expect(project, capsys, "data/mine/typo.csv", "row 3", "'sprots'", "did you mean 'sports'")


def test_a_single_label(project: Project, capsys: Capture) -> None:
    project.describe(project.write("one.csv", table(TEXTS, ["other"] * len(TEXTS))))
    expect(project, capsys, "'other'", "two or more")


@pytest.mark.parametrize("split", [{"validation": 0.0}, {"test": 0.0}, {"validation": 0.001}])
def test_an_empty_split(project: Project, capsys: Capture, split: dict[str, float]) -> None:
    project.describe("data/mine/good.csv", split=split)
    expect(project, capsys, next(iter(split)), "data.split")


def test_a_broken_line_of_json(project: Project, capsys: Capture) -> None:
    lines = [
        json.dumps({"text": text, "label": label})
        for text, label in zip(TEXTS, LABELS, strict=True)
    ]
    lines[6] = '{"text": "never closed'
    project.describe(project.write("broken.jsonl", "\n".join(lines)))
    expect(project, capsys, "data/mine/broken.jsonl", "row 7")


def test_texts_of_only_white_space_are_left_out_and_counted(project: Project) -> None:
    texts = [*TEXTS, " \t ", "　"]
    project.describe(
        project.write("spaces.csv", table(texts, [*LABELS, "other", "other"])),
        quality={"empty_share": {"error": None}},
    )
    assert project.prepare() == 0
    dataset = project.root / "outputs" / "dataset"
    assert sum(EncodedDataset.open(dataset).info.rows.values()) == len(TEXTS)
    assert json.loads((dataset / "quality.json").read_text())["dropped"] == {"empty": 2}


def test_a_text_of_a_megabyte_is_cut(project: Project) -> None:
    texts = [*TEXTS[:-1], "many words " * 100_000]
    project.describe(
        project.write("long.csv", table(texts, LABELS)), quality={"truncated_share": {}}
    )
    assert project.prepare() == 0
    dataset = EncodedDataset.open(project.root / "outputs" / "dataset")
    longest = max(int(dataset.split(name).lengths.max()) for name in dataset.info.rows)
    assert longest == dataset.info.max_length


def spans(entities: Callable[[str], list[list[Any]]]) -> str:
    """JSON Lines of texts with entities."""
    rows = [{"text": text, "entities": entities(text)} for text in TEXTS]
    return "\n".join(json.dumps(row) for row in rows)


def test_an_entity_outside_its_text(project: Project, capsys: Capture) -> None:
    path = project.write("outside.jsonl", spans(lambda text: [[0, len(text) + 5, "ITEM"]]))
    project.describe(path)
    project.pin(task="token_classification")
    expect(project, capsys, "data/mine/outside.jsonl", "row 1", "entit")


def test_entities_that_lie_across_tokens(project: Project, capsys: Capture) -> None:
    project.describe(project.write("across.jsonl", spans(lambda _: [[2, 7, "ITEM"]])))
    project.pin(task="token_classification")
    expect(project, capsys, "Misaligned entities", "span_end")


def test_broken_tags(project: Project, capsys: Capture) -> None:
    sentence = "Ada\tB-NAME\nvisits\tO\nParis\tI-PLACE\n"
    project.describe(
        project.write("tags.conll", "\n".join([sentence] * 20)),
        format={"kind": "conll", "column_names": ["tokens", "tags"]},
    )
    project.pin(task="token_classification")
    expect(project, capsys, "data/mine/tags.conll", "row 3", "I-PLACE")


def test_a_file_outside_data_must_be_pinned(
    project: Project, capsys: Capture, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("elsewhere") / "corpus.csv"
    outside.write_text(table(TEXTS, LABELS), encoding="utf-8")
    project.describe(str(outside))
    expect(project, capsys, f"sha256: {file_sha256(outside)}")


def test_a_file_that_is_not_the_pinned_one(project: Project, capsys: Capture) -> None:
    option = {"files": {"all": {"path": "data/mine/good.csv", "sha256": "0" * 64}}}
    path = project.root / "conf" / "data" / "mine.yaml"
    path.write_text("# Pinned.\n" + yaml.safe_dump(option), encoding="utf-8")
    expect(project, capsys, "data/mine/good.csv", file_sha256(project.data / "good.csv"))


@pytest.mark.parametrize("damage", ["truncated", "pickle"])
def test_a_damaged_or_pickled_checkpoint(
    project: Project, capsys: Capture, make_checkpoint: MakeCheckpoint, damage: str
) -> None:
    checkpoint = project.root / "checkpoint"
    make_checkpoint("bert").rename(checkpoint)
    option = {"checkpoint": {"source": "directory", "location": "checkpoint"}, "max_length": 32}
    path = project.root / "conf" / "model" / "mine.yaml"
    path.write_text("# A checkpoint.\n" + yaml.safe_dump(option), encoding="utf-8")
    project.describe("data/mine/good.csv", quality={"unknown_token_share": {}})
    project.pin(model="mine")
    assert project.prepare() == 0
    weights = checkpoint / "model.safetensors"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:1_000])
    else:
        weights.rename(checkpoint / "pytorch_model.bin")
    capsys.readouterr()

    assert main(["train"]) == 2

    message = capsys.readouterr().err
    assert ("damaged" if damage == "truncated" else "pickle") in message
    assert "remedy" in message
    assert "Traceback" not in message


def test_a_full_disk(project: Project, capsys: Capture) -> None:
    project.describe("data/mine/good.csv", split={"seed": 3})
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert main(["compose"]) == 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, old[1]))
    try:
        expect(project, capsys, "free disk space", code=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_outputs_that_cannot_be_written(project: Project, capsys: Capture) -> None:
    shutil.rmtree(project.root / "outputs")
    assert main(["compose"]) == 0
    (project.root / "outputs").rename(project.root / "kept")
    (project.root / "outputs").write_text("a file in the way")
    capsys.readouterr()
    assert main(["compose"]) == 1
    message = capsys.readouterr().err
    assert "outputs" in message
    assert "remedy" in message
