from __future__ import annotations

import gc
import shutil
from pathlib import Path

import pytest

from pipeline.config.schema import Config
from tests.sweep_jobs import (
    DIVERGING,
    do_job,
    job_config,
    make_job,
    model_of,
    result_file,
    saved_states,
    tracked,
)

RAISING = """
from pipeline.tasks.text_classification import TextClassification

class Raising(TextClassification):
    def metrics(self, *arguments):
        raise RuntimeError("a bug of the user's own")
"""


def test_training_that_diverges_is_a_failed_trial_with_its_reason(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = make_job(root, settings=job_config(optimizer=DIVERGING))
    result, _ = do_job(job, root)
    assert (result.state, result.unexpected) == ("failed", False)
    assert "training has diverged" in result.reason
    assert "remedy" not in result.reason
    run = tracked(root, job.run_key)
    assert (run.status, run.tags["trial_state"]) == ("FAILED", "failed")
    assert run.tags["trial_reason"] == result.reason
    assert result_file(job)["state"] == "failed"
    assert "UserError" in capsys.readouterr().err
    assert saved_states(root) == []


def test_a_trial_without_a_value_of_its_objective_fails_and_leaves_no_model(root: Path) -> None:
    job = make_job(root, settings=job_config(trainer={"max_epochs": 1}), objectives=("bleu",))
    result, _ = do_job(job, root)
    assert (result.state, result.unexpected) == ("failed", False)
    assert result.reason == "the training with seed 0 has no value of bleu"
    assert not model_of(job).exists()


def test_pruning_by_a_metric_that_validations_lack_fails_at_once(root: Path) -> None:
    result, driver = do_job(make_job(root, objectives=("bleu",), prunes=True), root)
    assert result.state == "failed"
    assert result.reason.startswith("the metric bleu is missing at validation 1")
    assert driver.of("validation") == []


def test_missing_data_is_a_failed_trial(root: Path) -> None:
    shutil.rmtree(root / ".cache")
    (root / "data" / "tiny.csv").unlink()
    result, _ = do_job(make_job(root), root)
    assert (result.state, result.unexpected) == ("failed", False)
    assert "data/tiny.csv" in result.reason
    assert tracked(root, "study-0000").status == "FAILED"


@pytest.fixture
def raising(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    (tmp_path / "raising_task.py").write_text(RAISING)
    monkeypatch.syspath_prepend(tmp_path)
    return job_config(task={"kind": "raising_task:Raising"})


def test_a_defect_is_a_failed_trial_that_nobody_expected(
    root: Path, raising: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    result, _ = do_job(make_job(root, settings=raising), root)
    assert (result.state, result.unexpected) == ("failed", True)
    assert result.reason == "RuntimeError: a bug of the user's own"
    assert "raising_task.py" in capsys.readouterr().err
    assert tracked(root, "study-0000").status == "FAILED"


def test_a_failed_trial_gives_its_memory_back(root: Path, raising: Config) -> None:
    from transformers import BertPreTrainedModel

    def models() -> int:
        return sum(isinstance(thing, BertPreTrainedModel) for thing in gc.get_objects())

    before = models()
    result, _ = do_job(make_job(root, settings=raising), root)
    assert result.state == "failed"
    assert models() == before
