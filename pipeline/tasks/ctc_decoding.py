"""What a CTC model's outputs spell: the best path, or a beam over what paths spell."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt

BLANK = 0
"""The id of the label that stands for nothing."""
FloatArray = npt.NDArray[np.float64]
_TRIED = 20
"""Most labels that a beam goes on with at each step."""


def best_path(logits: FloatArray) -> list[int]:
    """The ids that the best label of every step spells: repetitions count once, blanks not at all.

    Args:
        logits: `[steps, labels]`, padding left out.
    """
    best = logits.argmax(axis=-1)
    changed = np.ones(len(best), bool)
    changed[1:] = best[1:] != best[:-1]
    return best[changed & (best != BLANK)].tolist()  # type: ignore[no-any-return]


def beam_search(logits: FloatArray, width: int) -> list[int]:
    """The ids that are likeliest over all paths that spell them, as far as the beam sees.

    The prefix search of Hannun et al. (arXiv 1408.2873) without a language model.

    Args:
        logits: `[steps, labels]`, padding left out.
        width: Beginnings that are kept at each step.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    scores = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    nothing = -np.inf
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, nothing)}
    for step in scores:
        tried = np.argsort(-step, kind="stable")[:_TRIED].tolist()
        found: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [nothing, nothing])
        for prefix, (ends_blank, ends_label) in beam.items():
            either = np.logaddexp(ends_blank, ends_label)
            for label in tried:
                gain = float(step[label])
                if label == BLANK:
                    _add(found[prefix], 0, either + gain)
                elif prefix and prefix[-1] == label:
                    _add(found[prefix], 1, ends_label + gain)
                    _add(found[(*prefix, label)], 1, ends_blank + gain)
                else:
                    _add(found[(*prefix, label)], 1, either + gain)
        kept = sorted(found.items(), key=lambda one: (-np.logaddexp(one[1][0], one[1][1]), one[0]))[
            :width
        ]
        beam = {prefix: (ends[0], ends[1]) for prefix, ends in kept}
    return list(next(iter(beam)))


def _add(ends: list[float], place: int, score: float) -> None:
    ends[place] = float(np.logaddexp(ends[place], score))
