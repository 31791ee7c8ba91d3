from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from pipeline.errors import EnvironmentProblem, UserError
from pipeline.sweep.study.databases import storage_problems
from pipeline.sweep.study.journal_lock import JournalLock
from pipeline.sweep.study.storage import load, load_or_create, open_storage
from tests.postgresql_server import PostgresqlServer, postgresql_server
from tests.unit.sweep.storage_processes import grpc_proxy, hold_and_die, run_together

PROCESSES, TRIALS = 32, 500


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgresqlServer]:
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a gRPC proxy before a database."""
    with grpc_proxy(tmp_path_factory.mktemp("proxy")) as url:
        yield url


@pytest.fixture(params=["journal", "postgresql", "grpc"])
def url(request: pytest.FixtureRequest) -> str | None:
    """A storage of each kind; None for a journal."""
    if request.param == "journal":
        return None
    if request.param == "grpc":
        return str(request.getfixturevalue("proxy"))
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.create(f"db{time.monotonic_ns()}")


def check_shared_study(storage: BaseStorage, told: list[int]) -> None:
    trials = load(storage, "shared").trials
    assert sorted(told) == list(range(TRIALS)), "each number is told by one process"
    assert [trial.number for trial in trials] == list(range(TRIALS))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert all(trial.value == trial.params["x"] ** 2 for trial in trials)
    assert len({trial.params["x"] for trial in trials}) == TRIALS, "no two draw the same"
    assert len({trial.user_attrs["process"] for trial in trials}) == PROCESSES


@pytest.mark.slow
def test_32_processes_share_a_journal(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    told = run_together(None, journal, processes=PROCESSES, trials=TRIALS)
    check_shared_study(open_storage(None, journal), told)


@pytest.mark.slow
def test_32_processes_share_a_fresh_postgresql_database(
    postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    url = postgresql.create("fresh")
    told = run_together(
        url, tmp_path / "none" / "unused.journal", processes=PROCESSES, trials=TRIALS
    )
    check_shared_study(open_storage(url, tmp_path), told)


def test_a_trial_set_back_to_waiting_is_taken_up_with_all_it_had(
    url: str | None, tmp_path: Path
) -> None:
    journal = tmp_path / "study.journal"
    first = load_or_create(open_storage(url, journal), "abandoned", ["maximize"])
    first.tell(first.ask(), 0.5)
    begun = first.ask()
    begun.suggest_float("lr", 1e-5, 1e-3, log=True)
    begun.set_user_attr("owner", "a process that died")
    begun.report(0.25, step=1)

    second = load(open_storage(url, journal), "abandoned")
    abandoned = second.get_trials()[1]
    assert abandoned.state == TrialState.RUNNING
    second._storage.set_trial_state_values(abandoned._trial_id, TrialState.WAITING)

    taken = second.ask()
    assert taken.number == begun.number
    assert taken.suggest_float("lr", 1e-5, 1e-3, log=True) == begun.params["lr"]
    assert taken.user_attrs == {"owner": "a process that died"}
    taken.report(0.5, step=2)
    second.tell(taken, 0.75)
    assert second.ask().number == 2, "it is taken up once"

    read = load(open_storage(url, journal), "abandoned").get_trials()[1]
    assert read.state == TrialState.COMPLETE
    assert read.value == 0.75
    assert read.intermediate_values == {1: 0.25, 2: 0.5}


def test_only_one_of_two_takes_an_abandoned_trial_up(url: str | None, tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    study = load_or_create(open_storage(url, journal), "once", ["minimize"])
    trial = study.ask()
    other = load(open_storage(url, journal), "once")
    other._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
    assert [study.ask().number, other.ask().number] == [0, 1]


def test_a_study_is_created_once_and_then_loaded(url: str | None, tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    made = load_or_create(open_storage(url, journal), "mine", ["maximize", "minimize"])
    made.set_user_attr("facts", "kept")
    again = load_or_create(open_storage(url, journal), "mine", ["maximize", "minimize"])
    assert again.user_attrs == {"facts": "kept"}
    with pytest.raises(UserError, match=r"directions maximize, minimize, not minimize"):
        load_or_create(open_storage(url, journal), "mine", ["minimize"])
    with pytest.raises(UserError, match=r"no study 'mime'") as error:
        load(open_storage(url, journal), "mime")
    assert error.value.remedy == "did you mean 'mine'?"


def test_opening_a_journal_makes_its_directory(tmp_path: Path) -> None:
    journal = tmp_path / "runs" / "sweeps" / "new" / "study.journal"
    open_storage(None, journal)
    assert journal.read_bytes() == b""


def test_reading_a_journal_that_is_not_there_names_the_nearest_study(tmp_path: Path) -> None:
    open_storage(None, tmp_path / "minilm_lr" / "study.journal")
    with pytest.raises(UserError, match="no study 'minilm-lr'") as error:
        open_storage(None, tmp_path / "minilm-lr" / "study.journal", must_exist=True)
    assert error.value.remedy == "did you mean 'minilm_lr'?"
    assert not (tmp_path / "minilm-lr").exists()


def test_a_killed_writer_blocks_nobody_and_its_torn_line_goes(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    study = load_or_create(open_storage(None, journal), "killed", ["minimize"])
    study.tell(study.ask(), 1.0)
    assert hold_and_die(journal) == -9
    assert not journal.read_bytes().endswith(b"\n")

    begin = time.monotonic()
    study.tell(study.ask(), 2.0)
    assert time.monotonic() - begin < 5, "Optuna's own lock is waited for half a minute"
    values = [trial.value for trial in load(open_storage(None, journal), "killed").trials]
    assert values == [1.0, 2.0]


def test_the_journal_has_one_writer_at_a_time(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    study = load_or_create(open_storage(None, journal), "locked", ["minimize"])
    lock = JournalLock(journal)
    lock.acquire()
    writer = threading.Thread(target=study.ask)
    writer.start()
    writer.join(0.3)
    assert writer.is_alive()
    lock.release()
    writer.join(10)
    assert [trial.number for trial in study.trials] == [0]


def test_a_torn_line_longer_than_a_block_is_cut_off(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    study = load_or_create(open_storage(None, journal), "full", ["minimize"])
    study.tell(study.ask(), 1.0)
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":8,"text":"' + b"x" * 10_000)
    assert len(load(open_storage(None, journal), "full").trials) == 1
    load(open_storage(None, journal), "full").ask()
    assert journal.read_bytes().startswith(whole + b'{"op_code":4')


def test_a_journal_that_was_torn_in_its_first_line_begins_anew(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    journal.write_bytes(b'{"op_co')
    load_or_create(open_storage(None, journal), "first", ["minimize"])
    assert load(open_storage(None, journal), "first").trials == []


@pytest.mark.parametrize("content", ["lr: 0.1\n", "not a journal, and no line break", "[1, 2]\n"])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(UserError, match="not a journal"):
        open_storage(None, path)
    assert path.read_text() == content


def test_a_journal_damaged_in_the_middle_is_told_in_words(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    load_or_create(open_storage(None, journal), "one", ["minimize"])
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"wor\n')
        file.write(b'{"op_code":0,"worker_id":"w","study_name":"b","directions":[1]}\n')
    with pytest.raises(UserError, match="is damaged"):
        open_storage(None, journal)


def test_a_place_that_cannot_be_written_is_an_environment_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="journal failed"):
        open_storage(None, tmp_path / "file" / "study.journal")


def test_optuna_prints_no_messages(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    study = load_or_create(open_storage(None, tmp_path / "study.journal"), "quiet", ["minimize"])
    study.tell(study.ask(), 1.0)
    assert capfd.readouterr().err == ""


def test_a_journal_that_is_removed_while_it_is_used_is_told(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    study = load_or_create(open_storage(None, journal), "removed", ["minimize"])
    journal.unlink()
    with pytest.raises(EnvironmentProblem, match="No such file"), storage_problems(None):
        study.ask()


def test_mistakes_that_are_not_the_storage_s_pass_through() -> None:
    with pytest.raises(UserError, match="mine"), storage_problems(None):
        raise UserError("mine")
