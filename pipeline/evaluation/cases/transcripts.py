"""Transcripts with errors: what was said and what was recognised, word by word."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from pipeline.evaluation.cases.base import Case, Cases, Shown, losses, not_right
from pipeline.evaluation.context import Context
from pipeline.metrics.transcripts import alignment
from pipeline.tasks.transcripts import Normalisation, normalise


class TranscriptCases(Cases):
    """Rows with a wrong word, those with the most errors first."""

    heading: ClassVar[str] = "Errors of recognition"
    none: ClassVar[str] = "Every word is right."
    key: ClassVar[str] = (
        '<p class="key"><span><del>said</del> and not recognised</span>'
        "<span><ins>recognised</ins> and not said</span></p>"
    )
    css: ClassVar[str] = """
del, ins { border-radius: 3px; padding: 0 .15em; color: inherit; text-decoration: none;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
del { border-bottom: 3px dashed var(--warning); text-decoration: line-through; }
ins { border-bottom: 3px double var(--error); }
"""

    def __init__(self, table: pa.Table, context: Context) -> None:
        assert context.target is not None
        self._table = table
        self._target = context.target.name
        self._how = Normalisation.model_validate(context.state.get("normalisation") or {})

    def _aligned(self, said: str, heard: str) -> list[tuple[str, str, str]]:
        one, other = (normalise(text, self._how) for text in (said, heard))
        return alignment(units(one), units(other))

    def shown(self) -> Shown:
        """The rows with an error, by the number of errors, then by loss."""
        said = self._table[self._target].to_pylist()
        heard = self._table["prediction"].to_pylist()
        edits = np.array(
            [
                sum(kind != "equal" for kind, _, _ in self._aligned(one, other))
                for one, other in zip(said, heard, strict=True)
            ],
            np.int64,
        )
        order = np.lexsort((-np.asarray(losses(self._table), np.float64), -edits))
        wrong = [int(row) for row in order if edits[row]]
        return Shown(wrong, not_right(len(wrong), len(said)), "the most errors first")

    def case(self, row: Mapping[str, Any], inputs: str) -> Case:
        """The recording, and both transcripts woven into one."""
        aligned = self._aligned(row[self._target], row["prediction"])
        errors = sum(kind != "equal" for kind, _, _ in aligned)
        right = len(aligned) - errors
        words = f"{errors} wrong, {right} right"
        space = " " if any(len(a) > 1 or len(b) > 1 for _, a, b in aligned) else ""
        return Case(
            escape(words),
            f"loss {row['loss']:.3f}" if row.get("loss") is not None else "",
            f'{inputs}<p class="text">{space.join(_marked(*one) for one in aligned)}</p>',
        )


def units(text: str) -> Sequence[str]:
    """Words, or characters of a text in a script that puts no spaces between words."""
    if any(unicodedata.east_asian_width(one) in "WF" for one in text):
        return list(text.replace(" ", ""))
    return text.split()


def _marked(kind: str, said: str, heard: str) -> str:
    if kind == "equal":
        return escape(said)
    parts = []
    if said:
        parts.append(f"<del>{escape(said)}</del>")
    if heard:
        parts.append(f"<ins>{escape(heard)}</ins>")
    return " ".join(parts)
