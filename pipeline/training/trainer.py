"""Lightning's Trainer as this pipeline uses it: silent, with no files and loggers of its own."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.config.schema import TrainerConfig
from pipeline.errors import ConfigError, EnvironmentProblem, Problem, did_you_mean
from pipeline.training.hardware import resolve_accelerator

if TYPE_CHECKING:
    from pytorch_lightning import Callback, Trainer

_STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true")
_LOGGERS = ("pytorch_lightning", "lightning_fabric", "lightning_utilities", "torch.distributed")


def make_trainer(settings: TrainerConfig) -> Trainer:
    """Makes a Trainer that passes once over a stream of batches, however many epochs that is.

    Args:
        settings: The section `trainer` of the config.

    Raises:
        ConfigError: If the strategy divides a model over processes, which states do not support.
        UserError: If the machine has no such device.
    """
    from pytorch_lightning import Trainer

    if settings.strategy not in _STRATEGIES:
        raise ConfigError(
            [
                Problem(
                    "trainer.strategy",
                    f"must be one of {', '.join(_STRATEGIES)}; got {settings.strategy!r}",
                    remedy=did_you_mean(settings.strategy, _STRATEGIES),
                )
            ]
        )
    return Trainer(
        accelerator=resolve_accelerator(settings.accelerator),
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy=settings.strategy,
        precision="32-true",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )


def add_callback(trainer: Trainer, callback: Callback, *, validate_first: bool) -> None:
    """Gives a Trainer its callback.

    Args:
        trainer: Not yet started.
        callback: What conducts the run.
        validate_first: Whether a whole validation comes before the first batch.
    """
    trainer.callbacks.append(callback)  # type: ignore[attr-defined]
    trainer.num_sanity_val_steps = float("inf") if validate_first else 0


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silences Lightning's notices and hints; what matters to a user, the pipeline says itself."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric|torch")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def memory_errors(settings: TrainerConfig) -> Iterator[None]:
    """Turns what torch raises when memory does not suffice into words.

    Raises:
        EnvironmentProblem: In place of that error.
    """
    import torch

    try:
        yield
    except (RuntimeError, MemoryError) as error:
        is_cpu = isinstance(error, MemoryError) or "can't allocate memory" in str(error)
        if not (is_cpu or isinstance(error, torch.OutOfMemoryError)):
            raise
        raise EnvironmentProblem(
            f"{'memory' if is_cpu else 'GPU memory'} does not suffice for batches of "
            f"{settings.max_tokens_per_batch or 'any number of'} tokens, "
            f"{settings.per_device_batch_size or 'any number of'} examples",
            remedy="halve trainer.max_tokens_per_batch and double trainer.accumulate_grad_batches, "
            "which gives the same steps; or lower model.max_length",
        ) from error
