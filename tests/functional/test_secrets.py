from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml

from tests.functional.project import Project

pytestmark = [pytest.mark.functional, pytest.mark.slow]

ENVIRONMENT = {
    "HF_TOKEN": "p1ant3d-hf-token",
    "AWS_SECRET_ACCESS_KEY": "p1ant3d/aws+secret",
    "MLFLOW_TRACKING_PASSWORD": "p1ant3d-basic-password",
}
SERVER = "http://me:p1ant3d-server-password@127.0.0.1:9"
MODULE = """\
API_KEY = "p1ant3d-api-key"
HEADERS = {"Authorization": "Bearer p1ant3d-bearer-token", "x-api-key": "p1ant3d-header-key"}
BASIC = {"authorization": "Basic cDFhbnQzZDpiYXNpYw=="}
curl = "curl -H 'Authorization: token p1ant3d-curl-token' https://host/x"
FROM_ENVIRONMENT = "p1ant3d-hf-token"
DATA = "https://me:p1ant3d-url-password@host/data.csv?sig=p1ant3d-signature"
"""
DOTENV = """\
DB_PASSWORD=p1ant3d-env-password
export SESSION_SECRET='p1ant3d-env-secret'
SALT=p1ant3d-unnamed-value
"""
CHECKED = ("mlflow.db", "mlflow.db-wal", "mlruns", ".cache/tracking", "outputs", "runs")
SECRETS = (b"p1ant3d", b"cDFhbnQzZDpiYXNpYw==")


def leaks(root: Path) -> list[str]:
    """Every file of the pipeline's outputs that has a p1ant3d secret in it, and the first place."""
    found = []
    for name in CHECKED:
        top = root / name
        for file in [top] if top.is_file() else sorted(top.rglob("*")):
            content = file.read_bytes() if file.is_file() else b""
            for secret in SECRETS:
                if (at := content.find(secret)) >= 0:
                    around = content[max(0, at - 60) : at + 60]
                    found.append(f"{file.relative_to(root)}: {around!r}")
    return found


def start(project: Project, verb: str, variables: dict[str, str]) -> str:
    """Runs a command in a process of its own and returns what it printed."""
    return project.run("python", "-m", "pipeline", verb, code=0, stdin="", **variables)


def call(project: Project, verb: str, variables: dict[str, str], *words: str, code: int = 0) -> str:
    """Does the same in this process."""
    with patch.dict(os.environ, variables):
        return project.call(verb, *words, code=code)


def test_secrets_reach_no_log_parameter_or_artifact(
    tracked: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    project, root = tracked, tracked.root
    (root / "pipeline" / "notes.py").write_text(MODULE, encoding="utf-8")
    (root / ".env").write_text(DOTENV, encoding="utf-8")
    project.edit("params.yaml", "experiment:", "# ask with token=p1ant3d-in-a-change\nexperiment:")
    project.run("git", "remote", "add", "origin", "https://me:p1ant3d-in-git@host/repository.git")
    elsewhere = {**ENVIRONMENT, "MLFLOW_TRACKING_URI": SERVER}
    refused = call(project, "compose", ENVIRONMENT, f"tracking.uri={SERVER}", code=2)
    assert "uri must hold no password" in refused
    said = [
        refused,
        call(project, "compose", ENVIRONMENT),
        call(project, "prepare", ENVIRONMENT),
        start(project, "train", ENVIRONMENT),
        start(project, "evaluate", elsewhere),
        call(project, "evaluate", ENVIRONMENT),
        call(project, "doctor", elsewhere),
        *capfd.readouterr(),
    ]
    for text in said:
        assert not any(secret.decode() in text for secret in SECRETS), text
    assert "me:***@127.0.0.1:9" in said[4]
    assert leaks(root) == []
    changes = list((root / "mlruns").rglob("diff.patch"))
    assert changes
    assert all("FROM_ENVIRONMENT" in change.read_text(encoding="utf-8") for change in changes)
    params = yaml.safe_load(next((root / "mlruns").rglob("config.yaml")).read_text("utf-8"))
    assert params["task"]
