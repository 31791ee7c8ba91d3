"""What a model was given, as HTML, by what the columns hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from pipeline.evaluation.cases.audio import shown_audio
from pipeline.evaluation.cases.base import cut
from pipeline.evaluation.cases.image import shown_image
from pipeline.tasks.base import Column, Kind
from pipeline.tasks.columns import input_columns


def _text(row: Mapping[str, Any], column: Column) -> str:
    return f'<p class="text">{escape(cut(str(row.get(column.name))))}</p>'


INPUTS: dict[Kind, Callable[[Mapping[str, Any], Column], str]] = {
    "text": _text,
    "image": shown_image,
    "audio": shown_audio,
}
"""By kind of column what makes HTML of it, of a row's values; those of other kinds are shown as
text."""


def shown_inputs(row: Mapping[str, Any], columns: Sequence[Column]) -> str:
    """The inputs of a row, each under its name where there are several.

    Args:
        row: The row's values by column; the encoded ones too, where they are known.
        columns: The task's.
    """
    given = input_columns(columns)
    parts = []
    for column in given:
        if len(given) > 1:
            parts.append(f'<p class="faint">{escape(column.name)}</p>')
        parts.append(INPUTS.get(column.kind, _text)(row, column))
    return "".join(parts)
