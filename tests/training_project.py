"""A project that trains in a second: a tiny checkpoint, a small prepared dataset, a config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.artifacts import Outputs, content_hash
from pipeline.config.schema import Config
from pipeline.data.encoding import encode_split
from pipeline.data.store import DatasetInfo, EncodedDataset, write_info
from pipeline.models.processor import save_processor
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from tests.checkpoints import WORDS, write_checkpoint

LABELS = ("other", "sports")
SIZES = {"train": 96, "validation": 40, "test": 10}


def write_project(root: Path, **sections: Any) -> tuple[Config, Outputs]:
    """Writes checkpoint and dataset below `root`.

    Args:
        root: The project's root.
        **sections: Values of the config by section, over those of `config`.
    """
    (root / "conf").mkdir(parents=True)
    (root / "conf" / "config.yaml").write_text("{}\n")
    write_checkpoint("bert", root / "checkpoint")
    outputs = Outputs(root / "outputs")
    write_dataset(outputs.dataset, load_tokenizer(root / "checkpoint"))
    return config(**sections), outputs


def config(**sections: Any) -> Config:
    """Four epochs of 14 steps: enough to learn, and the last is the best."""
    values: dict[str, Any] = {
        "experiment": "tiny",
        "data": {"name": "tiny", "files": {"all": {"path": "data/tiny.csv"}}},
        "task": {"primary_metric": "log_loss"},
        "model": {
            "checkpoint": {"source": "directory", "location": "checkpoint"},
            "max_length": 32,
        },
        "method": {},
        "optimizer": {"lr": 1e-2},
        "scheduler": {"warmup_ratio": 0.1},
        "trainer": {
            "max_epochs": 4,
            "max_tokens_per_batch": 128,
            "accelerator": "cpu",
            "num_threads": 1,
        },
        "evaluation": {},
        "export": {},
        "tracking": {"enabled": False},
    }
    for name, section in sections.items():
        values[name] = {**values[name], **section} if isinstance(section, dict) else section
    return Config.model_validate(values, strict=False)


def write_dataset(directory: Path, tokenizer: Any) -> EncodedDataset:
    """Encodes random texts; those about sports hold the word `match`."""
    task = load_task("text_classification", {})
    directory.mkdir(parents=True)
    generator = np.random.default_rng(0)
    tokens = {}
    for split, size in SIZES.items():
        rows = _rows(generator, size)
        writer = encode_split(
            rows,
            directory / f"{split}.arrow",
            task=task,
            processor=Processor(tokenizer),
            label_names=LABELS,
            max_length=32,
        )
        tokens[split] = writer.num_tokens
    save_processor(Processor(tokenizer), directory / "processor")
    info = DatasetInfo(
        name="tiny",
        task="text_classification",
        label_names=LABELS,
        pad_token_id=tokenizer.pad_token_id,
        max_length=32,
        num_special_tokens=2,
        rows=SIZES,
        tokens=tokens,
        fingerprint=content_hash(tokens),
        language="en",
        licence=None,
        sources={},
    )
    write_info(directory, info)
    return EncodedDataset.open(directory)


def _rows(generator: np.random.Generator, size: int) -> pa.Table:
    words = [word for word in WORDS[:10] if word != "match"]
    labels = generator.integers(0, 2, size)
    texts = [
        " ".join([*generator.choice(words, generator.integers(2, 20)), *["match"] * int(label)])
        for label in labels
    ]
    return pa.table(
        {
            "id": [str(number) for number in range(size)],
            "text": texts,
            "label": [LABELS[label] for label in labels],
        }
    )
