"""How a forward pass multiplies: bf16 or float32, and by which kernels of attention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16"]


@contextmanager
def mixed_precision(device: torch.device, precision: Precision) -> Iterator[None]:
    """The context of a forward pass: bf16 products under autocast, or plain float32.

    On a GPU attention leaves out cuDNN's kernels: they are planned anew for each shape, which takes
    longer than the rest of a step, and batches of texts have many shapes.

    Args:
        device: Where it runs.
        precision: What products are made in; weights stay float32.
    """
    import torch

    switches: Any = torch.backends.cuda
    planned = switches.cudnn_sdp_enabled()
    switches.enable_cudnn_sdp(False)
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            yield
    finally:
        switches.enable_cudnn_sdp(planned)
