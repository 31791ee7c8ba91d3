"""A project whose pinned experiment trains in a second, with the shipped `conf/` around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.checkpoints import write_checkpoint
from tests.sweep_jobs import write_raw_data
from tests.sweep_project import copy_project

FILES: dict[str, Any] = {
    "data/tiny": {"files": {"all": {"path": "data/tiny.csv"}}},
    "model/tiny": {
        "checkpoint": {"source": "directory", "location": "checkpoint"},
        "max_length": 32,
    },
    "experiment/tiny": {
        "defaults": [{"override /data": "tiny"}, {"override /model": "tiny"}],
        "task": {"primary_metric": "log_loss"},
        "optimizer": {"lr": 1.0e-2},
        "trainer": {
            "max_epochs": 2,
            "max_tokens_per_batch": 128,
            "accelerator": "cpu",
            "num_threads": 1,
        },
        "evaluation": {"num_bootstrap_samples": 100, "baselines": []},
        "export": {"parity_rows": 4, "latency_repeats": 2, "latency_batch_sizes": [1]},
    },
}


def write_group_project(repository: Path, root: Path, **tracking: Any) -> Path:
    """Writes the project; returns its root.

    Args:
        repository: The checkout, whose configuration is copied.
        root: Where the project goes.
        **tracking: Its section `tracking`.
    """
    copy_project(repository, root)
    write_checkpoint("bert", root / "checkpoint")
    write_raw_data(root)
    for name, values in FILES.items():
        head = "# @package _global_\n" if name.startswith("experiment/") else ""
        text = head + yaml.safe_dump(values, sort_keys=False)
        (root / "conf" / f"{name}.yaml").write_text(text, encoding="utf-8")
    pinned = {"experiment": "tiny", "tracking": tracking}
    (root / "params.yaml").write_text(yaml.safe_dump(pinned), encoding="utf-8")
    return root
