"""Weight of the pages: each opens on a slow connection."""

import re
from pathlib import Path

import pytest

from pipelines.core.store import output_path

PAGE, WITHOUT_ROWS, INDEX = 1_200_000, 400_000, 250_000
"""Most bytes of a problem's page, of the page without the rows of its table, and of the index page."""


@pytest.fixture(scope="module")
def outputs(store: Path) -> Path:
    return output_path(store, "")


def test_index_page_is_light(outputs: Path) -> None:
    assert (outputs / "index.html").stat().st_size < INDEX
    assert (outputs / "search.js").stat().st_size < 300_000


def test_page_of_each_problem_is_light(outputs: Path) -> None:
    pages = [path for path in outputs.glob("*.html") if path.name != "index.html"]
    weights = {path.stem: weigh(path) for path in pages}
    assert len(weights) > 15
    assert {name: weight for name, weight in weights.items() if weight[0] >= PAGE or weight[1] >= WITHOUT_ROWS} == {}


def weigh(path: Path) -> tuple[int, int]:
    """Return the bytes of a page, and those without the rows of its table of places."""
    content = path.read_bytes()
    table = re.search(rb"<table data-sort>.*?<tbody>(.*?)</tbody>", content, re.DOTALL)
    return len(content), len(content) - (len(table[1]) if table else 0)
