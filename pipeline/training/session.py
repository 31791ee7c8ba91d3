"""Everything between two optimizer steps: validating, keeping the best, saving, stopping."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from pipeline.errors import UserError
from pipeline.training.display import Display
from pipeline.training.module import FineTuner, Validation
from pipeline.training.plan import TrainingPlan
from pipeline.training.progress import CurvePoint, Progress
from pipeline.training.recorder import LogMetrics, Recorder
from pipeline.training.selection import Best, Selection
from pipeline.training.signals import Interrupted, StopRequest
from pipeline.training.state import (
    StateStore,
    TrainingState,
    Weights,
    snapshot,
)
from pipeline.training.watching import Watcher

_NEVER = 2**62
"""A number of batches that no run reaches."""


class Session(Callback):
    """Conducts a run; Lightning calls it after each batch and each validation.

    All that it knows goes into the training state, so a run that goes on from a state makes the
    same decisions.

    Args:
        plan: The whole training.
        selection: Chooses the weights that are kept.
        recorder: Takes figures of steps.
        display: Shows them.
        log: Where validation metrics go.
        states: Where states are saved; None saves none.
        interval: Seconds between saves.
        stop: Knows of signals.
        watcher: Told of steps and validations.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        *,
        selection: Selection,
        recorder: Recorder,
        display: Display,
        log: LogMetrics,
        states: StateStore | None,
        interval: float,
        stop: StopRequest,
        watcher: Watcher,
    ) -> None:
        self.best_weights: Weights | None = None
        self.curve: list[CurvePoint] = []
        self._plan = plan
        self._selection = selection
        self._recorder = recorder
        self._display = display
        self._log = log
        self._states = states
        self._interval = interval
        self._stop = stop
        self._watcher = watcher
        self.validation_pending = False
        self._saved_at = time.perf_counter()

    @property
    def best(self) -> Best:
        """The validation whose weights are kept."""
        assert self._selection.best is not None
        return self._selection.best

    @property
    def is_complete(self) -> bool:
        """Whether nothing of the training is left to do."""
        last = self.curve[-1].step if self.curve else None
        done = self._selection.stops or last == self._plan.total_steps
        return done and not self.validation_pending

    def restore(self, state: TrainingState) -> None:
        """Goes on from a state; the weights and the optimizer are the module's matter."""
        progress = state.progress
        self.best_weights = state.best_weights
        self.curve = list(progress.curve)
        self.validation_pending = progress.validation_pending
        self._selection.best = progress.best
        self._selection.reference = progress.reference
        self._selection.waited = progress.waited
        self._recorder.tokens = progress.tokens
        self._recorder.seconds = progress.seconds
        self._recorder.loss_sum = progress.loss_sum
        self._recorder.loss_steps = progress.loss_steps

    def on_sanity_check_start(self, *_: Any) -> None:
        """A validation that an interruption has cut off is made up for before training goes on."""
        self._stop.install()

    def on_train_start(self, *_: Any) -> None:
        """Starts the clock."""
        self._stop.install()
        self._recorder.resume()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """After an optimizer step: records it, arranges for a validation, saves."""
        trainer.val_check_batch = _NEVER
        module = _module(pl_module)
        step = module.step_made
        if step is None:
            return
        if self._recorder.add(step):
            self._display.step(step.number, self._recorder.loss, self._recorder.tokens_per_second)
            self._watcher.stepped(step.number, self._recorder.loss)
        self.validation_pending = self._plan.validation_due(step.number)
        if self.validation_pending:
            trainer.val_check_batch = 1
        self._save_if_due(trainer, module)

    def on_validation_start(self, *_: Any) -> None:
        """Stops the clock of training."""
        self._recorder.pause()

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any
    ) -> None:
        """Lets a signal cut a validation off; it is made up for later."""
        if self._agreed(trainer, self._stop.received):
            self._save_and_stop(trainer, _module(pl_module))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keeps the weights if they are the best, and stops training if patience is at its end."""
        module = _module(pl_module)
        assert module.validated is not None
        self.validation_pending = False
        self._take(module, module.validated)
        if self._selection.stops:
            trainer.should_stop = True
        self._save_if_due(trainer, module)
        self._recorder.resume()

    def _take(self, module: FineTuner, found: Validation) -> None:
        if not math.isfinite(found.loss):
            raise UserError(
                f"the validation loss became {found.loss} at step {module.step}: training has "
                "diverged",
                remedy="lower optimizer.lr, lengthen the warm-up (scheduler.warmup_ratio), or set "
                "trainer.gradient_clip_val",
            )
        is_best = self._selection.consider(module.step, found.loss, found.metrics)
        if is_best:
            self.best_weights = snapshot(module.model.state_dict())
        recorder = self._recorder
        point = CurvePoint(
            step=module.step,
            epoch=self._plan.epochs(module.step),
            train_loss=recorder.loss_sum / recorder.loss_steps,
            val_loss=found.loss,
            metrics=found.metrics,
        )
        self.curve.append(point)
        recorder.loss_sum, recorder.loss_steps = 0.0, 0
        defined = {name: value for name, value in found.metrics.items() if value is not None}
        values = {f"val/{name}": value for name, value in defined.items()}
        losses = {"train/loss_mean": point.train_loss, "val/loss": found.loss}
        self._log({**losses, **values}, module.step)
        rate = recorder.tokens / recorder.seconds if recorder.seconds else 0.0
        self._display.validation(point, is_best=is_best, tokens_per_second=rate)
        self._watcher.validated(len(self.curve), point)

    def _save_if_due(self, trainer: Trainer, module: FineTuner) -> None:
        due = time.perf_counter() - self._saved_at >= self._interval
        agreed = self._agreed(trainer, self._stop.received or due)
        if agreed > 1:
            self._save_and_stop(trainer, module)
        elif agreed:
            self._save(trainer, module, wait=False)

    def _save_and_stop(self, trainer: Trainer, module: FineTuner) -> None:
        number = self._agreed(trainer, self._stop.received)
        self._save(trainer, module, wait=True)
        raise Interrupted(number, module.step)

    def _save(self, trainer: Trainer, module: FineTuner, *, wait: bool) -> None:
        """Saves the state; figures that only memory has are logged first."""
        self._recorder.pause()
        if self._states is not None and trainer.is_global_zero:
            optimizer = trainer.optimizers[0]
            state = TrainingState(
                self._progress(module.step),
                snapshot(module.model.state_dict()),
                snapshot(optimizer.state_dict()),
                self.best_weights,
            )
            self._states.save(state, wait=wait)
        self._saved_at = time.perf_counter()
        self._recorder.resume()

    def _progress(self, step: int) -> Progress:
        return Progress(
            step=step,
            validation_pending=self.validation_pending,
            tokens=self._recorder.tokens,
            seconds=self._recorder.seconds,
            loss_sum=self._recorder.loss_sum,
            loss_steps=self._recorder.loss_steps,
            best=self._selection.best,
            reference=self._selection.reference,
            waited=self._selection.waited,
            curve=self.curve,
        )

    def _agreed(self, trainer: Trainer, wish: int) -> int:
        """The largest wish of all processes, so that all do the same at the same step."""
        if trainer.world_size == 1:
            return int(wish)
        wishes = torch.tensor(int(wish), device=trainer.strategy.root_device)
        torch.distributed.all_reduce(wishes, torch.distributed.ReduceOp.MAX)
        return int(wishes)


def _module(module: LightningModule) -> FineTuner:
    assert isinstance(module, FineTuner)
    return module
