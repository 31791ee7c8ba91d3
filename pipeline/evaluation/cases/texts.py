"""Texts that were written: beside the reference, with what is missing and what is new."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from html import escape
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from pipeline.evaluation.cases.base import Case, Cases, Shown, cut, losses, not_right, shown_loss
from pipeline.evaluation.context import Context
from pipeline.metrics.translation import chrf, chrf_statistics

_PARTS = re.compile(
    r"\s*(?:[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
    r"|[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+|[^\w\s])"
)
"""A word, a sign, or a character of a script without spaces; with the space before it."""


class TextCases(Cases):
    """Rows whose text is not the reference, the least alike first."""

    heading: ClassVar[str] = "Texts"
    none: ClassVar[str] = "Every text is its reference."
    key: ClassVar[str] = (
        '<p class="key"><span><del>only in the reference</del></span>'
        "<span><ins>only in the output</ins></span></p>"
    )
    css: ClassVar[str] = """
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1rem; }
.beside h4 { margin: 0 0 .25rem; font-size: .8rem; font-weight: normal; }
.beside p { margin: 0; overflow-wrap: anywhere; }
del, ins { border-radius: 3px; color: inherit; text-decoration: none;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
del { border-bottom: 3px dashed var(--warning); }
ins { border-bottom: 3px double var(--error); }
"""

    def __init__(self, table: pa.Table, context: Context) -> None:
        assert context.target is not None
        self._table = table
        self._target = context.target.name

    def shown(self) -> Shown:
        """The rows that differ, by the chrF of their texts, then by loss."""
        wanted = [text.strip() for text in self._table[self._target].to_pylist()]
        written = self._table["prediction"].to_pylist()
        alike = np.nan_to_num(chrf(chrf_statistics(written, wanted)))
        order = np.lexsort((-np.asarray(losses(self._table), np.float64), alike))
        wrong = [int(row) for row in order if written[row] != wanted[row]]
        return Shown(wrong, not_right(len(wrong), len(wanted)), "the least alike first")

    def case(self, row: Mapping[str, Any], inputs: str) -> Case:
        """Input, reference and output side by side."""
        wanted, written = cut(row[self._target].strip()), cut(row["prediction"])
        score = float(np.nan_to_num(chrf(chrf_statistics([written], [wanted])))[0])
        reference, output = differences(wanted, written)
        columns = (
            ("input", inputs),
            ("reference", f'<p class="text">{reference}</p>'),
            ("output", f'<p class="text">{output or "<em>nothing</em>"}</p>'),
        )
        body = "".join(f'<div><h4 class="faint">{name}</h4>{html}</div>' for name, html in columns)
        heading = f"chrF {score:.1f}" if written else "nothing was written"
        return Case(escape(heading), shown_loss(row), f'<div class="beside">{body}</div>')


def differences(wanted: str, written: str) -> tuple[str, str]:
    """Both texts as HTML, with marks around words that the other lacks."""
    ours, theirs = _PARTS.findall(wanted), _PARTS.findall(written)
    first_keys, second_keys = ([part.strip() for part in parts] for parts in (ours, theirs))
    blocks = SequenceMatcher(None, first_keys, second_keys, autojunk=False).get_opcodes()
    first = "".join(_marked(ours[a:b], kind, "del") for kind, a, b, _, _ in blocks)
    second = "".join(_marked(theirs[c:d], kind, "ins") for kind, _, _, c, d in blocks)
    return first, second


def _marked(parts: list[str], kind: str, tag: str) -> str:
    text = "".join(parts)
    bare = text.lstrip()
    if kind == "equal" or not bare:
        return escape(text)
    return f"{text[: len(text) - len(bare)]}<{tag}>{escape(bare)}</{tag}>"
