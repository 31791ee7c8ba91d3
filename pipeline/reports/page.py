"""A report as one HTML file, readable on a phone, in the dark and on paper."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

from pipeline.data.quality.frame import SIGNS, document, prose
from pipeline.reports.blocks import Block, Code, Heading, Picture, Report, Table, Text
from pipeline.reports.drawing import DPI

STYLE = """
.verdict { align-items: flex-start; } .verdict .sign { margin-top: .1rem; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0;
  padding: .6rem .8rem; overflow-x: auto; font-size: .9rem; }
.table { margin: .6rem 0 1rem; font-size: .925rem; }
.table tbody th { font-weight: 500; position: sticky; left: 0; background: var(--ground); }
.table td { overflow-wrap: break-word; max-width: 26rem; }
.table .wide td, .table .wide tbody th { white-space: nowrap; }
.table .number + :not(.number) { padding-left: .9rem; }
.table .wide td.long { white-space: normal; min-width: 26rem; }
.table td.number, .table th.number { text-align: right; }
.table tr.faint td, .table tr.faint th { font-size: inherit; }
.table tr.error td:nth-child(2), .table tr.warning td:nth-child(2) { color: var(--tone); }
figure { margin: 1.4rem 0 2rem; break-inside: avoid; }
figure h3 { margin-bottom: .5rem; }
figure .scroll { background: #fff; border: 1px solid var(--line); border-radius: 6px;
  padding: .5rem; }
figure img { display: block; width: var(--width); max-width: 100%; height: auto; margin: 0 auto; }
figcaption { color: var(--faint); font-size: .875rem; margin-top: .4rem; }
@media (max-width: 40rem) {
  figure img { max-width: none; width: calc(.7 * var(--width)); min-width: 100%; } }
@media print { pre { white-space: pre-wrap; } .table { font-size: 8.5pt; overflow: visible; }
  .table .wide td { white-space: normal; } figure .scroll { border: none; padding: 0; } }
"""
CSS_PIXELS_PER_INCH = 100
LONG = 28
"""Letters of a cell from which on it may take several lines even in such a table."""
WIDE = 5
"""Columns from which on cells keep to one line and the table scrolls."""


def page(report: Report, images: Mapping[str, bytes]) -> str:
    """The report as a self-contained HTML document.

    Args:
        report: What it says.
        images: By file name the PNG of each picture that is not missing.
    """
    body = [f"<h1>{escape(report.title)}</h1>"]
    if report.description:
        body.append(f'<p class="faint">{escape(report.description)}</p>')
    body += [_block(block, images) for block in report.blocks]
    return document(report.title, "".join(body), STYLE)


def _block(block: Block, images: Mapping[str, bytes]) -> str:
    if isinstance(block, Heading):
        return f"<h2>{escape(block.text)}</h2>"
    if isinstance(block, Code):
        return f"<pre><code>{escape(block.text)}</code></pre>"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Picture):
        return _picture(block, images[block.file])
    return _text(block)


def _text(block: Text) -> str:
    text = prose(block.text)
    if block.tone in SIGNS:
        return (
            f'<p class="verdict {block.tone}"><span class="sign">{SIGNS[block.tone]}</span> '
            f"<span>{text}</span></p>"
        )
    return f'<p class="{block.tone}">{text}</p>' if block.tone else f"<p>{text}</p>"


def _table(table: Table) -> str:
    def classed(column: int, text: str = "") -> str:
        kind = "number" if column in table.numeric else "long" if len(text) > LONG else ""
        return f' class="{kind}"' if kind else ""

    head = "".join(
        f"<th{classed(column)}>{escape(name).replace('.', '.<wbr>')}</th>"
        for column, name in enumerate(table.head)
    )
    lines = []
    for place, row in enumerate(table.rows):
        tone = table.tones[place] if table.tones else ""
        cells = "".join(
            f"<td{classed(column, cell)}>{escape(cell)}</td>"
            for column, cell in enumerate(row[1:], start=1)
        )
        opening = f'<tr class="{tone}">' if tone else "<tr>"
        lines.append(f'{opening}<th scope="row">{escape(row[0])}</th>{cells}</tr>')
    wide = ' class="wide"' if len(table.head) >= WIDE else ""
    return (
        f'<div class="scroll table"><table{wide}><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _picture(picture: Picture, image: bytes) -> str:
    data = base64.b64encode(image).decode()
    inches = int.from_bytes(image[16:20], "big") / DPI  # the width in the header of a PNG
    return (
        f'<figure><h3>{escape(picture.title)}</h3><div class="scroll">'
        f'<img alt="{escape(picture.title)}" style="--width:{inches * CSS_PIXELS_PER_INCH:.0f}px" '
        f'src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{_text(Text(picture.caption))}</figcaption></figure>"
    )
