"""Places without a figure in the newest release: withdrawn since an earlier one, or without a crosswalk."""

from datetime import date
from typing import Any

import polars as pl

from pipelines.apportionment import MAPPED_FIGURE, mark_withdrawn_figures, slices_without_crosswalk
from pipelines.core.schema import OBSERVATION_COLUMNS, table_from_records

YEARS = {year: {"period_start": date(year, 1, 1), "period_end": date(year, 12, 31)} for year in (2022, 2023)}
RELEASES = {0: date(2024, 1, 1), 1: date(2024, 7, 1), 2: date(2025, 1, 1)}
PARTS = pl.DataFrame({"from_code": ["A", "B", "C", "D"], "to_code": ["X", "Y", "Y", "Z"]})


def cell(to_code: str, reason: str | None, measure: str = "m", year: int = 2023) -> dict[str, Any]:
    """Build a placed cell: a figure of 1 where there is no reason."""
    value, evidence = (None, f"no row for {to_code}") if reason else (1.0, None)
    return {"measure": measure, "to_code": to_code, "value": value, "reason": reason, "evidence": evidence,
            **YEARS[year]}  # fmt: skip


def published(order: int, code: str, value: float | None, measure: str = "m", year: int = 2023) -> dict[str, Any]:
    """Build a figure of a release; `order` numbers the releases."""
    return {"measure": measure, "place_code": code, "value": value, "order": order, "released_at": RELEASES[order],
            **YEARS[year]}  # fmt: skip


def marked(cells: list[dict[str, Any]], figures: list[dict[str, Any]]) -> dict[tuple[str, str, int], Any]:
    """Mark withdrawn figures; return reason and evidence by measure, place and year."""
    placed = table_from_records(cells, MAPPED_FIGURE)
    actual = mark_withdrawn_figures(placed, pl.DataFrame(figures), PARTS)
    same = [name for name in MAPPED_FIGURE if name not in ("reason", "evidence")]
    assert actual.columns == placed.columns and actual.select(same).equals(placed.select(same))
    return {
        (row["measure"], row["to_code"], row["period_start"].year): (row["reason"], row["evidence"])
        for row in actual.iter_rows(named=True)
    }


def test_place_with_a_figure_in_an_earlier_release_only_is_withdrawn() -> None:
    """The evidence quotes the last figure, and the last release that had one."""
    cells = [cell("X", None), cell("Y", "not_returned"), cell("Z", "not_returned")]
    figures = [published(0, "A", 1.0), published(0, "B", 5.0), published(1, "B", 7.5), published(2, "A", 1.0)]
    assert marked(cells, figures) == {
        ("m", "X", 2023): (None, None),
        ("m", "Y", 2023): ("withdrawn", "7.5 in the release of 2024-07-01, gone from the newest"),
        ("m", "Z", 2023): ("not_returned", "no row for Z"),
    }


def test_only_the_same_measure_and_period_show_that_a_figure_is_gone() -> None:
    cells = [cell("Y", "not_returned", measure, year) for measure in ("m", "n") for year in (2022, 2023)]
    figures = [published(order, "A", 1.0, measure, year) for order in (0, 1) for measure in ("m", "n")
               for year in (2022, 2023)]  # fmt: skip
    actual = marked(cells, [published(0, "B", 3.0, "n", 2022), *figures])
    gone = "3 in the release of 2024-01-01, gone from the newest"
    kept = ("not_returned", "no row for Y")
    assert actual == {("m", "Y", 2022): kept, ("m", "Y", 2023): kept, ("n", "Y", 2022): ("withdrawn", gone),
                      ("n", "Y", 2023): kept}  # fmt: skip


def test_places_published_together_before_are_followed_one_by_one() -> None:
    cells = [cell("Y", "not_returned"), cell("Z", "not_returned")]
    gone = ("withdrawn", "9 in the release of 2024-01-01, gone from the newest")
    assert marked(cells, [published(0, "C+D", 9.0), published(1, "A", 1.0)]) == {
        ("m", "Y", 2023): gone, ("m", "Z", 2023): gone
    }  # fmt: skip


def test_row_without_a_figure_or_slice_with_one_release_is_not_withdrawn() -> None:
    cells = [cell("Y", "not_returned")]
    kept = {("m", "Y", 2023): ("not_returned", "no row for Y")}
    assert marked(cells, [published(0, "B", None), published(1, "A", 1.0)]) == kept
    assert marked(cells, [published(0, "B", 5.0), published(0, "A", 1.0)]) == kept


def test_other_reasons_stay_where_an_earlier_release_has_a_figure() -> None:
    figures = [published(0, "B", 5.0), published(0, "A", 3.0), published(1, "A", None)]
    actual = marked([cell("X", "suppressed"), cell("Y", "not_returned")], figures)
    assert actual["m", "X", 2023] == ("suppressed", "no row for X")
    assert actual["m", "Y", 2023][0] == "withdrawn"


def test_slice_without_a_crosswalk_is_a_gap_in_every_place() -> None:
    about = {"source": "s", "release": "r", "released_at": RELEASES[0], "file": "f", "unit": "things"}
    rows = [{**about, **YEARS[year], "measure": "m", "place_code": code, "file_column": f"column {code}", "value": 1.0}
            for year in (2023, 2022) for code in "AB"]  # fmt: skip
    actual = slices_without_crosswalk(table_from_records(rows, OBSERVATION_COLUMNS), ["X", "Y"], "trust_2020")
    expected = [{**about, **YEARS[year], "measure": "m", "file_column": "column A", "to_code": to,
                 "reason": "membership_not_loaded",
                 "evidence": "published for trust_2020; no stored crosswalk from that geography"}
                for year in (2023, 2022) for to in ("X", "Y")]  # fmt: skip
    assert actual.select(list(expected[0])).to_dicts() == expected
