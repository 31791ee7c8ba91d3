"""Which renderer shows which kind of target."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.evaluation.cases.base import Cases
from pipeline.evaluation.cases.entities import EntityCases
from pipeline.evaluation.cases.labels import LabelCases
from pipeline.evaluation.cases.numbers import NumberCases
from pipeline.evaluation.cases.sets import SetCases
from pipeline.tasks.base import Kind

CASES: Mapping[Kind, type[Cases]] = {
    "label": LabelCases,
    "labels": SetCases,
    "number": NumberCases,
    "entities": EntityCases,
}
"""By kind of target; for other kinds there is no page of mistakes."""
