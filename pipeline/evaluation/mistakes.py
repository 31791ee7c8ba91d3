"""Mistakes as one HTML file, readable on a phone, in the dark and on paper."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import pyarrow as pa

from pipeline.data.quality.frame import document
from pipeline.evaluation.cases.base import Case
from pipeline.evaluation.cases.inputs import shown_inputs
from pipeline.evaluation.cases.registry import renderer_of
from pipeline.evaluation.context import Context

MARKS = """
mark { color: inherit; border-radius: 3px; padding: 0 .15em; background: none;
  box-decoration-break: clone; -webkit-box-decoration-break: clone;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
mark.right { border-bottom: 3px solid var(--ok); }
mark.missed { border-bottom: 3px dashed var(--warning); }
mark.wrong { border-bottom: 3px double var(--error); }
mark small { color: var(--faint); font-size: .75em; margin-left: .25em; }
.case { --tone: var(--error); } .case .text { font-size: 1.05rem; margin: .4rem 0;
  overflow-wrap: anywhere; white-space: pre-wrap; }
.case h3 { flex-wrap: wrap; } .side { font-weight: 500; color: var(--faint); }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: .6rem 0; }
"""


def mistakes_page(
    table: pa.Table,
    context: Context,
    *,
    title: str,
    most: int,
    encoded: pa.Table | None = None,
) -> str | None:
    """A self-contained page of what a model got wrong, the worst first.

    What is wrong, and what a row looks like, is for the renderer of the target's kind to say; see
    `cases.registry`.

    Args:
        table: From `tables.readable_predictions`.
        context: The task's columns, label names and state.
        title: What was evaluated.
        most: How many are shown.
        encoded: The same rows with what the model read of them, to show recordings and pictures.

    Returns:
        None where nothing is known of how to show the target, or these predictions of it.
    """
    renderer = renderer_of(context)
    if renderer is None or not renderer.needs <= set(table.column_names):
        return None
    cases = renderer(table, context)
    found = cases.shown()
    places = pa.array(found.rows[:most], pa.int64())
    shown = table.take(places).to_pylist()
    read = [{}] * len(shown) if encoded is None else encoded.take(places).to_pylist()
    articles = [
        _article(row, cases.case(row, shown_inputs({**more, **row}, context.columns)))
        for row, more in zip(shown, read, strict=True)
    ]
    body = [
        f"<h1>{cases.heading}: {escape(title)}</h1>",
        f'<p class="faint">{escape(found.summary)}. Shown: {len(shown):,}, {found.order}.</p>',
        cases.key if articles else "",
        *articles,
        "" if articles else f'<p class="verdict ok"><span class="sign">✓</span> {cases.none}</p>',
    ]
    return document(f"{cases.heading}: {title}", "".join(body), MARKS + cases.css)


def _article(row: Mapping[str, Any], case: Case) -> str:
    return (
        f'<article class="case"><h3>{case.heading}<span class="value">{escape(case.value)}</span>'
        f'</h3>{case.body}<p class="faint">{escape(str(row["id"]))}</p></article>'
    )
