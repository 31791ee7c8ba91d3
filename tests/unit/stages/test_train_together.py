from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.artifacts import Outputs, file_sha256
from pipeline.manifest import Manifest
from tests.training_processes import train_together
from tests.training_project import write_project

torch.set_num_threads(1)

TWO: dict[str, Any] = {
    "devices": 2,
    "strategy": "ddp",
    "max_epochs": 2,
    "accumulate_grad_batches": 2,
    "state_interval_seconds": 1e-6,
}


def weights(outputs: Outputs) -> str:
    return file_sha256(outputs.model / "model.safetensors")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """What an uninterrupted pair comes to."""
    root = tmp_path_factory.mktemp("together") / "project"
    config, outputs = write_project(root, trainer=TWO)
    assert train_together(config, root) == [0, 0]
    return outputs


def test_two_processes_share_the_rows_and_measure_all_of_them(reference: Outputs) -> None:
    manifest = Manifest.read(reference.model)
    assert manifest.steps == 8, "7 batches each, 4 steps an epoch"
    assert manifest.validation["accuracy"] == 21 / 40, "all rows; 21 of 40 are sports"


def test_an_interrupted_pair_resumes_as_if_nothing_had_happened(
    tmp_path: Path, reference: Outputs
) -> None:
    root = tmp_path / "project"
    config, outputs = write_project(root, trainer=TWO)
    assert train_together(config, root, s3=signal.SIGKILL) == [-signal.SIGKILL] * 2
    assert train_together(config, root, s5=signal.SIGTERM) == [128 + signal.SIGTERM] * 2
    assert train_together(config, root) == [0, 0]
    assert weights(outputs) == weights(reference)
    assert Manifest.read(outputs.model).validation == Manifest.read(reference.model).validation
