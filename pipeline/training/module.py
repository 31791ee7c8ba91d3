"""The one LightningModule: a model, its task's loss, the optimizer step, validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim import Optimizer
from transformers import PreTrainedModel

from pipeline.config.schema import OptimizerConfig
from pipeline.data.store import EncodedSplit
from pipeline.models.precision import Precision, mixed_precision
from pipeline.tasks.base import Batch, FloatArray, IntArray, Task, Tensors
from pipeline.tasks.tensors import to_arrays
from pipeline.training.cpu_dropout import KeepMasks
from pipeline.training.optimizers import build_optimizer
from pipeline.training.plan import TrainingPlan
from pipeline.training.randomness import seed_batch
from pipeline.training.row_gradients import RowGradients
from pipeline.training.schedules import Schedule
from pipeline.training.state import TrainingState

Part = TypeVar("Part")


@dataclass(frozen=True)
class Step:
    """An optimizer step that was made; tensors are on the model's device, so nobody waits for it.

    Attributes:
        number: Steps made, this one included.
        loss: Mean over the targets of the step's batches, a scalar.
        grad_norm: Norm of the gradient before clipping, a scalar.
        lr: Learning rate of the body.
        tokens: Tokens or frames in the step's batches, padding not counted, a scalar.
    """

    number: int
    loss: Tensor
    grad_norm: Tensor
    lr: float
    tokens: Tensor


@dataclass(frozen=True)
class Validation:
    """What a validation found.

    Attributes:
        loss: Mean loss of an example, unsmoothed and unweighted.
        metrics: The task's metrics, of the rows that were predicted; None where undefined.
    """

    loss: float
    metrics: dict[str, float | None]


class FineTuner(LightningModule):
    """Trains any task's model; the task gives loss, decoding and metrics.

    Weights and their updates are float32; precision is that of the forward pass. The gradient of a
    step is that of the mean loss over all targets in its batches, of all processes: each batch
    weighs as many targets as it has, so accumulation gives what one large batch would.

    Args:
        model: What to train; frozen weights do not need gradients.
        task: Its task.
        label_names: Names by label id.
        validation: The split that validations measure.
        plan: Which batches form a step.
        optimizer: The section `optimizer` of the config.
        schedule: Share of the peak learning rate.
        clip: Largest norm of the gradient; None for any.
        precision: Of the forward pass.
        seed: Of dropout.
        compiled: Whether the model's forward pass is compiled.
        generation_rows: How many rows, evenly spread, a validation predicts where the task
            generates; None for all.
        masks: Draws dropout in place of torch; None leaves it to torch.
        rows: Knows gradients of few rows; None where all are dense.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        task: Task,
        label_names: Sequence[str],
        validation: EncodedSplit,
        *,
        plan: TrainingPlan,
        optimizer: OptimizerConfig,
        schedule: Schedule,
        clip: float | None,
        precision: Precision,
        seed: int,
        compiled: bool,
        generation_rows: int | None = None,
        masks: KeepMasks | None = None,
        rows: RowGradients | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.step_made: Step | None = None
        self.validated: Validation | None = None
        self.step = 0
        self._task = task
        self._label_names = tuple(label_names)
        self._validation = validation
        self._plan = plan
        self._optimizer = optimizer
        self._schedule = schedule
        self._clip = clip
        self._precision = precision
        self._seed = seed
        run: Callable[..., Any] = model
        if compiled:
            run = torch.compile(model, dynamic=True)
        self._run = (run,)  # a module as an attribute would be registered twice
        self._masks = masks
        self._rows = rows or RowGradients()
        self._trained = [weight for weight in model.parameters() if weight.requires_grad]
        self._first_batch = 0
        self._optimizer_state: dict[str, Any] | None = None
        self._totals: Tensor | None = None
        self._losses: list[tuple[IntArray, FloatArray]] = []
        self._predicted: list[tuple[IntArray, pa.Table]] = []
        self._chosen = _spread(len(validation), generation_rows if task.generates else None)

    def restore(self, state: TrainingState) -> None:
        """Goes on from a state."""
        self.step = state.progress.step
        self._first_batch = self._plan.batches(self.step)
        self._optimizer_state = state.optimizer
        self.model.load_state_dict(state.weights)

    def configure_optimizers(self) -> Optimizer:
        """Makes the optimizer of what is trained."""
        optimizer = build_optimizer(self.model, self._optimizer)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
        return optimizer

    def forward(self, batch: Batch) -> Tensors:
        """What the task's losses are made of."""
        with mixed_precision(self.device, self._precision):
            return self._task.forward(self._run[0], batch)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Adds a batch's gradient, and steps where the plan says so."""
        number = self._first_batch + batch_idx
        word = seed_batch(self._seed, self.global_rank, number)
        if self._masks is not None:
            self._masks.seed(word)
        self.step_made = None
        batch = self._task.augment(batch, word)
        loss = self._task.loss(self(batch), batch)
        targets = self._task.num_targets(batch)
        self.manual_backward(loss * targets if self._is_weighted else loss)
        totals = torch.stack([loss.detach() * targets, targets, batch["length"].sum()])
        self._totals = totals if self._totals is None else self._totals + totals
        if self._plan.ends_step(number):
            self._step()

    @property
    def _is_weighted(self) -> bool:
        """Whether several batches share a step, so that each has to weigh what it holds."""
        return self._plan.accumulate > 1 or self.trainer.world_size > 1

    def _step(self) -> None:
        """Divides, clips and applies the gradient; all on the device, in one pass over it."""
        assert self._totals is not None
        if self.trainer.world_size > 1:
            torch.distributed.all_reduce(self._totals)
        loss_sum, targets, tokens = self._totals
        targets = targets.clamp(min=1)  # nothing to learn in these batches is no division by zero
        self._totals = None
        gradients = [
            self._rows.values(weight) for weight in self._trained if weight.grad is not None
        ]
        norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
        divisor = torch.ones_like(norm)
        if self._is_weighted:
            divisor = targets / self.trainer.world_size
            norm = norm / divisor
        if self._clip is not None:
            divisor = divisor * (norm / self._clip).clamp(min=1.0)
        wrapped = self.optimizers()
        assert isinstance(wrapped, LightningOptimizer)
        optimizer: Any = wrapped.optimizer
        optimizer.grad_scale = divisor
        share = self._schedule(self.step)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * share
        wrapped.step()
        self._rows.clear()
        optimizer.zero_grad()
        self.step += 1
        self.step_made = Step(
            self.step, loss_sum / targets, norm, self._optimizer.lr * share, tokens
        )

    def on_validation_epoch_start(self) -> None:
        """Forgets losses and predictions of the validation before."""
        self._losses, self._predicted = [], []

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Measures the loss of a batch, and predicts its rows or the chosen ones of them."""
        rows = batch["index"].cpu().numpy()
        kept = self._chosen[rows]
        with torch.inference_mode():
            outputs = self(batch)
            example_losses = self._task.example_losses(outputs, batch)
            losses = example_losses.double().cpu().numpy()
            self._losses.append((rows, losses))
            if not kept.any():
                return
            if not kept.all():
                places = torch.from_numpy(np.flatnonzero(kept)).to(self.device)
                batch = {name: tensor[places] for name, tensor in batch.items()}
                outputs = {name: tensor[places] for name, tensor in outputs.items()}
                rows, losses = rows[kept], losses[kept]
            with mixed_precision(self.device, self._precision):
                found = self._task.predict(self.model, batch, outputs)
        decoded = self._task.decode(
            to_arrays(found), self._validation.rows(rows), self._label_names
        )
        self._predicted.append((rows, decoded.append_column("loss", pa.array(losses))))

    def on_validation_epoch_end(self) -> None:
        """Measures the predictions of all processes, each row counted once."""
        lost, predicted = self._of_all(self._losses), self._of_all(self._predicted)
        self._losses, self._predicted = [], []
        measured, first = np.unique(np.concatenate([rows for rows, _ in lost]), return_index=True)
        losses = np.concatenate([values for _, values in lost])[first]
        assert len(measured) == len(self._validation)
        rows, first = np.unique(np.concatenate([rows for rows, _ in predicted]), return_index=True)
        predictions = pa.concat_tables([table for _, table in predicted]).take(pa.array(first))
        table, names = self._validation.table, self._label_names
        if len(rows) < len(measured):
            table = table.take(pa.array(rows))
        predictions = self._task.tune(predictions, table, names)
        found = self._task.metrics(predictions, table, names)
        self.validated = Validation(
            float(losses.mean(dtype=np.float64)),
            {name: _number(samples[0]) for name, samples in found.items()},
        )

    def _of_all(self, parts: list[Part]) -> list[Part]:
        """What all processes have found."""
        if self.trainer.world_size == 1:
            return parts
        gathered: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(gathered, parts)
        return [part for process in gathered for part in process]


def _spread(count: int, wanted: int | None) -> npt.NDArray[np.bool_]:
    """Which of some rows are taken, evenly spread; all where nothing is asked for."""
    taken = np.ones(count, np.bool_)
    if wanted is not None and wanted < count:
        taken[:] = False
        taken[np.linspace(0, count - 1, wanted).astype(np.int64)] = True
    return taken


def _number(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
