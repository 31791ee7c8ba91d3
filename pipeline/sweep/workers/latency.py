"""How long a trained model takes for one text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.config.schema import Config
from pipeline.evaluation.inference import torch_run
from pipeline.export.latency import measure, typical_rows
from pipeline.stages.fine_tuning import Training
from pipeline.tasks.tensors import to_tensors
from pipeline.training.hardware import (
    configured,
    resolve_accelerator,
    resolve_device,
    resolve_precision,
)

if TYPE_CHECKING:
    from torch import nn


def latency_ms(training: Training, config: Config) -> float:
    """Median milliseconds of a forward pass over one validation text of typical length.

    With the trial's device, precision and threads, tokenisation not counted. Other work on the
    machine, such as a second worker, is in the figure.

    Args:
        training: Its model is trained.
        config: Says device, precision, threads and how often to repeat.
    """
    split = training.dataset.split("validation")
    row = split.rows(typical_rows(split.lengths, 1))
    arrays = training.task.collate(
        row,
        pad_token_id=training.dataset.info.pad_token_id,
        pad_to_multiple_of=config.trainer.pad_to_multiple_of,
    )
    batch = to_tensors(arrays)
    settings = config.trainer
    run = torch_run(
        training.task,
        training.model,
        resolve_device(settings.accelerator),
        resolve_precision(settings.precision, resolve_accelerator(settings.accelerator)),
    )
    with configured(num_threads=settings.num_threads, deterministic=settings.deterministic):
        found = measure({"torch": lambda: run(batch)}, repeats=config.export.latency_repeats)
    body: nn.Module = training.model
    body.to("cpu")
    return found["torch"].p50_ms
