"""The distribution's Chromium, driven headless, on pages that scripts build."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.25


class Browser:
    """A window.

    Args:
        driver: What drives it.
    """

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, url: str, *awaited: str) -> str:
        """Opens a page and waits until it shows all these texts; returns all that it shows."""
        self.driver.get("about:blank")  # a URL that differs in its fragment only loads nothing
        self.driver.get(url)
        return self.wait_for(*awaited)

    def wait_for(self, *awaited: str) -> str:
        """Waits until the page shows all these texts; returns all that it shows."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            shown = self.text()
            missing = [text for text in awaited if text not in shown]
            if not missing:
                return shown
            if time.monotonic() > until:
                raise AssertionError(f"{self.driver.current_url} never showed {missing}:\n{shown}")
            time.sleep(LOOK_SECONDS)

    def scroll_for(self, *awaited: str) -> str:
        """Scrolls all parts of the page down until it has shown all these texts.

        Large tables have only those rows in the page that can be seen. After its end a part begins
        anew.

        Returns:
            The lines that it showed on the way.
        """
        script = (
            "for (const e of document.querySelectorAll('*')) {"
            "  const room = e.scrollHeight - e.clientHeight;"
            "  if (room > 1 && ['auto', 'scroll'].includes(getComputedStyle(e).overflowY))"
            "    e.scrollTop = e.scrollTop < room - 1 ? e.scrollTop + e.clientHeight * 0.8 : 0; }"
        )
        until = time.monotonic() + PATIENCE_SECONDS
        lines = dict.fromkeys(self.text().splitlines())
        while missing := [text for text in awaited if not any(text in line for line in lines)]:
            if time.monotonic() > until:
                shown = "\n".join(lines)
                raise AssertionError(f"{self.driver.current_url} never showed {missing}:\n{shown}")
            self.driver.execute_script(script)
            time.sleep(LOOK_SECONDS)
            lines |= dict.fromkeys(self.text().splitlines())
        return "\n".join(lines)

    def text(self) -> str:
        """The visible text."""
        return str(self.driver.execute_script("return document.body.innerText"))

    def click(self, text: str) -> None:
        """Clicks the first visible element whose own text is this."""
        script = (
            "return [...document.querySelectorAll('button, a, label, [role], span')].find("
            "e => e.innerText.trim() === arguments[0] && e.offsetParent !== null)"
        )
        until = time.monotonic() + PATIENCE_SECONDS
        while (element := self.driver.execute_script(script, text)) is None:
            if time.monotonic() > until:
                raise AssertionError(f"there is no {text!r} to click:\n{self.text()}")
            time.sleep(LOOK_SECONDS)
        self.driver.execute_script("arguments[0].click()", element)

    def write(self, placeholder: str, text: str) -> None:
        """Types into the field whose placeholder holds these words, once it is there."""
        until = time.monotonic() + PATIENCE_SECONDS
        selector = f'input[placeholder*="{placeholder}"]'
        while not (fields := self.driver.find_elements("css selector", selector)):
            if time.monotonic() > until:
                raise AssertionError(f"there is no field {placeholder!r}:\n{self.text()}")
            time.sleep(LOOK_SECONDS)
        fields[0].send_keys(text)

    def click_each(self, selector: str) -> None:
        """Clicks all elements that a CSS selector finds now, one after the other."""
        find = "return document.querySelectorAll(arguments[0])"
        for place in range(len(self.driver.execute_script(find, selector))):
            element = self.driver.execute_script(find, selector)[place]
            self.driver.execute_script("arguments[0].click()", element)
            time.sleep(LOOK_SECONDS)

    def screenshot(self, path: Path) -> None:
        """Saves what the window shows as PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(path))


@contextmanager
def browser(*, width: int = 1500, height: int = 1000) -> Iterator[Browser]:
    """Starts Chromium; skips the test where it or its driver is not installed.

    Args:
        width: Of the window, in pixels.
        height: Of the window, in pixels.
    """
    program, driver_program = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver_program is None:
        pytest.skip("Chromium is not here: `apt-get install chromium chromium-driver`")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--hide-scrollbars",
        "--no-proxy-server",
        f"--window-size={width},{height}",
    ):
        options.add_argument(argument)
    driver = Chrome(options=options, service=Service(driver_program))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
