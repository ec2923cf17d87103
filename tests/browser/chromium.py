"""Chromium of the machine and how tests start it."""

import shutil
from collections.abc import Callable

from playwright.sync_api import Page

CHROMIUM = next(
    (actual for name in ("chromium", "chromium-browser", "google-chrome", "msedge") if (actual := shutil.which(name))),
    None,
)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
OpenPage = Callable[..., Page]
"""Type of the fixture `open_file`."""
