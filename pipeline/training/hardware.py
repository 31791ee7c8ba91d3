"""What the machine can do: device, precision and threads, decided in one place."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from pipeline.config.schema import TrainerConfig
from pipeline.errors import UserError
from pipeline.models.precision import Precision

if TYPE_CHECKING:
    import torch

Accelerator = Literal["cpu", "gpu", "mps"]

_DEVICES: dict[Accelerator, str] = {"cpu": "cpu", "gpu": "cuda", "mps": "mps"}
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""As in glibc's malloc.h."""
_RANK_VARIABLES = ("RANK", "NODE_RANK", "LOCAL_RANK", "SLURM_PROCID")


def resolve_accelerator(wanted: Literal["auto", "cpu", "gpu", "mps"]) -> Accelerator:
    """Chooses what to compute on.

    Args:
        wanted: What the config says; auto takes a GPU where there is one, otherwise the CPU.

    Raises:
        UserError: If the machine has no such device.
    """
    import torch

    present = {
        "cpu": True,
        "gpu": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if wanted == "auto":
        return "gpu" if present["gpu"] else "cpu"
    if not present[wanted]:
        raise UserError(
            f"trainer.accelerator is {wanted}, but torch {torch.__version__} finds no such device",
            remedy="set trainer.accelerator=auto, or install a driver and a torch for it",
        )
    return wanted


def resolve_device(wanted: Literal["auto", "cpu", "gpu", "mps"]) -> torch.device:
    """The device of a single process.

    Raises:
        UserError: If the machine has no such device.
    """
    import torch

    return torch.device(_DEVICES[resolve_accelerator(wanted)])


def resolve_precision(
    wanted: Literal["auto", "fp32", "bf16"], accelerator: Accelerator
) -> Precision:
    """Chooses how numbers are multiplied; weights and their updates are float32 in any case.

    Args:
        wanted: What the config says; auto takes bf16 where the hardware has instructions for it.
        accelerator: What computes.
    """
    import torch

    if wanted != "auto":
        return wanted
    if accelerator == "gpu":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    elif accelerator == "cpu":
        supported = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    else:
        supported = False
    return "bf16" if supported else "fp32"


def world_size(settings: TrainerConfig) -> int:
    """How many processes share the data: one for each device of each machine."""
    import torch

    devices = settings.devices
    if devices == "auto":
        is_gpu = resolve_accelerator(settings.accelerator) == "gpu"
        devices = torch.cuda.device_count() if is_gpu else 1
    return devices * settings.num_nodes


@contextmanager
def configured(*, num_threads: int | None, deterministic: bool) -> Iterator[None]:
    """Sets torch's process-wide switches for training and puts them back afterwards.

    Numbers too small for float32's full precision count as zero: Adam's averages of rare tokens
    decay into them, and a processor computes with them many times slower.

    Args:
        num_threads: CPU threads of torch; None leaves torch's own choice.
        deterministic: Whether GPU kernels whose result varies are avoided. CPU kernels of a given
            number of threads always give the same result.
    """
    import torch

    threads = torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    switches: Any = torch.utils.deterministic
    fill = switches.fill_uninitialized_memory
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    if deterministic and torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        switches.fill_uninitialized_memory = False
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        switches.fill_uninitialized_memory = fill
        torch.use_deterministic_algorithms(strict, warn_only=warn_only)
        torch.set_num_threads(threads)


def keep_freed_memory() -> None:
    """Lets the C library keep freed memory for the next step, for the rest of the process.

    It would give large blocks back to the kernel, which has to clear them when the next step asks
    for them again: 6 to 10 % of a step. Only glibc is told so.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**30)
        mallopt(_M_TRIM_THRESHOLD, -1)


def give_back_memory() -> None:
    """Gives memory that nobody uses any more back to the machine, a GPU's included."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def is_main_process() -> bool:
    """Whether this process writes files and logs: the first of a distributed run, or the only one.

    Known before the processes have met, from what their launcher says.
    """
    return all(int(os.environ.get(name, "0")) == 0 for name in _RANK_VARIABLES)
