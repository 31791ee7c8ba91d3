"""Text pair regression: a number for two texts, such as how alike they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipeline.tasks.base import Column
from pipeline.tasks.regression import TARGET, Regression
from pipeline.tasks.text_pairs import PAIR, TextPairs

if TYPE_CHECKING:
    pass


class TextPairRegression(TextPairs, Regression):
    """One number for each pair of texts; all else is as in regression."""

    name: ClassVar[str] = "text_pair_regression"
    columns: tuple[Column, ...] = (*PAIR, TARGET)
