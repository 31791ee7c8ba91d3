from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.manifest import Manifest
from tests.functional.project import Project
from tests.registered_runs import NAME

pytestmark = pytest.mark.functional

WORSE = ("seed=2", "trainer.max_steps=1", "optimizer.lr=1e-9")
PREDICT = f"""
import mlflow
import pandas

mlflow.set_tracking_uri("sqlite:///mlflow.db")
model = mlflow.pyfunc.load_model("models:/{NAME}@champion")
found = model.predict(pandas.DataFrame({{"text": ["The home team won the match."]}}))
print("ROWS", len(found))
"""


def trained(project: Project, *overrides: str) -> str:
    """Trains and evaluates in a directory of their own; returns the key of the model's run."""
    project.call("evaluate", *overrides)
    (model,) = (project.root / "runs").glob("*/model")
    return Manifest.read(model).run_key


def set_gate(project: Project, **limits: float) -> None:
    project.set_params(gate=limits)


def test_a_candidate_becomes_champion_only_if_it_is_as_good(finished: Project) -> None:
    project = finished
    set_gate(project, max_latency_ms=1e-4, max_size_mb=1e-4)
    project.call("register", Manifest.read(project.root / "outputs" / "model").run_key)
    said = project.call("promote", code=1)
    assert "gate.max_latency_ms asks for at most 0.0001 ms" in said
    assert "gate.max_size_mb asks for at most 0.0001 MB" in said
    assert f"not promoted: {NAME} version 1 failed 2 checks" in said
    set_gate(project)
    said = project.call("promote")
    assert f"promoted: {NAME} version 1 is champion (there was none)" in said

    project.call("register", trained(project, *WORSE))
    said = project.call("promote", code=1)
    assert "significantly worse" in said
    assert "the run was not exported: run export" in said
    assert f"not promoted: {NAME} version 2 failed 2 checks" in said
    assert "ROWS 1" in project.run("python", "-c", PREDICT)


def test_a_sweep_s_word_or_none_is_answered_without_a_traceback(project: Project) -> None:
    said = project.call("register", "nothing", code=2)
    assert "Traceback" not in said
    assert "remedy:" in said
    said = project.call("promote", code=2)
    assert "Traceback" not in said
    assert not Path(project.root / "mlflow.db").exists()
