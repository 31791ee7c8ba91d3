from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from pipeline.errors import UserError
from pipeline.lineage.checking import Check, check_hash, check_numbers, check_predictions
from pipeline.lineage.machines import differences
from pipeline.lineage.origin import Origin, find_origin, model_run
from pipeline.lineage.verdict import Verdict, verdict_table
from pipeline.provenance import machine, versions
from pipeline.tracking.reading import RunReader
from pipeline.tracking.store import connect
from tests.unit.lineage.tracked_runs import REVISION, TrackRun

CONFIG = {"config.yaml": "seed: 0\ntracking: {uri: 'http://me:***@host'}\n"}
PATCH = "diff --git a/x b/x\n"


def verdict(
    reader: RunReader, track: TrackRun, *checks: Check, machine: tuple[str, ...] = ()
) -> Verdict:
    track("a", texts=CONFIG)
    return Verdict(find_origin(reader, reader.find("a")), checks, machine)


def origin(reader: RunReader, key: str = "a") -> Origin:
    return find_origin(reader, reader.find(key))


def test_hashes_are_equal_different_or_not_recorded() -> None:
    assert check_hash("weights", "a" * 64, "a" * 64).equal is True
    assert check_hash("weights", "a" * 64, "b" * 64).equal is False
    assert check_hash("weights", "a" * 64, None).equal is False
    assert check_hash("weights", None, "b" * 64).equal is None


@pytest.mark.parametrize(
    ("found", "equal", "words"),
    [
        ({"test": {"f1": {"value": 0.5}, "mcc": {"value": 0.25}}}, True, "2 numbers"),
        (
            {"test": {"f1": {"value": 0.5}, "mcc": {"value": 0.5}}},
            False,
            "1 of 2.*test.mcc [+]0.25",
        ),
        ({"test": {"f1": {"value": 0.5 + 1e-17}, "mcc": {"value": 0.25}}}, True, "2 numbers"),
        ({"test": {"f1": {"value": 0.5 + 2e-16}, "mcc": {"value": 0.25}}}, False, "1 of 2"),
        ({"test": {"f1": {"value": 0.5}}}, False, "test.mcc is missing"),
        ({"test": {"f1": 0.5, "mcc": 0.25, "x": 1}}, False, "test.x is new"),
    ],
)
def test_numbers_are_compared_to_the_last_bit(
    found: Mapping[str, Any], equal: bool, words: str
) -> None:
    recorded = {"test": {"f1": {"value": 0.5}, "mcc": {"value": 0.25}}}
    check = check_numbers("metrics", recorded, found)
    assert check.equal is equal
    assert re.search(words, check.text)


def test_numbers_that_were_not_recorded_decide_nothing() -> None:
    assert check_numbers("metrics", {}, {"f1": 0.5}).equal is None


def predictions(folder: Path, **columns: list[Any]) -> Path:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / "predictions_test.parquet")
    return folder


def test_predictions_are_compared_row_by_row(tmp_path: Path) -> None:
    nan = float("nan")
    one = predictions(tmp_path / "one", label=["a", "b", "c"], score=[0.5, nan, 0.5])
    two = predictions(tmp_path / "two", label=["a", "b", "c"], score=[0.5, nan, 0.5])
    assert check_predictions(one, two) == Check(
        "predictions", True, "3 rows of all splits, to the last bit"
    )
    predictions(two, label=["a", "c", "c"], score=[0.5, nan, 0.25])
    assert check_predictions(one, two).text == "test: label in 1 row, score in 1 row"
    predictions(two, label=["a"], score=[0.5])
    assert check_predictions(one, two).text == "test: 1 rows, not 3"
    predictions(two, label=["a"])
    assert check_predictions(one, two).text == "test: other columns"
    (two / "predictions_test.parquet").unlink()
    assert check_predictions(one, two).equal is False
    assert check_predictions(two, one).equal is None


def test_this_machine_does_not_differ_from_itself() -> None:
    here = machine()
    tags = {"cpu": here.cpu, "threads": "3"}
    tags |= {"gpu": ", ".join(here.gpus)} if here.gpus else {}
    tags |= {f"version.{name}": version for name, version in versions().items()}
    assert differences(tags, threads="3") == []
    tags |= {"cpu": "Another", "version.torch": "1.0", "version.mlflow": "1.0"}
    told = differences(tags, threads="3")
    assert told == [
        f"cpu {here.cpu}, the run had Another",
        f"torch {versions()['torch']}, the run had 1.0",
    ]


def test_a_verdict_needs_one_equal_result_and_no_other(reader: RunReader, track: TrackRun) -> None:
    data, weights = Check("data", True, ""), Check("weights", True, "")
    metrics, unknown = Check("metrics", False, ""), Check("weights", None, "")
    one = verdict(reader, track, data, weights)
    assert (one.is_equal, one.in_words) == (True, "equal, bit for bit")
    two = verdict(reader, track, data, weights, metrics)
    assert (two.is_equal, two.in_words) == (False, "not equal: metrics")
    three = verdict(reader, track, data, metrics, machine=("cpu x, the run had y",))
    assert three.in_words == "not equal on another kind of machine: metrics"
    four = verdict(reader, track, data, unknown)
    assert (four.is_equal, four.in_words[:7]) == (False, "unknown")
    five = verdict(reader, track, data, unknown, Check("metrics", True, ""))
    assert five.in_words == "equal, bit for bit; not recorded: weights"


