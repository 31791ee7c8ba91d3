from __future__ import annotations

import sys
from contextlib import closing
from multiprocessing.connection import Listener
from pathlib import Path

import psutil
import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.sweep.workers.crew import Crew
from pipeline.sweep.workers.local import LocalLauncher, visible_gpus


def poll_for_ever(crew: Crew) -> None:
    while True:
        crew.poll(0.05)


def children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if "pipeline.sweep.workers.worker" in " ".join(child.cmdline())
    ]


def test_local_workers_share_threads_and_gpus(tmp_path: Path) -> None:
    launcher = LocalLauncher(tmp_path, tmp_path / "logs", threads=3, gpus=("4", "GPU-7"))
    with closing(Crew(launcher, 3)):
        found = {child.cmdline()[-2]: child.environ() for child in children()}
    assert {index: values["CUDA_VISIBLE_DEVICES"] for index, values in found.items()} == {
        "0": "4",
        "1": "GPU-7",
        "2": "4",
    }
    for values in found.values():
        assert values["OMP_NUM_THREADS"] == values["MKL_NUM_THREADS"] == "3"
    assert children() == []


def test_without_gpus_workers_see_what_the_driver_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == ()
    with closing(Crew(LocalLauncher(tmp_path, tmp_path / "logs", threads=1, gpus=()), 1)):
        [child] = children()
        assert child.environ()["CUDA_VISIBLE_DEVICES"] == ""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,GPU-3")
    assert visible_gpus() == ("1", "GPU-3")


def test_local_workers_that_cannot_start_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    launcher = LocalLauncher(tmp_path, tmp_path / "logs", threads=1, gpus=())
    with closing(Crew(launcher, 1)) as crew:
        with pytest.raises(EnvironmentProblem, match=r"exit code 1 \(see .*worker-0\.log\)"):
            poll_for_ever(crew)
        assert crew.idle == []


def test_the_socket_of_local_workers_is_for_this_user_only(tmp_path: Path) -> None:
    launcher = LocalLauncher(tmp_path, tmp_path / "logs", threads=1, gpus=())
    listener: Listener = launcher.listener()
    folder = Path(str(listener.address)).parent
    assert folder.stat().st_mode & 0o077 == 0
    listener.close()
    launcher.close()
    assert not folder.exists()
