"""The browser of these tests: Chromium of the machine, without network, with one window for each set of options."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import CHROMIUM, FLAGS, OpenPage


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def open_file(browser: Browser) -> OpenPage:
    """Return a function that loads a file. A window costs more than a page: tests of a module share it.

    Each call sets the size and the medium, and loads the file anew, so a test sees nothing of the test before it.
    """
    windows: dict[tuple[tuple[str, object], ...], Page] = {}

    def load(path: Path, width: int = 1280, height: int = 900, **options: object) -> Page:
        key = tuple(sorted(options.items()))
        if key not in windows:
            windows[key] = browser.new_page(**options)  # type: ignore[arg-type]
        page = windows[key]
        page.emulate_media(media="screen")
        page.set_viewport_size({"width": width, "height": height})
        page.goto(path.as_uri())
        return page

    return load
