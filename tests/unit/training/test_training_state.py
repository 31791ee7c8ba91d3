from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from pipeline.errors import EnvironmentProblem
from pipeline.training.progress import CurvePoint, Progress
from pipeline.training.selection import Best
from pipeline.training.state import StateStore, TrainingState, snapshot

torch.set_num_threads(1)


def state(step: int) -> TrainingState:
    point = CurvePoint(step=step, epoch=0.5, train_loss=0.3, val_loss=0.2, metrics={"f1": None})
    return TrainingState(
        Progress(step=step, best=Best(step=step, loss=0.5, metrics={"f1": 0.25}), curve=[point]),
        {"w": torch.full((3,), float(step))},
        {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        {"w": torch.zeros(3)},
    )


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    made = StateStore(tmp_path / "training" / "key")
    made.directory.mkdir(parents=True)
    return made


def loaded_step(store: StateStore) -> int | None:
    found = store.load()
    return None if found is None else found.progress.step


def test_what_is_saved_is_loaded_again(store: StateStore) -> None:
    assert store.load() is None
    store.save(state(7), wait=True)
    found = store.load()
    assert found is not None
    assert found.progress == state(7).progress
    assert found.weights["w"].tolist() == [7.0, 7.0, 7.0]
    assert found.optimizer["param_groups"] == [{"lr": 0.1, "params": [0]}]
    assert found.best_weights is not None


def test_the_last_two_states_are_kept(store: StateStore) -> None:
    for step in range(12):
        store.save(state(step), wait=False)
    store.wait()
    assert len(list(store.directory.glob("state-*.pt"))) == 2
    assert loaded_step(store) == 11


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
def test_a_damaged_state_is_passed_over_with_a_warning(
    store: StateStore, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store.save(state(1), wait=True)
    store.save(state(2), wait=True)
    latest = max(store.directory.glob("state-*.pt"))
    content = bytearray(latest.read_bytes())
    if damage == "truncate":
        content = content[: len(content) // 2]
    elif damage == "flip":
        content[len(content) // 2] ^= 1
    else:
        content.clear()
    latest.write_bytes(content)
    assert loaded_step(store) == 1
    assert f"{latest} is damaged" in capsys.readouterr().err
    store.save(state(3), wait=True)
    assert loaded_step(store) == 3


def test_a_write_that_was_cut_off_leaves_the_state_before_it(store: StateStore) -> None:
    store.save(state(1), wait=True)
    (store.directory / "state.tmp").write_bytes(b"half")
    assert loaded_step(store) == 1


def test_a_run_key_stays_until_the_states_are_removed(store: StateStore) -> None:
    key = store.run_key()
    assert StateStore(store.directory).run_key() == key
    store.save(state(1), wait=True)
    store.remove()
    assert not store.directory.exists()
    assert StateStore(store.directory).run_key() != key


def test_two_processes_cannot_train_the_same_at_once(store: StateStore) -> None:
    with store.locked():
        if (child := os.fork()) == 0:
            try:
                with StateStore(store.directory).locked():
                    os._exit(0)
            except EnvironmentProblem as error:
                os._exit(3 if "another process is training" in str(error) else 4)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    with StateStore(store.directory).locked():
        pass


def test_a_state_that_cannot_be_written_is_an_error_that_names_the_directory(
    store: StateStore,
) -> None:
    store.directory.rmdir()
    store.directory.write_text("a file where the directory should be")
    with pytest.raises(EnvironmentProblem, match=str(store.directory)):
        store.save(state(1), wait=True)


def test_a_state_that_cannot_be_written_in_the_background_is_a_warning(
    store: StateStore, capsys: pytest.CaptureFixture[str]
) -> None:
    store.directory.rmdir()
    store.directory.write_text("a file where the directory should be")
    store.save(state(1), wait=False)
    store.wait()
    assert "training goes on" in capsys.readouterr().err


def test_a_snapshot_does_not_follow_later_changes() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    taken = snapshot({"state": {0: {"w": weight}}, "groups": [{"lr": 0.1}]})
    weight.data += 1
    assert taken["state"][0]["w"].tolist() == [0.0, 0.0]
    assert taken["groups"] == [{"lr": 0.1}]
