"""Optuna's samplers, as the settings ask for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.errors import UserError
from pipeline.sweep.definition.parameters import ChoiceParameter, Parameter
from pipeline.sweep.definition.settings import FINITE_SAMPLERS, SamplerSettings
from pipeline.sweep.study.space import Space, distribution

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


def make_sampler(
    settings: SamplerSettings, space: Space, *, conditional: bool, num_objectives: int
) -> BaseSampler:
    """Makes the sampler of a study that is asked and told.

    With one worker the same seed gives the same trials, however often the study was interrupted.

    The same point can come twice, except from `grid` and `brute_force` as long as one process asks:
    they draw untried points, and `space.exhausted` says when there are none left. Continuous
    parameters make a repetition unlikely for the others.

    Parameters with a condition are modelled by `tpe` (in groups that occur together), counted by
    `brute_force` and spread by `qmc`; `gp`, `cma-es` and `nsga-ii` draw them at random. `cma-es`
    leaves choices to `tpe`, and takes no notice of constraints.

    Args:
        settings: The settings.
        space: The search space.
        conditional: Whether some parameters exist only under a condition.
        num_objectives: Number of objectives.

    Raises:
        UserError: If cma-es is asked to optimise several objectives.
    """
    from pipeline.sweep.study.seeded import SeededByTrial

    if settings.kind == "cma-es":
        if num_objectives > 1:
            raise UserError(
                f"sampler cma-es optimises one objective, but the sweep has {num_objectives}",
                remedy="choose sampler nsga-ii, tpe or gp",
            )
        # A conditional parameter that the first trials happen to have would fix the number of
        # dimensions of the distribution that is kept in the storage, and end its use later.
        names = {name for name, parameter in space.items() if not parameter.when}
        return SeededByTrial(_cma_es(settings, space), settings.seed, space, frozenset(names))
    return SeededByTrial(_maker(settings, space, conditional=conditional), settings.seed, space)


def _maker(
    settings: SamplerSettings, space: Space, *, conditional: bool
) -> Callable[[int, int], BaseSampler]:
    from optuna.samplers import GPSampler, NSGAIISampler, RandomSampler

    from pipeline.sweep.study.seeded import SequencePoint, Untried

    if settings.kind in FINITE_SAMPLERS:
        return lambda _, seed: Untried(space, seed)
    if settings.kind == "qmc":
        kinds = {name: distribution(parameter) for name, parameter in space.items()}
        return lambda number, _: SequencePoint(number, kinds, settings.seed)
    if settings.kind == "tpe":
        return lambda _, seed: _tpe(settings, seed, group=conditional)
    if settings.kind == "gp":
        return lambda _, seed: GPSampler(
            seed=seed,
            n_startup_trials=settings.n_startup_trials,
            warn_independent_sampling=False,
        )
    if settings.kind == "nsga-ii":
        return lambda _, seed: NSGAIISampler(seed=seed, population_size=settings.population_size)
    return lambda _, seed: RandomSampler(seed=seed)


def _tpe(settings: SamplerSettings, seed: int, *, group: bool) -> BaseSampler:
    from optuna.samplers import TPESampler

    return TPESampler(
        seed=seed,
        n_startup_trials=settings.n_startup_trials,
        multivariate=True if group else None,
        group=group,
    )


def _cma_es(settings: SamplerSettings, space: Space) -> Callable[[int, int], BaseSampler]:
    from optuna.samplers import CmaEsSampler

    stepped = any(_has_steps(parameter) for parameter in space.values() if not parameter.when)

    return lambda _, seed: CmaEsSampler(
        seed=seed,
        independent_sampler=_tpe(settings, seed, group=False),
        warn_independent_sampling=False,
        # The margin keeps the distribution from settling between two steps.
        with_margin=stepped,
    )


def _has_steps(parameter: Parameter) -> bool:
    return not (isinstance(parameter, ChoiceParameter) or parameter.log or parameter.step is None)
