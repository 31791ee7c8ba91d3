from __future__ import annotations

import io
import json
import shutil
import signal
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from pipeline.artifacts import Outputs, file_sha256
from pipeline.config.compose import load_config
from pipeline.errors import EnvironmentProblem
from pipeline.manifest import Manifest
from pipeline.stages import train
from pipeline.stages.group_run import SeedsFailed
from pipeline.stages.invoke import run_stage
from pipeline.training.progress import CurvePoint
from pipeline.training.signals import Interrupted
from pipeline.training.watching import Watcher
from tests.group_project import write_group_project
from tests.sweep_jobs import write_raw_data

torch.set_num_threads(1)

QUICK = "trainer.max_epochs=1"
DIVERGES = 2**32 - 1


@pytest.fixture
def root(repository: Path, tmp_path: Path) -> Path:
    return write_group_project(repository, tmp_path / "project", enabled=False)


@dataclass(frozen=True)
class Evaluated:
    """A project with a group of seeds 0 and 1, evaluated at once, and what the terminal showed."""

    root: Path
    shown: str


@pytest.fixture(scope="module")
def evaluated(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    made = tmp_path_factory.mktemp("evaluated") / "project"
    write_group_project(repository, made, enabled=False)
    shown = io.StringIO()
    with redirect_stdout(shown):
        run_stage("evaluate", ["seeds=2", QUICK], root=made)
    return Evaluated(made, shown.getvalue())


@pytest.fixture
def with_group(evaluated: Evaluated, tmp_path: Path) -> Path:
    """A copy of the project with the evaluated group."""
    return shutil.copytree(evaluated.root, tmp_path / "with_group")


def directory(root: Path) -> Path:
    (found,) = (path for path in (root / "runs").iterdir() if (path / "seed0").is_dir())
    return found


def weights(outputs: Outputs) -> str:
    return file_sha256(outputs.model / "model.safetensors")


def written(group: Path) -> dict[str, int]:
    """When each seed's model was written."""
    return {
        path.parent.parent.name: path.stat().st_mtime_ns
        for path in sorted(group.glob("seed*/model/manifest.json"))
    }


def test_seeds_share_one_dataset_and_come_to_the_weights_of_single_runs(with_group: Path) -> None:
    group = directory(with_group)
    assert (group / "dataset" / "info.json").is_file()
    assert not list(group.glob("seed*/dataset"))
    first, second = Outputs(group / "seed0"), Outputs(group / "seed1")
    assert Manifest.read(first.model).seed == 0
    assert Manifest.read(second.model).seed == 1
    assert weights(first) != weights(second)
    run_stage("train", ["seed=1", QUICK], root=with_group)
    (single,) = (path for path in (with_group / "runs").iterdir() if path != group)
    assert weights(Outputs(single)) == weights(second)


def test_a_finished_seed_is_not_trained_again_and_more_seeds_join(
    with_group: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group = directory(with_group)
    shutil.rmtree(group / "seed0" / "evaluation")
    shutil.rmtree(group / "seed1")
    before = written(group)
    run_stage("train", ["seeds=1", QUICK], root=with_group)
    assert capsys.readouterr().out.split()[-3:] == ["standard", "deviation", "–"]
    assert written(group) == before
    run_stage("train", ["seeds=2", QUICK], root=with_group)
    told = capsys.readouterr()
    after = written(group)
    assert list(after) == ["seed0", "seed1"]
    assert after["seed0"] == before["seed0"]
    assert "seed 0 is trained already" in told.err
    assert "seed 1 (2 of 2): train" in told.err
    lines = [line.split() for line in told.out.splitlines() if line.strip()]
    assert lines[0] == ["seed", "val/log_loss"]
    assert [line[0] for line in lines[2:]] == ["0", "1", "mean", "95", "standard"]


def test_changed_data_is_prepared_anew_and_every_seed_trained_again(
    with_group: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(directory(with_group))
    key = Manifest.read(directory(with_group) / "seed0" / "model").run_key
    write_raw_data(with_group, seed=1)
    run_stage("train", ["seeds=2", QUICK], root=with_group)
    assert "preparing it anew" in capsys.readouterr().err
    after = written(directory(with_group))
    assert all(after[seed] > before[seed] for seed in ("seed0", "seed1"))
    assert Manifest.read(directory(with_group) / "seed0" / "model").run_key != key


def test_a_seed_that_fails_does_not_lose_the_others(root: Path) -> None:
    params = root / "params.yaml"
    params.write_text(params.read_text() + "seed: 0\n")
    arguments = [f"seeds=[{DIVERGES},1]", QUICK, "optimizer.weight_decay=${seed}"]
    with pytest.raises(SeedsFailed) as caught:
        run_stage("train", arguments, root=root)
    message = str(caught.value)
    assert caught.value.exit_code == 1
    assert "1 of 2 seeds failed" in message
    assert f"seed {DIVERGES}: the loss became" in message or "diverged" in message
    (model,) = (root / "runs").glob("*/seed1/model")
    assert Manifest.read(model).seed == 1


def test_evaluation_trains_what_is_missing_and_is_summarised(evaluated: Evaluated) -> None:
    group = directory(evaluated.root)
    values = [
        json.loads((group / f"seed{seed}" / "evaluation" / "metrics.json").read_text())["test"][
            "log_loss"
        ]["value"]
        for seed in (0, 1)
    ]
    lines = [line.split() for line in evaluated.shown.splitlines() if line.strip()]
    start = lines.index(["seed", "val/log_loss", "test/log_loss"])
    assert [line[2] for line in lines[start + 2 : start + 4]] == [f"{v:.4f}" for v in values]
    assert lines[start + 4][2] == f"{sum(values) / 2:.4f}"


def test_export_of_seeds_makes_what_it_needs_first(root: Path) -> None:
    run_stage("export", ["seeds=1", QUICK], root=root)
    seed = directory(root) / "seed0"
    for product in ("config.yaml", "model", "evaluation", "export"):
        assert (seed / product).exists()


def test_the_state_of_an_interrupted_single_run_is_left_to_that_run(root: Path) -> None:
    class Stopping(Watcher):
        def validated(self, number: int, point: CurvePoint) -> None:
            raise Interrupted(signal.SIGTERM, point.step)

    run_stage("prepare", ["seed=0", QUICK], root=root)
    (single,) = (root / "runs").iterdir()
    config = load_config(single / "config.yaml")
    with pytest.raises(Interrupted):
        train.run(config, root=root, outputs=Outputs(single), watcher=Stopping())
    (state,) = (root / ".cache" / "training").iterdir()
    run_stage("train", ["seeds=1", QUICK], root=root)
    assert [*(root / ".cache" / "training").iterdir()] == [state]


def test_prepare_with_seeds_prepares_once_and_trains_nothing(root: Path) -> None:
    run_stage("prepare", ["seeds=3"], root=root)
    group = directory(root)
    assert (group / "dataset" / "info.json").is_file()
    assert not list(group.glob("seed*/model"))


def test_two_commands_for_one_group_at_a_time_are_refused(root: Path) -> None:
    run_stage("prepare", ["seeds=2"], root=root)
    with (
        FileLock(directory(root) / ".lock"),
        pytest.raises(EnvironmentProblem, match="another process is running seeds"),
    ):
        run_stage("train", ["seeds=2"], root=root)
