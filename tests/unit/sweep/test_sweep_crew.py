"""A crew's logic, with workers that follow a script."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import closing
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.sweep.workers import crew as crew_module
from pipeline.sweep.workers.crew import Crew, Ended, Event, Lost, Trained, Validation
from pipeline.sweep.workers.link import send
from tests.scripted_workers import (
    ScriptedLauncher,
    busy,
    defective,
    end,
    inquisitive,
    mortal,
    next_job,
    obedient,
)
from tests.sweep_jobs import make_job

ROOT = Path("/nowhere")


def poll_until(crew: Crew, true: Callable[[list[Event]], Any]) -> list[Event]:
    events: list[Event] = []
    deadline = time.monotonic() + 20
    while not true(events):
        assert time.monotonic() < deadline, events
        events += crew.poll(0.05)
    return events


def ready(crew: Crew) -> None:
    assert poll_until(crew, lambda _: len(crew.idle) == len(crew.workers)) == []


def test_each_worker_does_a_job_and_is_free_for_the_next() -> None:
    with closing(Crew(ScriptedLauncher(obedient), 3)) as crew:
        ready(crew)
        jobs = [make_job(ROOT, number) for number in range(3)]
        for worker, job in zip(crew.idle, jobs, strict=True):
            crew.assign(worker, job)
        assert (len(crew.busy), crew.idle) == (3, [])
        events = poll_until(crew, lambda events: len(events) == 3)
        assert all(isinstance(event, Ended) for event in events)
        assert {event.job.name for event in events} == {job.name for job in jobs}
        assert len(crew.idle) == 3


def test_questions_of_a_worker_are_events_and_get_their_answers() -> None:
    with closing(Crew(ScriptedLauncher(inquisitive), 1)) as crew:
        ready(crew)
        crew.assign(crew.idle[0], make_job(ROOT))
        [asked] = poll_until(crew, bool)
        assert isinstance(asked, Validation)
        assert (asked.seed, asked.number, asked.value) == (0, 1, 0.5)
        assert asked.worker.progress["step"] == 5
        crew.answer(asked.worker, verdict=True)
        [asked_again] = poll_until(crew, bool)
        assert isinstance(asked_again, Trained)
        assert asked_again.metrics == {"log_loss": 0.5}
        crew.answer(asked_again.worker, verdict=True)
        [ended] = poll_until(crew, bool)
        assert isinstance(ended, Ended)
        assert ended.result.reason == "kept"

        crew.assign(crew.idle[0], make_job(ROOT, 1))
        [asked] = poll_until(crew, bool)
        assert isinstance(asked, Validation)
        crew.answer(asked.worker, verdict=False)
        [ended] = poll_until(crew, bool)
        assert isinstance(ended, Ended)
        assert ended.result.state == "pruned"


def test_a_worker_that_dies_over_a_job_is_replaced() -> None:
    launcher = ScriptedLauncher(mortal, obedient)
    with closing(Crew(launcher, 1)) as crew:
        ready(crew)
        job = make_job(ROOT)
        crew.assign(crew.idle[0], job)
        assert poll_until(crew, bool) == [Lost(job, "its script ended")]
        ready(crew)
        assert launcher.started == 2
        crew.assign(crew.idle[0], job)
        [event] = poll_until(crew, bool)
        assert isinstance(event, Ended)


def test_a_worker_that_ends_after_a_defect_gets_no_further_job() -> None:
    launcher = ScriptedLauncher(defective, obedient)
    with closing(Crew(launcher, 1)) as crew:
        ready(crew)
        crew.assign(crew.idle[0], make_job(ROOT))
        [event] = poll_until(crew, bool)
        assert isinstance(event, Ended)
        assert event.result.unexpected
        assert crew.idle == crew.busy == []
        ready(crew)
        assert launcher.started == 2


def test_an_idle_worker_that_dies_costs_no_job() -> None:
    launcher = ScriptedLauncher(lambda _: None, obedient)
    with closing(Crew(launcher, 1)) as crew:
        assert poll_until(crew, lambda _: launcher.started == 2) == []
        ready(crew)


def test_a_worker_that_only_hangs_up_is_lost_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang_up(connection: Connection) -> None:
        next_job(connection)
        connection.close()
        time.sleep(2)

    monkeypatch.setattr(crew_module, "_DEATH_SECONDS", 0.1)
    with closing(Crew(ScriptedLauncher(hang_up, obedient), 1)) as crew:
        ready(crew)
        crew.assign(crew.idle[0], make_job(ROOT))
        [event] = poll_until(crew, bool)
        assert isinstance(event, Lost)
        assert event.reason == "it let go of the connection"


def test_workers_that_die_before_they_are_ready_three_times_in_a_row_are_given_up() -> None:
    launcher = ScriptedLauncher(None)
    with (
        closing(Crew(launcher, 1)) as crew,
        pytest.raises(EnvironmentProblem, match="3 workers in a row ended before they were ready"),
    ):
        poll_until(crew, lambda _: False)
    assert launcher.started == 3


def test_failed_starts_count_only_in_a_row() -> None:
    launcher = ScriptedLauncher(None, None, mortal, None, None, obedient)
    with closing(Crew(launcher, 1)) as crew:
        ready(crew)
        crew.assign(crew.idle[0], make_job(ROOT))
        [event] = poll_until(crew, bool)
        assert isinstance(event, Lost)
        ready(crew)
        assert launcher.started == 6


def test_stopping_loses_running_jobs_for_now_and_starts_no_worker() -> None:
    launcher = ScriptedLauncher(busy)
    with closing(Crew(launcher, 3)) as crew:
        ready(crew)
        jobs = [make_job(ROOT, number) for number in range(2)]
        for worker, job in zip(crew.idle, jobs, strict=False):
            crew.assign(worker, job)
        events = crew.stop()
        assert {event.job.name for event in events} == {job.name for job in jobs}
        assert all(isinstance(event, Lost) for event in events)
        assert crew.busy == []
        assert launcher.started == 3


def test_a_job_that_ends_while_all_stop_has_ended() -> None:
    def finish_first(connection: Connection) -> None:
        job = next_job(connection)
        connection.poll(20)
        end(connection, job)

    with closing(Crew(ScriptedLauncher(finish_first), 1)) as crew:
        ready(crew)
        crew.assign(crew.idle[0], make_job(ROOT))
        [event] = crew.stop()
        assert isinstance(event, Ended)


def test_a_worker_that_does_not_stop_in_time_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(connection: Connection) -> None:
        next_job(connection)
        time.sleep(2)

    monkeypatch.setattr(crew_module, "_STOP_SECONDS", 0.2)
    with closing(Crew(ScriptedLauncher(deaf), 1)) as crew:
        ready(crew)
        job = make_job(ROOT)
        crew.assign(crew.idle[0], job)
        assert crew.stop() == [Lost(job, "it did not stop in time")]


def says_nothing(address: Any) -> Any:
    return socket.create_connection(address)


def talks_nonsense(address: Any) -> Any:
    stranger = socket.create_connection(address)
    stranger.sendall(b"GET / HTTP/1.1\r\nHost: driver\r\n\r\n")
    return stranger


def guesses_the_key(address: Any) -> Any:
    with pytest.raises(Exception, match=r"digest|^$"):
        Client(address, authkey=b"guess")
    return None


@pytest.mark.parametrize("stranger", [says_nothing, talks_nonsense, guesses_the_key])
def test_a_stranger_is_not_let_in_and_keeps_no_worker_out(
    stranger: Callable[[Any], Any],
) -> None:
    class Late(ScriptedLauncher):
        """The stranger is there before the worker."""

        def start(self, address: Any, index: int, key: bytes) -> Any:
            self.kept = stranger(address)
            return super().start(address, index, key)

    with closing(Crew(Late(obedient, family="AF_INET"), 1)) as crew:
        ready(crew)
        crew.assign(crew.idle[0], make_job(ROOT))
        [event] = poll_until(crew, bool)
        assert isinstance(event, Ended)


def test_a_worker_that_says_something_else_first_is_not_let_in() -> None:
    keys: list[bytes] = []

    class Watched(ScriptedLauncher):
        def start(self, address: Any, index: int, key: bytes) -> Any:
            self.address = address
            keys.append(key)
            return super().start(address, index, key)

    launcher = Watched(obedient)
    with closing(Crew(launcher, 1)) as crew:
        ready(crew)
        with Client(launcher.address, authkey=keys[0]) as impostor:
            send(impostor, ended={})
            poll_until(crew, lambda _: impostor.poll(0))
            with pytest.raises(EOFError):
                impostor.recv_bytes()
        assert len(crew.idle) == 1
