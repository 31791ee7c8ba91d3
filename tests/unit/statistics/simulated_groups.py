"""Groups of runs whose true accuracies are known: right or wrong, by example and by seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from pipeline.statistics.arrays import FloatArray
from pipeline.statistics.groups import GroupSample

RESAMPLES = 500


@dataclass(frozen=True)
class World:
    """A prediction is right where a sum of normal terms is positive.

    Attributes:
        item: Spread of how hard an example is for everyone.
        config: Of how hard it is for one configuration.
        seed: Of how good a seed is, of the reference's and the other's.
        noise: Of what one seed makes of one example.
    """

    item: float = 2.0
    config: float = 0.0
    seed: tuple[float, float] = (0.0, 0.0)
    noise: float = 1.0

    def spread(self, group: int) -> float:
        """Standard deviation of the sum."""
        return float(np.linalg.norm([self.item, self.config, self.seed[group], self.noise]))

    def pairs(
        self,
        accuracies: tuple[float, float],
        seeds: tuple[int, int],
        num_examples: int,
        count: int,
        *,
        stream: int,
    ) -> Iterator[tuple[GroupSample, GroupSample]]:
        """Draws `count` pairs of groups with these true accuracies on common examples."""
        generator = np.random.default_rng(stream)
        drawn = generator.multinomial(
            num_examples, np.full(num_examples, 1 / num_examples), RESAMPLES
        )
        weights = drawn.astype(np.float32)
        step = max(1, 2_000_000 // (num_examples * sum(seeds)))
        for first in range(0, count, step):
            part = min(step, count - first)
            item = generator.standard_normal((part, 1, num_examples), np.float32) * self.item
            groups = []
            for group in (0, 1):
                shape = (part, seeds[group], num_examples)
                total = generator.standard_normal(shape, np.float32) * self.noise
                total += special.ndtri(accuracies[group]) * self.spread(group) + item
                total += generator.normal(0, self.config, (part, 1, num_examples))
                total += generator.normal(0, self.seed[group], (part, seeds[group], 1))
                right = (total > 0).astype(np.float32)
                resamples = np.moveaxis(right @ weights.T, 2, 1).astype(np.float64)
                values = right.sum(axis=2, dtype=np.float64) / num_examples
                groups.append((values, resamples / num_examples))
            for place in range(part):
                yield _sample(groups[0], place), _sample(groups[1], place)


def _sample(group: tuple[FloatArray, FloatArray], place: int) -> GroupSample:
    return GroupSample(group[0][place], group[1][place])
