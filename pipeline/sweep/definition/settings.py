"""What a file of `sweeps/` may say: the one source of defaults, units and docs of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pipeline.config.base import Count, Positive, Section
from pipeline.sweep.definition.parameters import ConditionalParameter, Parameter

Direction = Literal["minimize", "maximize"]
Scalar = bool | int | float | str | None
FINITE_SAMPLERS = ("grid", "brute_force")
"""Samplers that end by themselves, when every combination has been tried."""


class Objective(Section):
    """What is optimised."""

    metric: str
    """A metric of the task on validation data, `loss`, or a cost (see `metrics.COSTS`)."""
    direction: Direction | None = None
    """Which way is better; by default the metric's own."""


class Constraint(Section):
    """A bound that a trial must keep to be feasible; infeasible trials are never the best."""

    metric: str
    """Any metric that an objective may be."""
    min: float | None = None
    """Smallest feasible value."""
    max: float | None = None
    """Largest feasible value."""

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.min is None) == (self.max is None):
            raise ValueError("give min or max, and only one of them")
        return self

    def violation(self, metrics: Mapping[str, float]) -> float:
        """How far a trial's metrics lie beyond the bound; at most 0 where they keep it."""
        value = metrics[self.metric]
        return self.min - value if self.min is not None else value - (self.max or 0.0)

    def __str__(self) -> str:
        return f"{self.metric} {'>=' if self.max is None else '<='} {self.min or self.max or 0.0:g}"


class SamplerSettings(Section):
    """How the next point of the space is chosen."""

    kind: Literal["tpe", "gp", "cma-es", "random", "grid", "nsga-ii", "qmc", "brute_force"] = "tpe"
    """The algorithm: Optuna's, but for grid and brute_force, which draw untried combinations."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed; with one worker the same seed gives the same trials, interrupted or not."""
    n_startup_trials: Count = 10
    """Random trials before a model of the space is fitted (tpe and gp)."""
    population_size: int = Field(default=20, ge=2)
    """Trials of a generation (nsga-ii)."""


class PrunerSettings(Section):
    """Which trials are ended early for doing badly."""

    kind: Literal["none", "median", "percentile", "successive_halving", "hyperband", "wilcoxon"] = (
        "median"
    )
    """The rule; all are Optuna's. Its step is the number of the validation within the trial;
    for wilcoxon the number of the seed."""
    n_startup_trials: int = Field(default=5, ge=0)
    """Complete trials before any is pruned (median and percentile)."""
    n_warmup_steps: int = Field(default=0, ge=0)
    """Validations of a trial before it may be pruned (median and percentile)."""
    percentile: float = Field(default=25.0, gt=0.0, lt=100.0)
    """The best so many per cent are kept (percentile)."""
    min_resource: Count = 1
    """Validations that every trial gets (successive_halving and hyperband)."""
    reduction_factor: int = Field(default=3, ge=2)
    """One of so many trials goes on to the next rung (successive_halving and hyperband)."""
    p_threshold: float = Field(default=0.1, gt=0.0, lt=1.0)
    """p-value below which a trial counts as worse than the best over seeds (wilcoxon)."""


class StopSettings(Section):
    """When a study ends before `n_trials`."""

    patience: Count | None = None
    """Finished trials in a row without a better one after which the study ends."""
    min_delta: float = Field(default=0.0, ge=0.0)
    """Smallest gain that counts as better."""
    terminator: bool = False
    """Optuna's terminator: ends when the gain still to be expected is small (one objective)."""
    failures_in_a_row: Count = 5
    """Failed trials in a row after which the study is given up, with a summary."""


class ConfirmSettings(Section):
    """The best trial beside the default configuration, over seeds that the search did not use."""

    seeds: int = Field(default=5, ge=0)
    """Fresh seeds on which both are trained once more after the search; 0 leaves it out. Several
    objectives have no single best, and are not confirmed."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    """Coverage of the intervals; one minus it is the level of the test."""


class RaySettings(Section):
    """How workers are run by Ray (`launcher: ray`)."""

    address: str | None = None
    """The cluster, for example auto or ray://head:10001; by default a Ray of its own is started."""
    cpus_per_worker: Positive | None = None
    """Cores a worker reserves; by default its threads."""
    gpus_per_worker: float = Field(default=0.0, ge=0.0)
    """GPUs a worker reserves."""


