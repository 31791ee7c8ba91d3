"""The whole configuration as typed sections: the one source of defaults, units and docs."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from pipeline.config.base import Count, Group, Positive, Probability, Section
from pipeline.config.data import DataConfig
from pipeline.config.model import ModelConfig


class TaskConfig(Group):
    """What is learned."""

    kind: str = "text_classification"
    """A module of `pipeline.tasks`, or `package.module:Class` of the user's own."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Options of that task; the task itself declares and checks them."""
    primary_metric: str | None = None
    """The metric that selects checkpoints; by default the task's own choice."""


class MethodConfig(Group):
    """What of the model is trained."""

    kind: Literal["full", "frozen_prefix", "head"] = "full"
    """All weights; all but the embeddings and the lowest layers; the classifier head alone."""
    frozen_layers: int = Field(default=0, ge=0)
    """How many of the lowest layers stay as they are (frozen_prefix)."""

    @model_validator(mode="after")
    def _layers_belong_to_prefix(self) -> Self:
        if (self.kind == "frozen_prefix") != (self.frozen_layers > 0):
            raise ValueError(
                "frozen_layers must be positive for kind=frozen_prefix and 0 otherwise, "
                f"got {self.frozen_layers} with kind={self.kind}"
            )
        return self


class OptimizerConfig(Group):
    """The optimiser."""

    kind: Literal["adamw", "adam", "sgd"] = "adamw"
    """The update rule; adamw is fused where the device has it."""
    lr: Positive = 5.0e-5
    """Peak learning rate."""
    head_lr: Positive | None = None
    """Learning rate of newly initialised layers; by default `lr`."""
    weight_decay: float = Field(default=0.01, ge=0.0)
    """Decoupled weight decay (L2 for adam, sgd); never on biases and normalisation layers."""
    betas: tuple[Probability, Probability] = (0.9, 0.999)
    """Decay of the moments of gradient and squared gradient (adamw and adam)."""
    eps: Positive = 1.0e-8
    """Added to the denominator (adamw and adam)."""
    momentum: Probability = 0.9
    """Momentum of sgd."""


class SchedulerConfig(Group):
    """The learning rate over training."""

    kind: Literal["linear", "cosine", "constant"] = "linear"
    """Shape after warm-up: straight to zero, half a cosine to zero, or level."""
    num_warmup_steps: int | None = Field(default=None, ge=0)
    """Optimizer steps of warm-up."""
    warmup_ratio: Probability | None = None
    """Warm-up as a share of all optimizer steps."""

    @model_validator(mode="after")
    def _one_warmup(self) -> Self:
        if self.num_warmup_steps is not None and self.warmup_ratio is not None:
            raise ValueError("give num_warmup_steps or warmup_ratio, not both")
        return self


class TrainerConfig(Group):
    """The training loop and the machine it runs on."""

    max_epochs: Count = 3
    """Passes over the train split."""
    max_steps: Count | None = None
    """Optimizer steps after which training ends, even in the middle of an epoch."""
    max_tokens_per_batch: Count | None = 1_024
    """Batches are filled with texts of similar length up to so many tokens, padding included."""
    per_device_batch_size: Count | None = None
    """Largest number of examples in a batch; alone, a fixed batch size."""
    eval_max_tokens_per_batch: Count = 4_096
    """Token budget of validation and prediction batches."""
    pad_to_multiple_of: Count = 8
    """Padded lengths are multiples of this, so that kernels meet few distinct shapes."""
    accumulate_grad_batches: Count = 1
    """Batches whose gradients one optimizer step joins."""
    gradient_clip_val: Positive | None = 1.0
    """Largest norm of the gradient."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 mixed precision where the hardware has it, otherwise fp32."""
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    """What computes; auto takes a GPU where there is one."""
    devices: Count | Literal["auto"] = "auto"
    """Devices of each machine; auto takes all GPUs, or one CPU process."""
    num_nodes: Count = 1
    """Machines that share the training."""
    strategy: str = "auto"
    """A strategy of PyTorch Lightning that keeps the whole model in every process: auto, ddp, or
    ddp_find_unused_parameters_true."""
    validations_per_epoch: Count = 1
    """Evenly spread validations, the last one at the end of the epoch."""
    validation_generation_rows: Count | None = 500
    """Rows, evenly spread over the split, whose texts a validation generates where the task does
    that; the loss is that of all rows. None for all of them."""
    early_stopping_patience: Count | None = None
    """Validations without improvement after which training stops."""
    early_stopping_min_delta: float = Field(default=0.0, ge=0.0)
    """Smallest change of the primary metric that counts as improvement."""
    state_interval_seconds: Positive = 30.0
    """Time between saves of the training state, from which an interrupted run resumes."""
    log_every_n_steps: Count = 1
    """Optimizer steps between logged training metrics."""
    compile: bool = False
    """torch.compile; pays on GPUs for long runs."""
    num_threads: Count | None = None
    """CPU threads of torch; by default all cores."""
    deterministic: bool = True
    """Same config, same machine, same weights, bit for bit."""

    @model_validator(mode="after")
    def _some_batch_limit(self) -> Self:
        if self.max_tokens_per_batch is None and self.per_device_batch_size is None:
            raise ValueError("give max_tokens_per_batch or per_device_batch_size, or both")
        return self


