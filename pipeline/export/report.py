"""What export found out: parity, latency and sizes; `outputs/export/report.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.export.latency import Latency
from pipeline.export.parity import Parity


@dataclass(frozen=True)
class ExportedModel:
    """One exported graph.

    Attributes:
        file: Its path below the export's directory.
        num_bytes: Its size, external weights included.
        parity: How near it is to PyTorch.
    """

    file: str
    num_bytes: int
    parity: Parity


@dataclass(frozen=True)
class Timing:
    """Latency of all runtimes on one batch of real rows.

    Attributes:
        batch_size: Rows.
        length: Tokens of the padded rows.
        runtimes: `pytorch` and each exported format.
    """

    batch_size: int
    length: int
    runtimes: Mapping[str, Latency]


@dataclass(frozen=True)
class ExportReport:
    """All of it.

    Attributes:
        opset: Version of the ONNX operators.
        split: The split whose rows were used.
        models: Exported graphs by format.
        timings: One for each batch size.
        repeats: Timed calls behind each timing.
        num_threads: Threads of each call, of both runtimes.
        cpu: The processor.
        pytorch_bytes: Size of the weights in safetensors.
    """

    opset: int
    split: str
    models: Mapping[str, ExportedModel]
    timings: tuple[Timing, ...]
    repeats: int
    num_threads: int
    cpu: str
    pytorch_bytes: int

    def to_json(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return asdict(self)

    def metrics(self) -> dict[str, float]:
        """The figures one compares runs by."""
        found: dict[str, float] = {}
        for name, model in self.models.items():
            found[f"export/{name}/max_abs_difference"] = model.parity.max_abs_difference
            found[f"export/{name}/prediction_agreement"] = model.parity.prediction_agreement
            found[f"export/{name}/argmax_agreement"] = model.parity.argmax_agreement
            found[f"export/{name}/megabytes"] = model.num_bytes / 1e6
        for timing in self.timings:
            for name, latency in timing.runtimes.items():
                found[f"export/{name}/latency_ms/batch_{timing.batch_size}"] = latency.p50_ms
        return found
