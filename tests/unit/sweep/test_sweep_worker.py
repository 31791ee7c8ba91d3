from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UserError
from pipeline.sweep.layout import JobLayout
from pipeline.sweep.workers.jobs import Job
from pipeline.sweep.workers.link import Message, knows_key, receive, send
from pipeline.sweep.workers.watcher import LineWatcher
from pipeline.sweep.workers.worker import work
from pipeline.training.progress import CurvePoint
from pipeline.training.signals import StopRequest
from pipeline.training.watching import EndedEarly
from tests.sweep_jobs import (
    DIVERGING,
    job_config,
    line_to_driver,
    make_job,
    saved_states,
    tracked,
    weights,
)

KEY = b"secret"
BROKEN_TASK = """
from pipeline.tasks.text_classification import TextClassification

class Broken(TextClassification):
    def collate(self, *arguments, **options):
        raise RuntimeError("a bug of the user's own")
"""


def hear(driver: Connection) -> Message | None:
    """The next message; None when the worker has let go of the connection."""
    assert driver.poll(30), "the worker says nothing"
    try:
        return receive(driver)
    except (EOFError, ConnectionError):
        return None


def hear_until(driver: Connection, kind: str) -> Any:
    """Says yes to questions, until a message of this kind."""
    while (message := hear(driver)) is not None:
        if kind in message:
            return message[kind]
        if "validation" in message or "trained" in message:
            send(driver, verdict=True)
    raise AssertionError(f"the worker ended without a message of kind {kind}")


def drive(root: Path, script: Callable[[Connection], None]) -> None:
    """Runs a worker in this process, and its driver in a thread."""

    def serve() -> None:
        with listener.accept() as connection:
            assert knows_key(connection, KEY)
            script(connection)

    with Listener(family="AF_UNIX") as listener, ThreadPoolExecutor(1) as pool:
        driver = pool.submit(serve)
        work(str(listener.address), 3, root, KEY)
        driver.result(30)


def test_a_worker_does_one_job_after_the_other_until_it_is_stopped(root: Path) -> None:
    jobs = [
        make_job(root, 0, job_config(trainer={"max_epochs": 1})),
        make_job(root, 1, job_config(optimizer=DIVERGING)),
        make_job(root, 2, job_config(seed=2)),
    ]

    def script(driver: Connection) -> None:
        assert hear(driver) == {"ready": {"worker": 3, "pid": os.getpid()}}
        states = []
        for job in jobs:
            send(driver, job=job.model_dump(mode="json"))
            ended = hear_until(driver, "ended")
            assert ended["run_key"] == job.run_key
            states.append(ended["state"])
        assert states == ["complete", "failed", "complete"]
        send(driver, stop=True)
        assert hear(driver) is None

    drive(root, script)
    assert [JobLayout(Path(job.directory)).log.is_file() for job in jobs] == [True] * 3


def test_a_worker_whose_driver_dies_ends_too(root: Path) -> None:
    former = signal.getsignal(signal.SIGTERM)
    drive(root, lambda driver: hear_until(driver, "ready"))
    assert signal.getsignal(signal.SIGTERM) is former