class SweepSettings(Section):
    """One file of `sweeps/`."""

    description: str = ""
    """What the sweep is for, in a sentence."""
    study: str = Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    """Name of the study; by default the file's."""
    experiment: str | None = None
    """The file of `conf/experiment/` to start from; by default the pinned experiment."""
    overrides: tuple[str, ...] = ()
    """Hydra overrides that hold for every trial and for the default it is compared with."""
    objectives: tuple[Objective, ...] = ()
    """By default the task's primary metric."""
    constraints: tuple[Constraint, ...] = ()
    """Bounds of feasible trials."""
    sampler: SamplerSettings = SamplerSettings()
    """How points are chosen; a word is its kind."""
    pruner: PrunerSettings | None = None
    """Which trials end early; a word is its kind. By default median, and none for several
    objectives, which allow no other."""
    n_trials: Count = 20
    """Finished trials the study has in all; the same command later goes on up to that number."""
    timeout: Positive | None = None
    """Seconds after which this command begins no further trial."""
    workers: Count = 1
    """Processes that run trials side by side."""
    threads: Count | None = None
    """CPU threads of a worker; by default its share of the cores. Part of each trial's config,
    since the same number of threads gives the same weights."""
    seeds: Count = 1
    """Trainings of a trial with different seeds; the objective is their mean."""
    retries: int = Field(default=2, ge=0)
    """How often a trial whose worker died is taken up again from its training state."""
    keep_models: int = Field(default=1, ge=0)
    """The best so many trials keep their weights; all keep metrics and config."""
    storage: str | None = None
    """Optuna's storage: postgresql://…, mysql://…, grpc://host:port; by default a journal file in
    the study's directory."""
    heartbeat_seconds: Positive = 30.0
    """Time between signs of life of a running trial."""
    grace_seconds: Positive = 180.0
    """Time without one after which a trial of another machine counts as abandoned."""
    launcher: Literal["local", "ray"] = "local"
    """What starts the workers."""
    ray: RaySettings = RaySettings()
    """Options of launcher ray."""
    stop: StopSettings = StopSettings()
    """When to end early."""
    confirm: ConfirmSettings = ConfirmSettings()
    """The comparison after the search."""
    space: dict[str, Annotated[Parameter, Field(discriminator="type")]] = Field(min_length=1)
    """What is searched: keys of the configuration, or a config group whose option is chosen.
    Order matters: a condition names parameters above it."""
    derived: dict[str, str] = Field(default_factory=dict)
    """Keys computed from other values of the trial's configuration, for example
    `optimizer.head_lr: 10 * optimizer.lr`."""
    initial: tuple[dict[str, Any], ...] = ()
    """Points that are tried first; parameters they leave out are sampled."""

    @property
    def conditional(self) -> bool:
        """Whether some parameters exist only under a condition."""
        return any(parameter.when for parameter in self.space.values())

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        earlier: dict[str, ConditionalParameter] = {}
        for name, parameter in self.space.items():
            parameter.check_condition(name, earlier)
            earlier[name] = parameter
        for name in self.derived:
            if name in self.space:
                raise ValueError(f"{name} is searched, so it cannot be derived as well")
        for number, point in enumerate(self.initial, start=1):
            for name, value in point.items():
                if name not in self.space:
                    raise ValueError(f"initial point {number} names {name}, which is not searched")
                self.space[name].check_value(name, value)
        return self

    @model_validator(mode="after")
    def _fits_sampler(self) -> Self:
        kind = self.sampler.kind
        if kind in FINITE_SAMPLERS:
            for name, parameter in self.space.items():
                if not parameter.is_finite:
                    raise ValueError(
                        f"sampler {kind} tries all combinations, but {name} has infinitely many "
                        "values: give it a step, or type: choice"
                    )
        if kind == "grid" and self.conditional:
            raise ValueError(
                "sampler grid knows no conditions (`when`); sampler brute_force does the same "
                "with them"
            )
        if kind == "cma-es":
            numeric = [p for p in self.space.values() if p.type != "choice" and not p.when]
            if len(numeric) < 2 or len(self.objectives) > 1 or self.constraints:
                raise ValueError(
                    "sampler cma-es needs one objective, no constraints, and at least two numeric "
                    "parameters without conditions"
                )
        return self

    @model_validator(mode="after")
    def _fits_pruner(self) -> Self:
        kind = self.pruning.kind
        several = len(self.objectives) > 1
        if kind != "none" and several:
            raise ValueError(f"pruner {kind} needs one objective; several allow pruner: none")
        if several and (self.stop.terminator or self.stop.patience is not None):
            raise ValueError("stop.patience and stop.terminator need one objective")
        return self

    @property
    def pruning(self) -> PrunerSettings:
        """The pruner, defaults resolved."""
        if self.pruner is not None:
            return self.pruner
        return PrunerSettings(kind="none" if len(self.objectives) > 1 else "median")

    @property
    def prunes(self) -> bool:
        """Whether trials may be ended early."""
        return self.pruning.kind != "none"

    @property
    def compares_seeds(self) -> bool:
        """Whether trials are ended early by their seeds rather than by their validations."""
        return self.pruning.kind == "wilcoxon"
