"""The pages in Firefox: search, sorting by keyboard, charts, and no violation that axe finds."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.core.store import output_path
from tests.breadth import cases
from tests.browser.firefox import Firefox, started_firefox

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
AXE = Path(os.environ.get("COMMONGROUND_AXE", "axe.min.js"))
ENTER = "\ue007"
pytestmark = [pytest.mark.browser, pytest.mark.skipif(FIREFOX is None, reason="no Firefox on this machine")]


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    with started_firefox(str(FIREFOX), tmp_path_factory.mktemp("firefox")) as started:
        yield started


@pytest.mark.parametrize(
    ("typed", "name"),
    cases(
        [("allerdale", "Cumberland"), ("ab10", "Aberdeen City")],
        wide=[("merton", "Merton"), ("e09000024", "Merton")],
    ),
)
def test_place_is_found_by_its_name_former_name_code_and_postcode(
    firefox: Firefox, built_small: Path, typed: str, name: str
) -> None:
    firefox.open(output_path(built_small / "store", "index.html"))
    firefox.run("document.getElementById('find-text').focus()")
    firefox.press(typed)
    names = firefox.run("return [...document.querySelectorAll('#find li a')].map(e => e.textContent)")
    assert name in names
    firefox.press(ENTER)
    firefox.wait_for("location.pathname.includes('/places/') && document.readyState === 'complete'")
    assert firefox.run("return document.querySelector('h1').textContent") == name


def test_table_is_sorted_by_keyboard(firefox: Firefox, built_small: Path) -> None:
    firefox.open(output_path(built_small / "store", "jobs_recovery.html"))
    firefox.run("[...document.querySelectorAll('table[data-sort] thead button')].find("
                "e => e.textContent.startsWith('Claimants of')).focus()")  # fmt: skip
    firefox.press(ENTER)
    names = firefox.run("return [...document.querySelectorAll('table[data-sort] tbody th a')].map(e => e.textContent)")
    assert names[0] == "Birmingham" and len(names) == 361


def test_small_charts_share_the_band_with_its_colour(firefox: Firefox, built_small: Path) -> None:
    firefox.open(output_path(built_small / "store", "jobs_recovery.html"))
    assert firefox.run("return document.querySelectorAll('svg.panel').length") == 12
    assert firefox.run("return getComputedStyle(document.querySelector('path.band')).fill") != "rgb(0, 0, 0)"


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: COMMONGROUND_AXE names no axe.min.js")
@pytest.mark.parametrize(
    "name", cases(["jobs_south_london.html", "places/E09000024.html"], wide=["index.html", "jobs_recovery.html"])
)
def test_axe_finds_no_violation(firefox: Firefox, built_small: Path, name: str) -> None:
    firefox.open(output_path(built_small / "store", name))
    axe = AXE.read_text(encoding="utf-8")
    violations = firefox.run_later(
        f"{axe}; const done = arguments[arguments.length - 1];"
        "window.axe.run(document, {resultTypes: ['violations']})"
        ".then(r => done(r.violations.map(v => v.id + ' ' + v.nodes[0].html.slice(0, 200))), e => done(['' + e]));"
    )
    assert violations == []
