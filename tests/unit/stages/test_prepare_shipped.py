"""Shipped experiments prepare the shipped corpus and real data sets."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.artifacts import Outputs
from pipeline.config.compose import compose
from pipeline.data.preprocessing import Preprocessing
from pipeline.data.store import EncodedDataset
from pipeline.errors import DataError
from pipeline.stages import prepare

REAL = {
    "ag_news": "en_cls_agnews",
    "sst2": "en_cls_sst2",
    "sms_spam": "en_cls_smsspam",
    "imdb": "en_cls_imdb",
    "thucnews": "zh_cls_thucnews",
    "tnews": "zh_cls_tnews",
    "cluener": "ner_cluener",
    "resume_ner": "ner_resume",
}
"""Folder of the real data by data option."""
PUBLISHED = {
    "ag_news": [8_994, 983],
    "sst2": [67_332, 872],
    "sms_spam": [4_435],
    "imdb": [4_495, 500],
    "thucnews": [33_494, 9_991],
    "tnews": [1_185, 1_098],
    "cluener": [10_748, 1_343],
    "resume_ner": [3_821, 463],
}
"""Rows of train and dev, as the folder's README counts them."""


@pytest.fixture
def shipped(tmp_path: Path, repository: Path) -> Path:
    """A project with the repository's configuration and corpus."""
    shutil.copytree(repository / "conf", tmp_path / "conf")
    shutil.copytree(repository / "data" / "newsroom", tmp_path / "data" / "newsroom")
    return tmp_path


def run_shipped(root: Path, *overrides: str) -> prepare.PrepareResult:
    return prepare.run(compose(list(overrides), root), root=root, outputs=Outputs(root / "outputs"))


@pytest.mark.parametrize(
    ("overrides", "labels"),
    [
        (["experiment=sports_news"], ("other", "sports")),
        (["experiment=newsroom_topic"], 8),
        (["experiment=newsroom_ner"], 9),
        (["experiment=newsroom_ner_zh_scratch"], 9),
        (["experiment=sports_news_zh_scratch"], ("other", "sports")),
        (["experiment=lstm_baseline"], ("other", "sports")),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_the_shipped_corpus_is_prepared_for_every_experiment(
    shipped: Path, overrides: list[str], labels: Any
) -> None:
    result = run_shipped(shipped, *overrides)
    assert result.info.rows == {"train": 734, "validation": 158, "test": 158}
    names = result.info.label_names
    assert names == labels if isinstance(labels, tuple) else len(names) == labels
    if "sports" in names and len(names) == 2:
        shares = [part.classes["sports"] / part.rows for part in result.report.splits.values()]
        assert shares == pytest.approx([0.3] * 3, abs=0.005)
    if len(names) == 9:
        found = {kind for part in result.report.splits.values() for kind in part.classes}
        assert found == {"PER", "ORG", "LOC", "MISC"}


def test_segmented_text_has_its_words_apart(shipped: Path) -> None:
    directory = run_shipped(shipped, "experiment=lstm_baseline").directory
    text = EncodedDataset.open(directory).split("train").table["text"][0].as_py()
    assert len(text.split(" ")) > 10
    assert Preprocessing.read(directory).clean(["今天的比赛"]) == ["今天 的 比赛"]


@pytest.mark.parametrize("name", REAL)
def test_real_data_sets_are_prepared_as_they_are_published(
    shipped: Path, real_data: Path, name: str
) -> None:
    folder = shipped / "data" / name
    shutil.copytree(real_data / REAL[name], folder)
    chinese = {"thucnews", "tnews", "cluener", "resume_ner"}
    model = "model=bert_scratch_zh" if name in chinese else "model=minilm"
    most = 600
    result = run_shipped(shipped, f"experiment={name}", model, f"data.max_rows={most}")
    dropped = sum(result.report.dropped.values())
    dropped += sum(step.get("rows_removed", 0) for step in result.report.cleaning)
    read = sum(min(most, count) for count in PUBLISHED[name])
    assert sum(result.info.rows.values()) + dropped == read
    assert result.report.severity != "error"
    assert result.info.licence
    expected = {"ag_news": 4, "thucnews": 10, "tnews": 15, "cluener": 21}.get(name)
    assert expected is None or len(result.info.label_names) == expected


def test_a_changed_raw_file_is_not_the_pinned_one(shipped: Path, real_data: Path) -> None:
    shutil.copytree(real_data / REAL["sms_spam"], shipped / "data" / "sms_spam")
    path = shipped / "data" / "sms_spam" / "train.tsv"
    content = path.read_bytes() + b"ham\tone more\n"
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(DataError, match="not the file that the config pins"):
        run_shipped(shipped, "experiment=sms_spam")
