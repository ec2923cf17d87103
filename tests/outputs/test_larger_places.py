"""Larger places of a report: the district or region of each place, and the figures and gaps of each."""

from typing import Any

import polars as pl

from pipelines.core.reasons import REASONS
from pipelines.core.schema import PLACE_COLUMNS, table_from_records
from pipelines.geography.hierarchy import AREA_HIERARCHY
from pipelines.outputs.larger_places import (
    MAX_REASONS,
    NO_NEED,
    _cut_reasons,
    count_larger_needs_met,
    find_larger_places,
    larger_place_table,
)
from pipelines.outputs.report_model import LARGER_PLACE, Report
from tests.report_sample import NAMES, sample


def parent(place: str, code: str | None, system: str, share: float, name: str | None = None) -> dict[str, Any]:
    return {"place_code": place, "kind": system.rsplit("_", 1)[0], "parent_geography": system, "parent_code": code,
            "parent_name": name, "share": share}  # fmt: skip


def test_larger_place_is_the_newest_district_with_most_residents_or_else_the_region() -> None:
    places = table_from_records(
        [{"place_code": code, "parent_code": "E10", "region_code": region, "region": name, "nation": nation}
         for code, region, name, nation in (("A", "E12", "London", "England"), ("B", "E12", "London", "England"),
                                            ("C", None, None, "Wales"), ("D", None, None, None),
                                            ("E", "E13", "Kent", "England"))],
        PLACE_COLUMNS,
    )  # fmt: skip
    hierarchy = table_from_records(
        [parent("A", "L1", "lad_2021", 0.9, "Old"), parent("A", "L2", "lad_2023", 0.4, "Less"),
         parent("A", "L3", "lad_2023", 0.6, "Most"), parent("A", None, "lad_2025", 1.0),
         parent("A", "P1", "pfa_2023", 1.0, "Police"),
         parent("B", "L5", "lad_2023", 0.5), parent("B", "L4", "lad_2023", 0.5)],
        AREA_HIERARCHY,
    )  # fmt: skip
    assert find_larger_places(places, hierarchy).sort("place_code").rows() == [
        ("A", "L3", "Most"), ("B", "L4", "L4"), ("C", "Wales", "Wales"), ("D", "Other places", "Other places"),
        ("E", "E13", "Kent"),
    ]  # fmt: skip


def of_two_regions() -> Report:
    """Return the sample with its first three councils in one region, and the others in another."""
    rows = [(code, "R2", "North") if n < 3 else (code, "R1", "South") for n, code in enumerate(NAMES)]
    return sample()._replace(larger=pl.DataFrame(rows, LARGER_PLACE, orient="row"))


def counted(count: str, *reasons: str) -> dict[str, Any]:
    return {"count": count, "reasons": [*reasons]}


def test_needs_met_are_those_of_the_places_of_a_larger_place() -> None:
    assert count_larger_needs_met(of_two_regions()).rows() == [("R1", 3, 4), ("R2", 5, 6)]


def test_each_larger_place_has_its_figures_and_gaps_by_measure() -> None:
    report = of_two_regions()
    only = report.cells.filter((pl.col("place_code") != "E06000001") | (pl.col("measure") != "vacancies"))
    table = larger_place_table(report._replace(cells=only))
    plain = {"place_code": "", "welsh_name": "", "verdict": ""}
    hidden, unknown = f"{REASONS['suppressed'].title} (1)", f"{REASONS['not_collected'].title} (2)"
    assert table == [
        {**plain, "place_name": "North", "where": "R2, 3 places", "met": "5 of 6",
         "cells": [counted("3 of 3"), counted("2 of 3", hidden), counted("0 of 2", unknown)]},
        {**plain, "place_name": "South", "where": "R1, 2 places", "met": "3 of 4",
         "cells": [counted("2 of 2"), counted("1 of 2", hidden), counted("0 of 2", unknown)]},
    ]  # fmt: skip


def test_larger_place_without_a_need_says_so() -> None:
    report = of_two_regions()
    south = report.larger.filter(pl.col("larger_code") == "R1")["place_code"].implode()
    north = report.cells.filter(~pl.col("place_code").is_in(south))
    row = larger_place_table(report._replace(cells=north))[1]
    assert (row["place_name"], row["met"], row["cells"]) == ("South", "no needs", [NO_NEED] * 3)


def test_three_reasons_are_listed_and_the_others_counted() -> None:
    assert _cut_reasons(["a", "b", "c"]) == ["a", "b", "c"]
    assert _cut_reasons(["a", "b", "c", "d", "e"]) == ["a", "b", "c", "and 2 more reasons"]


def test_reasons_beyond_the_most_are_counted() -> None:
    reasons = [f"r{n}" for n in range(MAX_REASONS + 2)]
    assert _cut_reasons(reasons[:MAX_REASONS]) == reasons[:MAX_REASONS]
    assert _cut_reasons(reasons[:-1]) == [*reasons[:MAX_REASONS], "and 1 more reasons"]
    assert _cut_reasons(reasons) == [*reasons[:MAX_REASONS], "and 2 more reasons"] and _cut_reasons([]) == []