class EvaluationConfig(Group):
    """How a model is measured."""

    num_bootstrap_samples: int = Field(default=2_000, ge=100)
    """Resamples behind every confidence interval."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    """Coverage of the intervals."""
    seed: int = Field(default=0, ge=0)
    """Seed of the resampling."""
    baselines: tuple[
        Literal[
            "majority",
            "tfidf",
            "popularity",
            "tfidf_similarity",
            "pixels",
            "lexicon",
            "copy",
            "nearest",
        ],
        ...,
    ] = (
        "majority",
        "tfidf",
        "popularity",
        "tfidf_similarity",
        "pixels",
        "lexicon",
        "copy",
        "nearest",
    )
    """Simple models evaluated beside, where they suit the task: majority and tfidf for labels, sets
    of them and numbers, popularity and tfidf_similarity for numbers of two texts, pixels for labels
    of pictures, lexicon for entities; of texts copy, the input itself, and nearest, what the train
    split has for the most similar input."""
    num_mistakes: int = Field(default=50, ge=0)
    """Most confident mistakes on the error page."""
    num_calibration_bins: int = Field(default=15, ge=2)
    """Equal-width bins of the reliability diagram; the expected calibration error has 15."""


class ExportConfig(Group):
    """What is made for serving."""

    formats: tuple[Literal["onnx", "onnx_int8"], ...] = ("onnx",)
    """Besides the Hugging Face directory, which train writes."""
    opset: int = Field(default=18, ge=18)
    """Version of the ONNX operators."""
    parity_rows: Count = 128
    """Real rows on which ONNX Runtime and PyTorch are compared."""
    tolerance: Positive = 1.0e-3
    """Largest difference of logits that fp32 ONNX may show; more is an error."""
    latency_batch_sizes: tuple[Count, ...] = (1, 8)
    """Numbers of texts of typical length that are timed together."""
    latency_repeats: Count = 20
    """Timed calls per batch size, after warm-up; the median is reported."""
    licence: str | None = None
    """Licence of the exported model for its card, as the hub names it, for example apache-2.0."""


class TrackingConfig(Group):
    """Where runs are logged."""

    enabled: bool = True
    """Whether runs are logged at all."""
    uri: str | None = None
    """MLflow tracking URI; by default $MLFLOW_TRACKING_URI, else `mlflow.db` in the root."""
    experiment: str | None = None
    """MLflow experiment; by default `<task>/<data>`."""
    run_name: str | None = None
    """Name of the run; by default made of experiment, model, what differs from the experiment, and
    seed."""
    log_model: bool = True
    """Whether the trained weights are kept in MLflow too."""

    @model_validator(mode="after")
    def _no_password(self) -> Self:
        if self.uri is not None and re.search(r"://[^/]*:[^/]*@", self.uri):
            raise ValueError(
                "uri must hold no password, as the configuration is kept in files: set "
                "MLFLOW_TRACKING_URI to the whole address, or MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD"
            )
        return self


class GateConfig(Group):
    """What a model version must show to become champion; a limit of null is not checked."""

    metric: str | None = None
    """The test metric that counts; by default the task's primary metric."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    """Worse than the champion on the same test examples is refused where the two-sided p-value is
    below one minus this."""
    max_drop: float | None = Field(default=None, ge=0.0)
    """Largest drop below the champion's value, in the metric's unit, even one of chance."""
    margin: Positive | None = None
    """Drop below the champion's value that the difference's interval must exclude: unlike the test,
    which lets pass what few examples cannot show, it asks for evidence."""
    worst_value: float | None = None
    """Value to reach: a floor where higher is better, otherwise a ceiling."""
    runtime: Literal["pytorch", "onnx", "onnx_int8"] = "onnx"
    """What will serve the model: the entry of export's report that the limits below are about."""
    min_prediction_agreement: float | None = Field(default=0.99, ge=0.0, le=1.0)
    """Smallest share of real rows for which it predicts the same as PyTorch."""
    max_abs_difference: Positive | None = None
    """Largest difference between a logit of its and PyTorch's."""
    max_latency_ms: Positive | None = None
    """Longest median time of a forward pass, in milliseconds, on the machine that exported."""
    latency_batch_size: Count = 1
    """Texts of such a pass; one of `export.latency_batch_sizes`."""
    max_size_mb: Positive | None = None
    """Largest size of the weights in 10^6 bytes."""


class Config(Section):
    """The resolved configuration of one run."""

    experiment: str = "default"
    """The chosen file of `conf/experiment/`."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of initialisation, order and dropout."""
    data: DataConfig
    task: TaskConfig
    model: ModelConfig
    method: MethodConfig
    optimizer: OptimizerConfig
    scheduler: SchedulerConfig
    trainer: TrainerConfig
    evaluation: EvaluationConfig
    export: ExportConfig
    tracking: TrackingConfig
    gate: GateConfig = GateConfig()

    @property
    def mlflow_experiment(self) -> str:
        """The MLflow experiment of its runs: the one it names, otherwise `<task>/<data>`."""
        return self.tracking.experiment or f"{self.task.name}/{self.data.name}"

    @model_validator(mode="after")
    def _something_worth_keeping(self) -> Self:
        if self.method.kind != "full" and self.model.checkpoint.source == "scratch":
            raise ValueError(
                f"method.kind={self.method.kind} keeps weights as they are, but model "
                f"{self.model.name} starts from random ones: set method=full"
            )
        return self


GROUPS: tuple[str, ...] = tuple(
    name
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Group)
)
"""Sections that `conf/<group>/` fills, in order."""

WITHOUT_EFFECT: frozenset[str] = frozenset({"tracking", "gate"})
"""Sections that change no result: no hash, no experiment and no identity counts them."""
