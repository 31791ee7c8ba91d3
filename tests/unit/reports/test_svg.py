"""Pictures inside a page."""

from __future__ import annotations

import re
import warnings

import pytest
from matplotlib.figure import Figure

from pipeline.reports.drawing import COLOURS, FAINT, INK, figure_of
from pipeline.reports.svg import BROAD, NARROW, drawable, themed_svg
from tests.shown_page import Page

ODD = "<b onload='x'>\x00\x1b层\ud83d"


def drawn(width: float) -> Figure:
    figure = figure_of(width, 2.0)
    axes = figure.add_subplot(title=drawable(f"体育 {ODD}"))
    axes.plot([0, 1], [1, 0], "o-", color=COLOURS[0])
    axes.axhline(0.5, color=FAINT)
    axes.text(0.5, 0.5, "a name", color=INK)
    return figure


@pytest.fixture(scope="module")
def svg() -> str:
    return themed_svg(drawn, key="one", label='"a" < b')


def test_a_phone_gets_a_picture_of_its_own(svg: str) -> None:
    assert re.findall(r'<svg [^>]*class="plot (\w+)"', svg) == ["broad", "narrow"]
    widths = [float(box) for box in re.findall(r'viewBox="0 0 ([\d.]+)', svg)]
    assert widths == pytest.approx([72 * BROAD, 72 * NARROW])


def test_colours_are_those_of_the_page(svg: str) -> None:
    assert {"var(--colour-0)", "var(--mark)", "var(--ink)"} <= set(
        re.findall(r"var\([\w-]+\)", svg)
    )
    assert not re.search(r"#[0-9a-f]{6}\b", svg)


def test_nothing_runs_or_is_fetched(svg: str) -> None:
    page = Page(svg)
    assert {"script", "style", "image", "metadata", "b"}.isdisjoint(page.tags)
    assert all(address.startswith("#one-") for address in page.fetched)
    assert 'aria-label="&quot;a&quot; &lt; b"' in svg


def test_names_inside_do_not_meet_those_of_another_picture(svg: str) -> None:
    both = svg + themed_svg(drawn, key="two", label="")
    names = re.findall(r'\bid="([^"]+)"', both)
    assert len(names) == len(set(names))
    referred = set(re.findall(r'(?:href="#|url\(#)([^")]+)', both))
    assert referred
    assert referred <= set(names)


def test_text_stays_text_in_any_writing(svg: str) -> None:
    assert svg.count("体育 &lt;b onload='x'&gt; 层") == 2


def test_letters_that_no_font_has_cause_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.reports.typeface.WIDE", ())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "体育" in themed_svg(drawn, key="one", label="", texts=["体育"])


def test_the_same_picture_is_the_same_text(svg: str) -> None:
    assert themed_svg(drawn, key="one", label='"a" < b') == svg


def test_long_texts_are_cut() -> None:
    assert drawable("a\n b\tc") == "a b c"
    assert drawable("abcdef", 4) == "abc…"
