"""Line charts in a real browser: no label overlaps another or leaves the drawing."""

from itertools import combinations
from pathlib import Path

import pytest

from pipelines.outputs.page_templates import page_environment
from pipelines.outputs.trend_chart import draw_trend_chart
from tests.browser.chromium import CHROMIUM, OpenPage
from tests.outputs.test_trend_chart import monthly

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium, Chrome or Edge on this machine"),
]
SERIES = {
    "long": monthly(*(1_000_000.0 + n * 12_345.6 for n in range(150)), marks={30: "break", 31: "revised"}),
    "short": monthly(1, 2),
    "year": monthly(*range(14)),
    "one": monthly(7),
    "two years": monthly(*range(26)),
}


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", SERIES)
def test_no_label_overlaps_another(open_file: OpenPage, tmp_path: Path, width: int, name: str) -> None:
    lines = [SERIES[name]._replace(name="Bournemouth, Christchurch and Poole"),
             SERIES[name]._replace(name="Yorkshire and The Humber", role="region")]  # fmt: skip
    styles = "".join(page_environment().get_template(css).render() for css in ("report.css", "trend_chart.css"))
    svg = draw_trend_chart(lines, "Rate", lambda value: f"{value:,.1f}")
    path = tmp_path / "chart.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><style>{styles}</style><main>{svg}</main>", encoding="utf-8")
    page = open_file(path, width, 800)
    box = "e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; }"
    boxes = [text.evaluate(box) for text in page.locator("svg text").all()]
    left, top, right, bottom = page.locator("svg").evaluate(box)
    assert boxes
    for x1, y1, x2, y2 in boxes:
        assert left - 1 <= x1 and top - 1 <= y1 and x2 <= right + 1 and y2 <= bottom + 1
    for one, other in combinations(boxes, 2):
        assert (
            min(one[2], other[2]) - max(one[0], other[0]) <= 0.5 or min(one[3], other[3]) - max(one[1], other[1]) <= 2
        )