def test_the_table_of_a_verdict_names_what_may_explain_it(
    reader: RunReader, track: TrackRun
) -> None:
    found = verdict(
        reader, track, Check("weights", False, "sha256 …"), machine=("cpu x, the run had y",)
    )
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(verdict_table(found))
    text = console.export_text()
    assert "weights  differs  sha256 …" in text
    assert "machine  differs  cpu x, the run had y" in text
    assert "bits may differ between kinds of machines" in text
    assert "verdict           not equal on another kind of machine: weights" in text


def test_a_parent_of_one_model_stands_for_it(reader: RunReader, track: TrackRun) -> None:
    track("a", role="pipeline")
    track("a-model", parent="a")
    assert model_run(reader, "a").key == "a-model"
    assert model_run(reader, "a-model").key == "a-model"


def test_a_parent_of_several_models_names_them(reader: RunReader, track: TrackRun) -> None:
    track("g", role="group")
    track("g-seed0", parent="g")
    track("g-seed1", parent="g")
    with pytest.raises(UserError, match="holds 2 trained models") as caught:
        model_run(reader, "g")
    assert reader.find("g-seed0").run_id in caught.value.message


def test_a_run_without_a_model_is_refused(reader: RunReader, track: TrackRun) -> None:
    track("s", role="study")
    with pytest.raises(UserError, match="trained no model"):
        model_run(reader, "s")


def test_an_origin_is_revision_patch_and_configuration(reader: RunReader, track: TrackRun) -> None:
    digest = hashlib.sha256(PATCH.encode()).hexdigest()
    tags = {"git.dirty": "true", "git.diff_sha256": digest}
    texts = {**CONFIG, "git/diff.patch": PATCH, "evaluation/metrics.json": "{}"}
    track("a", tags=tags, texts=texts)
    found = origin(reader)
    assert (found.revision, found.patch) == (REVISION, PATCH.encode())
    assert found.config["seed"] == 0
    assert found.evaluated
    assert found.notes == ()


def test_the_patch_of_a_trial_is_that_of_its_sweep(reader: RunReader, track: TrackRun) -> None:
    track("s", role="study", texts={"git/diff.patch": PATCH})
    track("s-1", role="trial", parent="s", tags={"git.dirty": "true"}, texts=CONFIG)
    track("s-1-seed0", role="seed", parent="s-1", tags={"git.dirty": "true"}, texts=CONFIG)
    found = origin(reader, "s-1-seed0")
    assert found.patch == PATCH.encode()
    assert not found.evaluated


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"texts": {}}, "has no artifact config.yaml"),
        ({"texts": {"config.yaml": "[1]"}}, "is not a configuration"),
        ({"texts": {"config.yaml": "task: {options: {password: hunter2}}"}}, "held a secret"),
        (
            {
                "tags": {"git.dirty": "true"},
                "texts": {**CONFIG, "git/diff.patch": "The patch has 9,999,999 characters, …"},
            },
            "too many to keep",
        ),
        (
            {
                "tags": {"git.dirty": "true", "git.diff_sha256": "0" * 64},
                "texts": {**CONFIG, "git/diff.patch": PATCH},
            },
            "not the one it ran from",
        ),
    ],
)
def test_a_run_that_does_not_say_enough_is_refused(
    reader: RunReader, track: TrackRun, options: dict[str, Any], words: str
) -> None:
    track("a", **{"texts": CONFIG, **options})
    with pytest.raises(UserError, match=words):
        origin(reader)


def test_a_run_that_goes_on_is_refused(root: Path, reader: RunReader, track: TrackRun) -> None:
    track("a", texts=CONFIG)
    client = connect(f"sqlite:///{root}/mlflow.db", root)
    client.update_run(reader.find("a").run_id, status="RUNNING")
    with pytest.raises(UserError, match="is still going on"):
        origin(reader)


def test_a_run_outside_a_repository_is_refused(reader: RunReader, track: TrackRun) -> None:
    track("a", texts=CONFIG, revision=None)
    with pytest.raises(UserError, match="git revision"):
        origin(reader)


def test_what_is_not_known_is_noted(reader: RunReader, track: TrackRun) -> None:
    track("a", tags={"git.dirty": "true"}, texts=CONFIG)
    masked = {"git.dirty": "true", "git.diff_sha256": "0" * 64}
    track("b", tags=masked, texts={**CONFIG, "git/diff.patch": PATCH + "+password = hunter2\n"})
    later = {"evaluate.git.revision": "9" * 40}
    track("c", tags=later, texts={**CONFIG, "evaluation/metrics.json": "{}"})
    assert "none of them was kept" in origin(reader).notes[0]
    assert "secrets in its uncommitted changes were masked" in origin(reader, "b").notes[0]
    assert "evaluated from revision 99999999" in origin(reader, "c").notes[0]
