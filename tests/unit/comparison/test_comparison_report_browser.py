"""The HTML report in a browser: on a phone, in the dark and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.comparison.report import write_html
from tests.browser import Browser, browser
from tests.comparisons import comparison

SHOWN = (
    "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()).length"
)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {
        "two": write_html(comparison(), folder / "two.html"),
        "many": write_html(comparison(4, 2), folder / "many.html"),
    }


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


def look(
    window: Browser, page: Path, *, width: int, dark: bool = False, paper: bool = False
) -> None:
    command = window.driver.execute_cdp_cmd
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    command("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    media = "print" if paper else "screen"
    command("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})
    window.open(page.as_uri(), "How it was computed")


def ask(window: Browser, script: str, *arguments: Any) -> Any:
    return window.driver.execute_script(script, *arguments)


@pytest.mark.parametrize("name", ["two", "many"])
def test_a_phone_scrolls_down_only(window: Browser, pages: dict[str, Path], name: str) -> None:
    look(window, pages[name], width=390)
    ask(window, "document.querySelectorAll('details').forEach(e => { e.open = true })")
    assert ask(window, "return document.documentElement.scrollWidth") <= 390
    assert ask(window, SHOWN, ".plot.narrow") >= 4
    assert ask(window, SHOWN, ".plot.broad") == 0
    heights = ask(
        window,
        "return [...document.querySelectorAll('.plot.narrow text')].map("
        "e => e.getBoundingClientRect().height)",
    )
    assert min(heights) >= 9
    inside = ask(
        window,
        "return [...document.querySelectorAll('.plot.narrow text')].filter("
        "e => e.getBoundingClientRect().right > innerWidth).map(e => e.textContent)",
    )
    assert inside == []


def test_pictures_follow_the_dark_mode(window: Browser, pages: dict[str, Path]) -> None:
    seen = []
    for dark in (False, True):
        look(window, pages["two"], width=1300, dark=dark)
        assert ask(window, SHOWN, ".plot.broad") == 4
        assert ask(window, SHOWN, ".plot.narrow") == 0
        seen.append(
            ask(
                window,
                "const colour = (e, what) => getComputedStyle(e)[what];"
                "return [colour(document.body, 'backgroundColor'),"
                "colour(document.querySelector('.plot.broad text'), 'fill'),"
                "colour(document.querySelector('.plot.broad use'), 'stroke')]",
            )
        )
    light, dark_colours = seen
    assert light[:2] == ["rgb(255, 255, 255)", "rgb(28, 37, 48)"]
    assert dark_colours[:2] == ["rgb(20, 24, 29)", "rgb(228, 233, 238)"]
    assert light[2] != dark_colours[2]


def test_paper_has_the_folded_parts_and_no_links(window: Browser, pages: dict[str, Path]) -> None:
    look(window, pages["two"], width=1300)
    assert ask(window, SHOWN, "article.example") == 0
    assert ask(window, SHOWN, "nav") == 1
    look(window, pages["two"], width=720, paper=True)
    assert ask(window, SHOWN, "article.example") == 8
    assert ask(window, SHOWN, "nav") == 0
    assert ask(window, SHOWN, ".plot.broad") == 4


def test_the_browser_has_nothing_to_complain_about(window: Browser, pages: dict[str, Path]) -> None:
    driver: Any = window.driver
    driver.get_log("browser")
    look(window, pages["many"], width=1300)
    assert driver.get_log("browser") == []
