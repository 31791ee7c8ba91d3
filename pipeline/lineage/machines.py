"""Whether this machine and its libraries are those of a run: only then bits have to be equal."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.provenance import LIBRARIES, machine, versions

_ABSENT = "none"
_WITHOUT_EFFECT = {"dvc", "mlflow", "optuna", "pydantic", "hydra-core", "onnx", "onnxruntime"}
"""Libraries whose versions change neither weights nor metrics."""


def differences(tags: Mapping[str, str], *, threads: str | None) -> list[str]:
    """What differs between a run's machine and this one, of what can change bits.

    Args:
        tags: The run's tags.
        threads: Threads that it is reproduced with; None if the run does not tell its own.

    Returns:
        A sentence part each, for example `torch 2.13.0, the run had 2.12.0`.
    """
    here = machine()
    present = versions()
    now = {
        "cpu": here.cpu,
        "gpu": ", ".join(here.gpus) or _ABSENT,
        "threads": threads or str(here.threads),
    }
    then = {name: tags.get(name, _ABSENT) for name in now}
    for name in ("python", *LIBRARIES):
        if name not in _WITHOUT_EFFECT and f"version.{name}" in tags:
            now[name] = present.get(name, _ABSENT)
            then[name] = tags[f"version.{name}"]
    return [
        f"{name} {now[name]}, the run had {then[name]}" for name in now if now[name] != then[name]
    ]
