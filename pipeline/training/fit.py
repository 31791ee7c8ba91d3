"""Trains a model: puts data, module, session and Lightning's Trainer together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pipeline.config.schema import OptimizerConfig, SchedulerConfig, TrainerConfig
from pipeline.console import notice
from pipeline.data.loader import BatchLoader
from pipeline.data.store import EncodedSplit
from pipeline.models.precision import Precision
from pipeline.tasks.base import MetricSpec, Task
from pipeline.tasks.columns import length_unit
from pipeline.training.hardware import (
    configured,
    keep_freed_memory,
    resolve_accelerator,
    resolve_precision,
)
from pipeline.training.plan import TrainingPlan
from pipeline.training.progress import CurvePoint
from pipeline.training.recorder import LogMetrics, Recorder
from pipeline.training.schedules import make_schedule
from pipeline.training.selection import Selection
from pipeline.training.signals import StopRequest
from pipeline.training.state import StateStore
from pipeline.training.stream import BatchStream
from pipeline.training.trainer import add_callback, make_trainer, memory_errors, quiet_lightning
from pipeline.training.watching import Watcher

if TYPE_CHECKING:
    from pytorch_lightning import Trainer
    from torch import nn
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class FitResult:
    """What training came to; the model holds the kept weights.

    Attributes:
        steps: Optimizer steps made.
        epochs: Epochs begun.
        best_step: The step whose weights were kept.
        best_epoch: The epoch, from 1, that it belongs to.
        loss: Mean validation loss of the kept weights.
        metrics: Validation metrics of the kept weights; None where undefined.
        curve: All validations.
        seconds: Time in training steps, validation and saving not counted, of all parts.
        tokens: Tokens trained on, padding not counted.
        precision: Of the forward pass.
    """

    steps: int
    epochs: int
    best_step: int
    best_epoch: int
    loss: float
    metrics: dict[str, float | None]
    curve: list[CurvePoint]
    seconds: float
    tokens: int
    precision: Precision


def fit(
    model: PreTrainedModel,
    task: Task,
    train: EncodedSplit,
    validation: EncodedSplit,
    *,
    label_names: Sequence[str],
    pad_token_id: int,
    primary: MetricSpec,
    optimizer: OptimizerConfig,
    scheduler: SchedulerConfig,
    settings: TrainerConfig,
    seed: int,
    states: StateStore | None = None,
    log: LogMetrics = lambda _metrics, _step: None,
    watcher: Watcher | None = None,
) -> FitResult:
    """Trains from the beginning, or from the latest saved state to the end.

    Args:
        model: What is not trained is frozen already. It is changed in place and ends with the
            weights of the best validation, on the CPU, in evaluation mode.
        task: Its task.
        train: Rows to learn from.
        validation: Rows that choose the weights.
        label_names: Names by label id.
        pad_token_id: Fills `input_ids`.
        primary: The metric that chooses.
        optimizer: The section of the config.
        scheduler: The section of the config.
        settings: The section `trainer` of the config.
        seed: Of the order of rows and of dropout.
        states: Where states are saved and found; None for a run that cannot be resumed.
        log: Takes training and validation metrics.
        watcher: Told of steps and validations; may end training.

    Raises:
        Interrupted: After SIGINT or SIGTERM, when the state is saved.
        EndedEarly: If the watcher says so.
        UserError: If training diverges, or the machine has no such device.
        EnvironmentProblem: If memory does not suffice, or states cannot be written.
    """
    from pipeline.training.cpu_dropout import cpu_dropout
    from pipeline.training.display import Display
    from pipeline.training.module import FineTuner
    from pipeline.training.row_gradients import row_gradients
    from pipeline.training.session import Session

    watcher = watcher or Watcher()
    with (
        quiet_lightning(),
        memory_errors(settings),
        configured(num_threads=settings.num_threads, deterministic=settings.deterministic),
        ExitStack() as stack,
    ):
        accelerator = resolve_accelerator(settings.accelerator)
        precision = resolve_precision(settings.precision, accelerator)
        trainer = make_trainer(settings)
        batches = partial(_loader, trainer, task, settings, pad=pad_token_id, seed=seed)
        loader = batches(train, shuffle=True)
        plan = TrainingPlan(
            batches_per_epoch=len(loader),
            accumulate=settings.accumulate_grad_batches,
            max_epochs=settings.max_epochs,
            max_steps=settings.max_steps,
            validations_per_epoch=settings.validations_per_epoch,
        )
        masks = rows = None
        if accelerator == "cpu":
            keep_freed_memory()
            if not settings.compile:
                masks = stack.enter_context(cpu_dropout(model))
            if trainer.world_size == 1:
                rows = stack.enter_context(row_gradients(model))
        module = FineTuner(
            model,
            task,
            label_names,
            validation,
            plan=plan,
            optimizer=optimizer,
            schedule=make_schedule(scheduler, plan.total_steps),
            clip=settings.gradient_clip_val,
            precision=precision,
            seed=seed,
            compiled=settings.compile,
            generation_rows=settings.validation_generation_rows,
            masks=masks,
            rows=rows,
        )
        state = None if states is None else states.load()
        start = 0 if state is None else state.progress.step
        recorder = Recorder(log, every=settings.log_every_n_steps, epochs=plan.epochs)
        with (
            StopRequest() as stop,
            Display(
                plan,
                primary.name,
                length_unit(column.kind for column in task.columns),
                start=start,
                silent=not trainer.is_global_zero,
            ) as display,
        ):
            session = Session(
                plan,
                selection=Selection(
                    primary, settings.early_stopping_patience, settings.early_stopping_min_delta
                ),
                recorder=recorder,
                display=display,
                log=log,
                states=states,
                interval=settings.state_interval_seconds,
                stop=stop,
                watcher=watcher,
            )
            if state is not None:
                session.restore(state)
                module.restore(state)
                if trainer.is_global_zero:
                    notice(f"resuming after step {start} of {plan.total_steps}")
            watcher.began(
                step=start,
                total_steps=plan.total_steps,
                epochs=plan.epochs_begun(plan.total_steps),
                curve=tuple(session.curve),
            )
            if not session.is_complete:
                add_callback(trainer, session, validate_first=session.validation_pending)
                model.train()
                stream = BatchStream(loader, plan, start)
                try:
                    trainer.fit(module, stream, batches(validation, shuffle=False))
                except SystemExit as ending:  # what Lightning makes of a second Ctrl-C
                    raise KeyboardInterrupt from ending
    best = session.best
    assert session.best_weights is not None
    body: nn.Module = model
    body.to("cpu").eval()
    if best.step != module.step:
        model.load_state_dict(session.best_weights)
    return FitResult(
        steps=module.step,
        epochs=plan.epochs_begun(module.step),
        best_step=best.step,
        best_epoch=plan.epochs_begun(best.step),
        loss=best.loss,
        metrics=best.metrics,
        curve=session.curve,
        seconds=recorder.seconds,
        tokens=recorder.tokens,
        precision=precision,
    )


def _loader(
    trainer: Trainer,
    task: Task,
    settings: TrainerConfig,
    split: EncodedSplit,
    *,
    pad: int,
    seed: int,
    shuffle: bool,
) -> BatchLoader:
    """Batches for training (shuffled) or validation, this process's share of them."""
    return BatchLoader(
        split,
        task,
        pad_token_id=pad,
        max_tokens=settings.max_tokens_per_batch if shuffle else settings.eval_max_tokens_per_batch,
        max_examples=settings.per_device_batch_size if shuffle else None,
        pad_to_multiple_of=settings.pad_to_multiple_of,
        shuffle=shuffle,
        seed=seed,
        rank=trainer.global_rank,
        world_size=trainer.world_size,
        pin_memory=resolve_accelerator(settings.accelerator) == "gpu",
    )
