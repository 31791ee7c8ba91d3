"""Which renderer shows which kind of target."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.evaluation.cases.base import Cases
from pipeline.evaluation.cases.entities import EntityCases
from pipeline.evaluation.cases.labels import LabelCases
from pipeline.evaluation.cases.numbers import NumberCases
from pipeline.evaluation.cases.rankings import RankingCases
from pipeline.evaluation.cases.sets import SetCases
from pipeline.evaluation.cases.texts import TextCases
from pipeline.evaluation.cases.transcripts import TranscriptCases
from pipeline.evaluation.context import Context
from pipeline.tasks.base import Kind
from pipeline.tasks.columns import input_columns

CASES: Mapping[Kind, type[Cases]] = {
    "label": LabelCases,
    "labels": SetCases,
    "number": NumberCases,
    "entities": EntityCases,
    "text": TextCases,
}
"""By kind of target; for other kinds there is no page of mistakes."""


def renderer_of(context: Context) -> type[Cases] | None:
    """What shows the mistakes of a model.

    A text that was spoken is shown word by word, numbers that order the rows of a unit as rankings.
    """
    target = context.target
    if target is None:
        return None
    given = {column.kind for column in input_columns(context.columns)}
    if target.kind == "text" and "audio" in given:
        return TranscriptCases
    return RankingCases if context.is_ranking else CASES.get(target.kind)
