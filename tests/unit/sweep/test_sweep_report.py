"""The files of a sweep's report, for studies of every shape."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
from PIL import Image

from pipeline.errors import EnvironmentProblem
from pipeline.sweep.comparison import Comparison, compare
from pipeline.sweep.report.writing import write_report
from pipeline.sweep.study.records import (
    STUDY_FACTS,
    StudyRecord,
    TrialRecord,
    decode,
    encode,
    read_study,
)
from tests.reported_studies import (
    CLEANING,
    LR,
    THREE,
    TWO,
    WARMUP,
    accuracy,
    mixed,
    only,
    record,
    sampled,
    trial,
)
from tests.stored_studies import study_facts

EVERY = {"history", "importances", "slices", "parallel", "contours", "intermediate"}


def written(known: StudyRecord, directory: Path, comparison: Comparison | None = None) -> set[str]:
    """Writes a report, and says which pictures it has."""
    file = write_report(known, comparison, directory)
    assert file == directory / "report.html"
    text = (directory / "report.md").read_text(encoding="utf-8")
    assert "could not be drawn" not in text
    pictures = {path.stem for path in directory.glob("*.png")}
    assert set(re.findall(r"\]\((\w+)\.png\)", text)) == pictures
    assert file.read_text(encoding="utf-8").count("data:image/png;base64,") == len(pictures)
    return pictures


ONE_PARAMETER = {"optimizer.lr": LR}
TWO_PARAMETERS = {"optimizer.lr": LR, "scheduler.warmup_ratio": WARMUP}


def whole() -> StudyRecord:
    """A study of all outcomes over parameters of every kind."""
    return record(mixed(12))


def versus_default() -> Comparison:
    return compare("accuracy", "maximize", {1: 0.9, 2: 0.92}, {1: 0.8, 2: 0.85}, 0.95)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a study of all outcomes with a comparison, written once."""
    directory = tmp_path_factory.mktemp("whole") / "report"
    assert written(whole(), directory, versus_default()) == EVERY | {"comparison"}
    return directory


