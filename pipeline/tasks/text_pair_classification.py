"""Text pair classification: one label for two texts, such as whether one follows from the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pipeline.tasks.base import LABEL, Column
from pipeline.tasks.text_classification import TextClassification
from pipeline.tasks.text_pairs import PAIR, TextPairs

if TYPE_CHECKING:
    pass


class TextPairClassification(TextPairs, TextClassification):
    """One label for each pair of texts; all else is as in text classification.

    Entailment, paraphrases, whether an answer answers a question.
    """

    name: ClassVar[str] = "text_pair_classification"
    columns: tuple[Column, ...] = (*PAIR, LABEL)
