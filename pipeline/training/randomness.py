"""Random numbers that depend on seed, process and batch alone, never on what was drawn before."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

_INITIALISATION = 2**63
"""No batch has this number."""


def seed_initialisation(seed: int) -> None:
    """Seeds all generators for new weights: the same in each process of a distributed run."""
    _seed_all([seed, _INITIALISATION])


def seed_batch(seed: int, rank: int, batch: int) -> int:
    """Seeds all generators for the dropout of one batch.

    A resumed run draws the same numbers without any generator's state having been saved.

    Args:
        seed: The run's seed.
        rank: Which process of a distributed run, from 0.
        batch: Number of the batch within the whole training, from 0.

    Returns:
        The number they were seeded with, for generators of one's own.
    """
    return _seed_all([seed, rank, batch])


def _seed_all(entropy: list[int]) -> int:
    import torch

    cuda: Any = torch.cuda
    word = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])
    torch.default_generator.manual_seed(word)
    # torch.manual_seed, too, would queue a call, with its stack, for each device that has not begun
    if cuda.is_initialized():
        cuda.manual_seed(word)
    elif torch.backends.mps.is_available():
        torch.mps.manual_seed(word)
    np.random.seed(word % 2**32)
    random.seed(word)
    return word
