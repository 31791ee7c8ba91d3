from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.tasks.base import MetricSpec
from pipeline.tasks.registry import load_task, primary_metric, shipped_tasks

OWN_TASK = """
from pipeline.config.base import Section
from pipeline.tasks.base import MetricSpec
from pipeline.tasks.text_classification import TextClassification


class Options(Section):
    shout: bool = False


class Shouting(TextClassification):
    Options = Options
    name = "shouting"
    primary_metric = MetricSpec("mcc")

    def __init__(self, options):
        super().__init__(TextClassification.Options())
        self.shout = options.shout


class NoTask:
    name = "no task"
"""


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    package = tmp_path / "own_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tasks.py").write_text(OWN_TASK, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("own_package", "own_package.tasks"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "own_package.tasks"


def test_the_shipped_tasks_load_by_name() -> None:
    assert shipped_tasks() == (
        "audio_classification",
        "causal_language_model",
        "image_classification",
        "masked_language_model",
        "multi_label_classification",
        "regression",
        "sequence_to_sequence",
        "speech_recognition_ctc",
        "speech_recognition_seq2seq",
        "text_classification",
        "text_pair_classification",
        "text_pair_ranking",
        "text_pair_regression",
        "token_classification",
    )
    for name in shipped_tasks():
        assert load_task(name, {}).name == name


def test_a_task_of_the_users_own_loads_by_its_class(own_package: str) -> None:
    task: Any = load_task(f"{own_package}:Shouting", {"shout": True})
    assert task.name == "shouting"
    assert task.shout is True
    assert primary_metric(task, None) == MetricSpec("mcc")


def test_an_unknown_task_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'text_classification'"):
        load_task("text_clasification", {})


def test_a_helper_module_is_no_task() -> None:
    with pytest.raises(ConfigError, match=r"task\.kind: there is no task 'columns'"):
        load_task("columns", {})


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no_such_package.tasks:Task", "'no_such_package.tasks' cannot be imported"),
        (":Task", "'' cannot be imported"),
        ("{own}:Shoutin", "has no class 'Shoutin'"),
        ("{own}:NoTask", "is no task: it lacks Options"),
    ],
)
def test_a_wrong_path_to_a_class_says_what_is_wrong(
    own_package: str, kind: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_task(kind.format(own=own_package), {})


def test_all_wrong_options_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        load_task(
            "text_classification", {"objectiv": "softmax", "label_smoothing": 2, "objective": "x"}
        )
    keys = {problem.key for problem in caught.value.problems}
    assert keys == {
        "task.options.objectiv",
        "task.options.label_smoothing",
        "task.options.objective",
    }
    assert "did you mean 'objective'?" in str(caught.value)


def test_the_primary_metric_is_the_tasks_own_or_one_it_has() -> None:
    task = load_task("text_classification", {})
    assert primary_metric(task, None) == MetricSpec("accuracy", test="mcnemar")
    assert primary_metric(task, "log_loss") == MetricSpec(
        "log_loss", higher_is_better=False, test="bootstrap"
    )
    with pytest.raises(ConfigError, match=r"(?s)task\.primary_metric.*did you mean 'f1_macro'"):
        primary_metric(task, "f1_marco")


def test_tasks_and_metrics_import_without_torch() -> None:
    script = (
        "import sys; from pipeline.tasks.registry import load_task, shipped_tasks\n"
        "import pipeline.metrics.classification, pipeline.metrics.entities\n"
        "[load_task(name, {}) for name in shipped_tasks()]\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'mlflow'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_every_shipped_option_is_valid(repository: Path) -> None:
    import yaml

    paths = sorted((repository / "conf" / "task").glob("*.yaml"))
    assert len(paths) >= 3
    for path in paths:
        section = yaml.safe_load(path.read_text(encoding="utf-8"))
        load_task(section["kind"], section.get("options", {}))
