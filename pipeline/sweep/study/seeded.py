"""Samplers whose draws depend on the trial alone, not on how often the study was interrupted.

Imports optuna, and is imported where a sampler is made.
"""

from __future__ import annotations

import hashlib
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, QMCSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.sweep.study.records import decode, encode
from pipeline.sweep.study.space import Point, Space, completions, distribution, index_of, locate

_DRAWN = "sweep:drawn"
"""The trial's attribute that keeps values drawn together, as Optuna stores them inside."""


def derived_seed(*parts: object) -> int:
    """A seed of 32 bits made from others; independent where any of them differs."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


class SeededByTrial(BaseSampler):
    """Makes the sampler anew for each trial, with a seed of the trial's own.

    What is drawn for a trial so depends on the seed, its number, the parameter's name and the
    trials in the storage, and not on what this process drew before: a study that was interrupted
    goes on as if it had not been, and two processes never draw the same numbers. Values that are
    drawn together are kept in the storage at once, so that a trial that is asked for again gets
    them again, however many trials have ended since.

    Args:
        make: Makes the sampler from a trial's number and a seed.
        seed: The study's seed.
        space: The search space.
        relative: The parameters that may be drawn together; by default all that the sampler takes.
    """

    def __init__(
        self,
        make: Callable[[int, int], BaseSampler],
        seed: int,
        space: Space,
        relative: frozenset[str] | None = None,
    ) -> None:
        self._make = make
        self._seed = seed
        self._kinds = {name: distribution(parameter) for name, parameter in space.items()}
        self._relative = frozenset(space) if relative is None else relative
        self._samplers: dict[int, BaseSampler] = {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Makes the trial's sampler."""
        self._samplers.pop(trial.number, None)
        self._of(trial).before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The parameters that are drawn together."""
        if _DRAWN in trial.system_attrs:
            return {name: self._kinds[name] for name in trial.system_attrs[_DRAWN]}
        inferred = self._of(trial).infer_relative_search_space(study, trial)
        return {name: kind for name, kind in inferred.items() if name in self._relative}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draws them, unless that has been done."""
        kept = trial.system_attrs.get(_DRAWN)
        if kept is None:
            drawn = self._of(trial).sample_relative(study, trial, search_space)
            kept = {
                name: float(search_space[name].to_internal_repr(value))
                for name, value in drawn.items()
            }
            if kept:
                study._storage.set_trial_system_attr(trial._trial_id, _DRAWN, kept)
        return {name: self._kinds[name].to_external_repr(value) for name, value in kept.items()}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draws one parameter by itself, the same whatever was drawn before it."""
        sampler = self._built(trial, derived_seed(self._seed, trial.number, param_name))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Lets the sampler keep what it needs; also for a trial that another process asked for."""
        sampler = self._of(trial)
        del self._samplers[trial.number]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Constraints have been set, but CmaEsSampler")
            sampler.after_trial(study, trial, state, values)

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        if trial.number not in self._samplers:
            seed = derived_seed(self._seed, trial.number)
            self._samplers[trial.number] = self._built(trial, seed)
        return self._samplers[trial.number]

    def _built(self, trial: FrozenTrial, seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return self._make(trial.number, seed)


class SequencePoint(QMCSampler):
    """One point of a scrambled Sobol sequence: trial number n gets the n-th.

    Optuna's own sampler counts the points in the storage, so that a killed process skips one and
    two at once may take the same. It also draws the first trial at random, since it learns the
    space from it. Coordinates of parameters that do not exist in a trial are ignored.

    Args:
        number: The trial's number.
        space: Distributions of all parameters.
        sequence_seed: Seed of the scrambling; all trials of a study share it.
    """

    def __init__(
        self, number: int, space: Mapping[str, BaseDistribution], sequence_seed: int
    ) -> None:
        super().__init__(scramble=True, seed=sequence_seed, warn_independent_sampling=False)
        self._number = number
        self._space = {name: kind for name, kind in space.items() if not kind.single()}

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """All parameters that have a choice, in the space's order."""
        return dict(self._space)

    def _find_sample_id(
        self,
        study: Study,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> int:
        return self._number


class Untried(BaseSampler):
    """Draws among the points of a finite space that no trial has; each untried point alike.

    Optuna's grid sampler repeats points while the last trials run, and refuses initial points that
    leave parameters out; its brute-force sampler reads the order of parameters, which a gRPC
    storage loses, and fails. Both end the study by an exception when it is asked and told. Here
    `space.exhausted` says when all points have been tried; after that, points repeat.

    Args:
        space: The space; finite.
        seed: Seed of this trial.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """None."""
        return {}

    def sample_relative(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        """None."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,  # noqa: ARG002
    ) -> Any:
        """Draws a value, the likelier the more untried points it leads to."""
        chosen = {name: decode(value) for name, value in trial.params.items()}
        beginning = self._beginning(chosen)
        tried = self._tried(study, trial.number, beginning)
        values = self._space[param_name].values()
        untried = [
            completions(self._space, {**chosen, param_name: value})
            - sum(point[len(beginning)] == (param_name, index) for point in tried)
            for index, value in enumerate(values)
        ]
        generator = random.Random(self._seed)  # noqa: S311
        weights = untried if any(untried) else None
        return encode(generator.choices(values, weights)[0])

    def _beginning(self, chosen: Mapping[str, Any]) -> Point:
        located = (
            (name, index_of(self._space[name], chosen[name]))
            for name in self._space
            if name in chosen
        )
        return tuple((name, -1 if index is None else index) for name, index in located)

    def _tried(self, study: Study, number: int, beginning: Point) -> set[Point]:
        # Not `get_trials`, which under pruner hyperband leaves out the trials of other brackets.
        trials = study._get_trials(deepcopy=False)
        points = (
            locate(self._space, {name: decode(value) for name, value in other.params.items()})
            for other in trials
            if other.number != number and other.state != TrialState.WAITING
        )
        return {point for point in points if point and point[: len(beginning)] == beginning}
