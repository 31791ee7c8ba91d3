"""The pictures of a sweep's report, each with a caption that says how to read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.reports.blocks import Picture
from pipeline.reports.drawing import STYLE
from pipeline.reports.typeface import font_families
from pipeline.sweep.comparison import Comparison
from pipeline.sweep.report.contour import contours
from pipeline.sweep.report.importance import importances, with_importances
from pipeline.sweep.report.scales import View, view_of
from pipeline.sweep.report.space import parallel, slices
from pipeline.sweep.report.trials import compared, history, intermediate, pareto
from pipeline.sweep.report.words import shown
from pipeline.sweep.study.records import StudyRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 144


Draw = Callable[[View], "Figure | str"]
"""Makes a picture, or says why there is none."""

CAPTIONS = {
    "history": (
        "History",
        "Each trial in the order of beginning. The line is the best feasible value so far: where "
        "it has long been flat, more trials of this space will hardly help. A pruned trial stands "
        "at its last value before it was ended; ticks at the bottom are failed trials.",
    ),
    "importances": (
        "Importance of parameters",
        "The share of the differences between trials that each parameter explains by itself, over "
        "the whole space (fANOVA). It says nothing about the direction; with fewer than some 30 "
        "trials, read it as a hint.",
    ),
    "parallel": (
        "Parallel coordinates",
        "Each line is a trial; it crosses every upright axis at its value, the darker the better. "
        "Where dark lines meet, good trials have something in common. `not set` is a parameter "
        "that does not exist in a trial. Dotted: infeasible.",
    ),
    "slices": (
        "Slices",
        "Each trial's value against one parameter, whatever the others were. Good points crowded "
        "at an end of an axis say that the range should be widened there.",
    ),
    "contours": (
        "Contours",
        "Two parameters at once. The surface is a mean over near trials, the darker the better; "
        "grey is where no trial is near.",
    ),
    "intermediate": (
        "Learning curves",
        "What trials reported while they trained. Pruned ones end in a cross: if their curves were "
        "still catching up with the others, the pruner was too strict.",
    ),
    "pareto": (
        "Pareto front",
        "Trials by their objectives. No trial is better than one on the front in one objective "
        "without being worse in another; the numbers are those of the trials, where there is room.",
    ),
    "comparison": (
        "Best trial and default",
        "Both trained on the same fresh seeds, which the search did not use. Small points are "
        "seeds, lines join the same seed, diamonds are means with their intervals. Right: the "
        "differences; where their interval holds zero, the seeds show no difference.",
    ),
}
"""By picture its title and caption, in order of the report."""


def draw_pictures(
    record: StudyRecord, comparison: Comparison | None, directory: Path
) -> list[Picture]:
    """Draws every picture that the study has enough for.

    A picture that fails costs no report: it is left out with the error in words.

    Args:
        record: The study; of any size and state.
        comparison: The best trial beside the default; None where it was not made.
        directory: Where the files go; it exists.

    Returns:
        All pictures, also those left out.
    """
    from matplotlib import rc_context

    draws: dict[str, Draw] = {
        "comparison": lambda _: compared(comparison),
        "history": history,
        "pareto": pareto,
        "importances": importances,
        "slices": slices,
        "parallel": parallel,
        "contours": contours,
        "intermediate": intermediate,
    }
    view = view_of(record)
    try:
        view = with_importances(view)
    except Exception as error:
        view = replace(view, trouble=_in_words(error))
    texts = [shown(v) for t in record.trials for v in (t.params or {}).values()]
    families, _ = font_families(list(dict.fromkeys(texts)))
    with rc_context({"font.family": families, **STYLE}):
        return [_draw(name, draw, view, directory) for name, draw in draws.items()]


def _draw(name: str, draw: Draw, view: View, directory: Path) -> Picture:
    title, caption = CAPTIONS[name]
    try:
        figure = draw(view)
        if isinstance(figure, str):
            return Picture(name, title, caption, missing=figure)
        figure.savefig(directory / f"{name}.png", dpi=DPI, metadata={"Software": None})
    except Exception as error:
        return Picture(name, title, caption, missing=_in_words(error))
    return Picture(name, title, caption)


def _in_words(error: Exception) -> str:
    return f"it could not be drawn ({type(error).__name__}: {error})"