SHAPES: dict[str, tuple[Callable[[], StudyRecord], set[str]]] = {
    "nothing": (lambda: record([]), set()),
    "one trial": (lambda: record(mixed(1)), {"history", "intermediate"}),
    "two trials": (lambda: record(mixed(2)), EVERY - {"importances", "contours"}),
    "two objectives": (lambda: record(mixed(12, 2), TWO), EVERY - {"intermediate"} | {"pareto"}),
    "three objectives": (
        lambda: record(mixed(8, 3, TWO_PARAMETERS), THREE, TWO_PARAMETERS),
        EVERY - {"intermediate"} | {"pareto"},
    ),
    "one trial of two objectives": (lambda: record(mixed(1, 2), TWO), {"history", "pareto"}),
    "one parameter": (
        lambda: record(
            [trial(n, p, accuracy(p)) for n, p in enumerate(sampled(9, ONE_PARAMETER))],
            space=ONE_PARAMETER,
        ),
        {"history", "slices", "parallel"},
    ),
    "constant values": (
        lambda: record(
            [trial(n, p, 0.5) for n, p in enumerate(sampled(8, TWO_PARAMETERS))],
            space=TWO_PARAMETERS,
        ),
        {"history", "slices", "parallel", "contours"},
    ),
    "all pruned": (
        lambda: record(only("pruned", reported={1: 0.4, 2: math.nan})),
        {"history", "intermediate"},
    ),
    "all failed": (lambda: record(only("failed", reason="out of memory")), set()),
    "all infeasible": (
        lambda: record(
            [
                trial(n, p, accuracy(p), outcome="infeasible", violations={"size_mb": 3.0})
                for n, p in enumerate(sampled(8, TWO_PARAMETERS))
            ],
            space=TWO_PARAMETERS,
        ),
        EVERY - {"intermediate"},
    ),
    "waiting and running": (
        lambda: record([trial(0, {}, outcome="running"), TrialRecord(1, "waiting")]),
        set(),
    ),
    "infinite values": (
        lambda: record([trial(n, p, math.inf) for n, p in enumerate(sampled(6))]),
        set(),
    ),
    "parameters that the space does not know": (
        lambda: record([trial(n, {"x": n, "y": str(n % 2)}, n / 10) for n in range(6)]),
        EVERY - {"intermediate"},
    ),
    "seeds as steps": (
        lambda: record(
            [
                trial(n, p, accuracy(p), reported={101: 0.4, 205: 0.5, 7: 0.6})
                for n, p in enumerate(sampled(6, TWO_PARAMETERS))
            ],
            space=TWO_PARAMETERS,
            pruner={"kind": "wilcoxon"},
            seeds=3,
        ),
        EVERY,
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_study_of_any_shape_has_a_report(tmp_path: Path, shape: str) -> None:
    make, pictures = SHAPES[shape]
    assert written(make(), tmp_path / "report") == pictures


def test_every_picture_that_is_left_out_says_why(tmp_path: Path) -> None:
    written(record(mixed(1)), tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "Importance of parameters: it needs 5 trials with values." in text
    assert "Parallel coordinates: it needs two trials with values and a parameter" in text
    assert "Pareto" not in text


def test_a_picture_that_fails_costs_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no idea")

    monkeypatch.setattr("pipeline.sweep.report.plots.history", fail)
    monkeypatch.setattr("pipeline.sweep.report.plots.with_importances", fail)
    write_report(record(mixed(6)), None, tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "History: it could not be drawn (ValueError: no idea)." in text
    assert "Importance of parameters: it could not be drawn (ValueError: no idea)." in text
    assert (tmp_path / "report" / "slices.png").exists()


def test_pictures_have_144_dots_per_inch_and_fit_a_page(report: Path) -> None:
    for name in EVERY | {"comparison"}:
        with Image.open(report / f"{name}.png") as image:
            assert image.info["dpi"] == pytest.approx((144, 144), abs=0.1)
            assert 5 * 144 < image.width < 11 * 144
            assert np.asarray(image.convert("L")).std() > 5


def test_a_report_is_replaced_as_a_whole(report: Path, tmp_path: Path) -> None:
    shutil.copytree(report, tmp_path / "report")
    assert written(record([]), tmp_path / "report") == set()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report"]


def test_a_report_that_cannot_be_written_leaves_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        written(record([]), tmp_path / "file" / "report")


def test_the_same_study_gives_the_same_files(report: Path, tmp_path: Path) -> None:
    written(whole(), tmp_path / "again", versus_default())
    for path in report.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_a_study_that_optuna_made_has_all_its_pictures(tmp_path: Path) -> None:
    study = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(),
        direction="maximize",
        sampler=optuna.samplers.RandomSampler(seed=0),
        study_name="lr",
    )
    study.set_user_attr(STUDY_FACTS, study_facts().model_dump_json())
    for number in range(8):
        asked = study.ask()
        lr = asked.suggest_float("optimizer.lr", 1e-6, 1e-2, log=True)
        choice = asked.suggest_categorical("data.cleaning", [encode(c) for c in CLEANING])
        assert decode(choice) in CLEANING or decode(choice) == decode(encode(CLEANING[1]))
        asked.report(0.5, 1)
        if number == 3:
            study.tell(asked, state=optuna.trial.TrialState.PRUNED)
        elif number == 4:
            study.tell(asked, state=optuna.trial.TrialState.FAIL)
        else:
            asked.set_constraint("loss", 1.0 if number == 5 else -1.0)
            study.tell(asked, accuracy({"optimizer.lr": lr}))
    write_report(read_study(study), None, tmp_path / "report")
    assert {path.stem for path in (tmp_path / "report").glob("*.png")} == EVERY
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "5 complete, 1 infeasible, 1 pruned, 1 failed." in text
    assert "breaks loss by 1.0000" in text