def test_a_worker_ends_after_a_defect(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_task.py").write_text(BROKEN_TASK)
    monkeypatch.syspath_prepend(tmp_path)
    job = make_job(root, settings=job_config(task={"kind": "broken_task:Broken"}))

    def script(driver: Connection) -> None:
        hear_until(driver, "ready")
        send(driver, job=job.model_dump(mode="json"))
        ended = hear_until(driver, "ended")
        assert (ended["state"], ended["unexpected"]) == ("failed", True)
        assert hear(driver) is None

    drive(root, script)


@pytest.mark.parametrize("ending", ["stop", "death"])
def test_a_worker_saves_its_training_when_it_is_stopped_or_its_driver_dies(
    root: Path, ending: str
) -> None:
    job, undisturbed = make_job(root, 0, prunes=True), make_job(root, 1, prunes=True)

    def interrupt(driver: Connection) -> None:
        hear_until(driver, "ready")
        send(driver, job=job.model_dump(mode="json"))
        while "validation" not in (hear(driver) or {}):
            pass
        if ending == "stop":
            send(driver, stop=True)
            while (message := hear(driver)) is not None:
                assert "ended" not in message

    def finish(driver: Connection) -> None:
        hear_until(driver, "ready")
        for one in (job, undisturbed):
            send(driver, job=one.model_dump(mode="json"))
            assert hear_until(driver, "ended")["state"] == "complete"

    drive(root, interrupt)
    assert len(saved_states(root)) == 1
    assert tracked(root, job.run_key).status == "KILLED"
    drive(root, finish)
    assert weights(job) == weights(undisturbed)
    assert tracked(root, job.run_key).points == tracked(root, undisturbed.run_key).points


def test_a_worker_that_is_stopped_while_it_prepares_data_leaves_nothing_locked(root: Path) -> None:
    shutil.rmtree(root / ".cache")
    job = make_job(root)

    def interrupt(driver: Connection) -> None:
        hear_until(driver, "ready")
        send(driver, job=job.model_dump(mode="json"))
        assert hear_until(driver, "progress")["phase"] == "preparing data"
        send(driver, stop=True)

    def finish(driver: Connection) -> None:
        hear_until(driver, "ready")
        send(driver, job=job.model_dump(mode="json"))
        assert hear_until(driver, "ended")["state"] == "complete"

    drive(root, interrupt)
    assert not JobLayout(Path(job.directory)).result.exists()
    drive(root, finish)


def test_a_worker_with_a_wrong_key_is_not_let_in(root: Path) -> None:
    def serve() -> bool:
        with listener.accept() as connection:
            return knows_key(connection, b"another")

    with Listener(family="AF_UNIX") as listener, ThreadPoolExecutor(1) as pool:
        let_in = pool.submit(serve)
        with pytest.raises((AuthenticationError, EOFError)):
            work(str(listener.address), 0, root, KEY)
        assert let_in.result(30) is False


def test_a_line_that_is_closed_ends_for_the_driver_at_once_and_sends_no_signal() -> None:
    with StopRequest() as stop, line_to_driver() as (line, driver):
        line.close()
        driver.join()
        time.sleep(0.05)
        assert not stop.received


def test_a_driver_that_is_gone_has_no_objection_and_wants_training_to_end() -> None:
    with (
        StopRequest() as stop,
        line_to_driver(lambda _: driver.connection.close()) as (
            line,
            driver,
        ),
    ):
        assert line.goes_on(seed=0, number=1, value=0.5)
        assert stop.received == signal.SIGTERM
        assert line.is_stopping
        line.send(progress={"phase": "training"})
        assert line.next_job() is None


def point(step: int, **metrics: float | None) -> CurvePoint:
    return CurvePoint(step=step, epoch=1.0, train_loss=0.8, val_loss=0.7, metrics=metrics)


def job(**values: Any) -> Job:
    return make_job(Path("/nowhere"), prunes=True, objectives=("accuracy",), **values)


def test_validations_before_an_interruption_are_reported_again() -> None:
    with line_to_driver() as (line, driver):
        watcher = LineWatcher(line, job(), 1)
        curve = [point(5, accuracy=0.5), point(10, accuracy=0.6)]
        watcher.began(step=12, total_steps=40, epochs=4, curve=curve)
        watcher.validated(3, point(15, accuracy=0.7))
    asked = [tuple(question.values()) for question in driver.of("validation")]
    assert asked == [(1, 1, 0.5), (1, 2, 0.6), (1, 3, 0.7)]
    assert [told["step"] for told in driver.of("progress")] == [12, 5, 10, 15]
    assert driver.of("progress")[-1]["value"] == 0.7


def test_a_verdict_against_a_trial_ends_its_training() -> None:
    with line_to_driver(lambda question: question["validation"]["value"] > 0.5) as (line, _):
        watcher = LineWatcher(line, job(), 0)
        watcher.began(step=0, total_steps=40, epochs=4, curve=())
        watcher.validated(1, point(5, accuracy=0.6))
        with pytest.raises(EndedEarly, match=r"validation 2 \(step 10\): accuracy 0\.4000"):
            watcher.validated(2, point(10, accuracy=0.4))


def test_a_trial_at_its_last_validation_is_reported_and_complete() -> None:
    with line_to_driver(lambda _: False) as (line, driver):
        watcher = LineWatcher(line, job(), 0)
        watcher.began(step=5, total_steps=10, epochs=2, curve=())
        watcher.validated(2, point(10, accuracy=0.4))
    assert driver.of("validation") == [{"seed": 0, "number": 2, "value": 0.4}]


def test_the_loss_may_be_judged_too() -> None:
    with line_to_driver() as (line, driver):
        judged = job().model_copy(update={"objectives": ("loss",)})
        LineWatcher(line, judged, 0).validated(1, point(5, accuracy=0.6))
    assert driver.of("validation") == [{"seed": 0, "number": 1, "value": 0.7}]


@pytest.mark.parametrize(("metrics", "what"), [({"accuracy": None}, "undefined"), ({}, "missing")])
def test_a_trial_that_cannot_be_compared_is_not_silently_kept(
    metrics: dict[str, float | None], what: str
) -> None:
    with (
        line_to_driver() as (line, _),
        pytest.raises(UserError, match=rf"accuracy is {what} at validation 1.*\n.*pruner=none"),
    ):
        LineWatcher(line, job(), 0).validated(1, point(5, **metrics))


@pytest.mark.parametrize("changes", [{"prunes": False}, {"over_seeds": True}])
def test_without_pruning_by_validations_an_undefined_metric_is_only_shown(
    changes: dict[str, bool],
) -> None:
    with line_to_driver() as (line, driver):
        watched = job().model_copy(update=changes)
        LineWatcher(line, watched, 0).validated(1, point(5, accuracy=None))
    assert driver.of("validation") == []
    assert driver.of("progress")[-1]["value"] is None
