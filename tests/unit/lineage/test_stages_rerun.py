from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.lineage.running import Stages, ending_gently


def project(root: Path, code: str) -> Path:
    """A project whose package does something else than the installed one."""
    (root / "pipeline").mkdir(parents=True)
    (root / "pipeline" / "__init__.py").write_text("", encoding="utf-8")
    (root / "pipeline" / "__main__.py").write_text(code, encoding="utf-8")
    return root


def test_a_stage_runs_the_code_of_its_project_and_sees_no_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("DVC_ROOT", "/elsewhere")
    code = (
        "import os, sys; print('stage', sys.argv[1], os.environ['OMP_NUM_THREADS'], "
        "[name for name in os.environ if name.startswith(('MLFLOW', 'DVC'))])"
    )
    log = tmp_path / "log"
    stages = Stages(project(tmp_path / "project", code), log, total=2, threads="3")
    stages.run("prepare")
    stages.run("train")
    assert log.read_text() == "stage prepare 3 []\nstage train 3 []\n"
    told = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in told if line] == ["1/2 prepare", "2/2 train"]


def test_a_stage_that_fails_tells_its_last_words(tmp_path: Path) -> None:
    code = "print('\\n'.join(f'line {n}' for n in range(100))); raise SystemExit(3)"
    stages = Stages(project(tmp_path / "project", code), tmp_path / "log", total=1, threads=None)
    with pytest.raises(EnvironmentProblem, match=r"stage train failed .* code 3") as caught:
        stages.run("train")
    assert "line 99" in caught.value.message
    assert "line 9\n" not in caught.value.message
    assert str(tmp_path / "log") in str(caught.value.remedy)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_ends_the_stage_and_cleans_up(tmp_path: Path, number: int) -> None:
    code = (
        "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"
    )
    root = project(tmp_path / "project", code)
    stages = Stages(root, tmp_path / "log", total=1, threads=None)

    def interrupt() -> None:
        while not (root / "pid").is_file() or not (root / "pid").read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    cleaned = []
    former = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt), ending_gently(lambda: cleaned.append(True)):
        stages.run("train")
    assert cleaned == [True]
    assert signal.getsignal(signal.SIGTERM) == former
    with pytest.raises(ProcessLookupError):
        os.kill(int((root / "pid").read_text()), 0)
