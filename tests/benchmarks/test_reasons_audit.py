"""Drawing of gaps for the audit of reasons, and the rows of the publisher beside them."""

import polars as pl

from benchmarks.reasons_audit import EACH, draw_cells, find_rows
from pipelines.readers import ROW, Sheet


def gaps() -> pl.DataFrame:
    reasons = ["late"] * 40 + ["suppressed"] * 6 + ["split"] * 3
    return pl.DataFrame({"cell_id": [f"p/m/{n}" for n in range(len(reasons))], "reason": reasons})


def test_each_reason_with_five_gaps_has_five_in_the_draw() -> None:
    drawn = draw_cells(gaps(), 7, 12)
    counts = dict(drawn["reason"].value_counts().iter_rows())
    assert drawn.height == 12 and counts["late"] >= EACH and counts["suppressed"] >= EACH
    assert draw_cells(gaps(), 7, 100).height == gaps().height


def test_seed_decides_the_draw_whatever_the_order_of_gaps() -> None:
    first = draw_cells(gaps(), 7, 15)
    assert first.equals(draw_cells(gaps().reverse(), 7, 15))
    assert not first.equals(draw_cells(gaps(), 8, 15))


def test_rows_of_a_place_have_their_file_and_row() -> None:
    frame = pl.DataFrame({"code": ["E1", "E2"], "name": ["East", "West "], "n": ["5", "c"], ROW: [2, 3]})
    sheet = Sheet(frame, "f.csv")
    rows = list(find_rows([sheet], "E9", "West"))
    assert rows == ["f.csv, row 3: code=E2, name=West , n=c", "f.csv: 1 of 2 rows have the place"]
