"""Pieces of HTML that are known to be escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import NewType

from pipeline.data.quality.frame import prose

Html = NewType("Html", str)
"""Markup; whatever comes from data went through `plain` or `sentence`."""
NOTHING = Html("")


def plain(text: str) -> Html:
    """Text that a browser shows as it is."""
    return Html(escape(text))


def sentence(text: str) -> Html:
    """Escaped text, with what stands between backquotes as code."""
    return Html(prose(text))


def together(parts: Iterable[Html]) -> Html:
    """Pieces one after the other."""
    return Html("".join(parts))


def faint(text: str) -> Html:
    """A paragraph beside the matter; what stands between backquotes is code."""
    return Html(f'<p class="faint">{sentence(text)}</p>')


def link(text: str, address: str | None) -> Html:
    """Text that leads to a web address; plain where there is none or it is none of the web."""
    if address is None or not address.startswith(("http://", "https://")):
        return plain(text)
    return Html(f'<a href="{plain(address)}">{plain(text)}</a>')


def section(key: str, title: str, parts: Iterable[Html]) -> Html:
    """A part of the page with a heading, to which `#key` leads."""
    return Html(f'<section id="{key}"><h2>{plain(title)}</h2>{together(parts)}</section>')


def fold(summary: Html, body: Html) -> Html:
    """What a reader may open; paper shows it open."""
    return Html(f"<details><summary>{summary}</summary>{body}</details>")


def figure(picture: Html, caption: str) -> Html:
    """A picture with how to read it; what stands between backquotes is code."""
    words = f"<figcaption>{sentence(caption)}</figcaption>" if caption else ""
    return Html(f"<figure>{picture}{words}</figure>")


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        content: What it shows.
        css: Its classes.
    """

    content: Html
    css: str = ""


def number(text: str, below: str = "", css: str = "") -> Cell:
    """A cell with a number, and something smaller below it."""
    small = f"<small>{plain(below)}</small>" if below else ""
    return Cell(Html(f"{plain(text)}{small}"), f"number {css}".rstrip())


def table(head: Sequence[Cell], rows: Iterable[Sequence[Cell]], css: str = "") -> Html:
    """Rows whose first cell names them; the table scrolls where the screen is narrow.

    Args:
        head: Of the columns.
        rows: One cell for each column, or a single one as a heading of the rows below it.
        css: Classes of the table.
    """
    titles = "".join(f'<th scope="col"{_classed(cell)}>{cell.content}</th>' for cell in head)
    lines = "".join(_part(row[0], len(head)) if len(row) == 1 else _row(row) for row in rows)
    return Html(
        f'<div class="scroll table"><table class="{css}"><thead><tr>{titles}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def _part(cell: Cell, columns: int) -> str:
    return f'<tr class="part"><th colspan="{columns}" scope="rowgroup">{cell.content}</th></tr>'


def _row(row: Sequence[Cell]) -> str:
    cells = "".join(f"<td{_classed(cell)}>{cell.content}</td>" for cell in row[1:])
    return f'<tr><th scope="row"{_classed(row[0])}>{row[0].content}</th>{cells}</tr>'


def _classed(cell: Cell) -> str:
    return f' class="{cell.css}"' if cell.css else ""
