"""Pieces of HTML escape what they are given."""

from __future__ import annotations

from pipeline.reports.html import Cell, faint, figure, fold, link, number, plain, section, table
from tests.shown_page import Page

EVIL = "<script>alert('x')</script> \"&"


def test_text_is_shown_as_it_is() -> None:
    pieces = [
        plain(EVIL),
        faint(EVIL),
        number(EVIL, EVIL).content,
        section("key", EVIL, [plain(EVIL)]),
        fold(plain(EVIL), plain(EVIL)),
        figure(plain(""), EVIL),
    ]
    page = Page("".join(pieces))
    assert "script" not in page.tags
    assert page.text.count(EVIL) == 9


def test_what_stands_between_backquotes_is_code() -> None:
    assert faint("run `a < b`") == '<p class="faint">run <code>a &lt; b</code></p>'


def test_only_addresses_of_the_web_become_links() -> None:
    assert link("run", 'https://host/#/runs/1?a="b') == (
        '<a href="https://host/#/runs/1?a=&quot;b">run</a>'
    )
    assert link("run", "javascript:alert(1)") == link("run", None) == "run"


def test_a_single_cell_is_the_heading_of_the_rows_below_it() -> None:
    html = table(
        [Cell(plain("name")), Cell(plain("value"), "number")],
        [[Cell(plain("part"))], [Cell(plain("a")), number("1", "0 to 2")]],
        "css",
    )
    assert Page(html).tables == [[["name", "value"], ["part"], ["a", "10 to 2"]]]
    assert '<th colspan="2" scope="rowgroup">part</th>' in html
    assert '<td class="number">1<small>0 to 2</small></td>' in html
