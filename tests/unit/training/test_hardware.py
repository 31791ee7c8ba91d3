from __future__ import annotations

import pytest
import torch

from pipeline.config.schema import TrainerConfig
from pipeline.errors import UserError
from pipeline.training.hardware import (
    configured,
    is_main_process,
    resolve_accelerator,
    resolve_device,
    resolve_precision,
    world_size,
)

torch.set_num_threads(1)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_auto_takes_the_cpu_where_there_is_no_gpu() -> None:
    assert resolve_accelerator("auto") == "cpu"
    assert resolve_device("auto") == torch.device("cpu")
    assert world_size(TrainerConfig()) == 1


@pytest.mark.usefixtures("no_gpu")
def test_a_device_that_is_not_there_is_refused_with_a_remedy() -> None:
    with pytest.raises(UserError, match=r"trainer.accelerator is gpu, but torch .* finds no such"):
        resolve_accelerator("gpu")


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert resolve_accelerator("auto") == "gpu"
    assert world_size(TrainerConfig()) == 4
    assert world_size(TrainerConfig(devices=2, num_nodes=3)) == 6


@pytest.mark.parametrize(("instructions", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_precision_is_that_of_the_processor(
    monkeypatch: pytest.MonkeyPatch, instructions: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert resolve_precision("auto", "cpu") == expected
    assert resolve_precision("fp32", "cpu") == "fp32"
    assert resolve_precision("bf16", "cpu") == "bf16"


def test_switches_are_put_back() -> None:
    tiny = torch.tensor(1e-40)
    with configured(num_threads=2, deterministic=True):
        assert torch.get_num_threads() == 2
        assert (tiny * 1.0).item() == 0.0
    assert torch.get_num_threads() == 1
    assert (tiny * 1.0).item() != 0.0


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "1", "LOCAL_RANK": "1"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
        ({"SLURM_PROCID": "3"}, False),
    ],
)
def test_only_the_first_process_writes(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: bool
) -> None:
    for name in ("RANK", "NODE_RANK", "LOCAL_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_main_process() is expected
