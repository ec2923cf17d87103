"""Places missing from a release, and its suppressed, rounded or skipped figures."""

from datetime import date
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from checks import places
from tests.checks.releases_read import DAY, MEASURE, findings_of, read_of, years

REGISTER = [
    {"place_code": code, "place_name": f"Place {code[1:]}", "nation": nation}
    for code, nation in (("E03", "England"), ("E01", "England"), ("E02", "England"), ("S01", "Scotland"))
]


def test_place_without_a_row_where_others_have_one_is_missing() -> None:
    cells: list[dict[str, Any]] = [
        *({"place_code": code, **years(item)} for code in ("E01", "E03") for item in (2021, 2022, 2023)),
        {"place_code": "E02", **years(2022)}, {"place_code": "E02", **years(2023), "fault": "unreadable"},
        {"place_code": "E01+E02", "measure": "n"}, {"place_code": "E03", **years(2020), "fault": "unreadable"},
    ]  # fmt: skip
    due = findings_of(
        "missing_places", "not_returned",
        [
            {"measure": "m", "place_code": "E02", "place_label": "Place 02", "period_start": date(2021, 1, 1),
             "period_end": date(2023, 12, 31), "rows": 2,
             "evidence": "no row in 2 periods that have rows for other places"},
            {"measure": "n", "place_code": "E03", "place_label": "Place 03", **years(2023), "rows": 1,
             "evidence": "no row in 1 periods that have rows for other places"},
        ],
    )  # fmt: skip
    assert_frame_equal(places.find_missing_places(read_of(cells, REGISTER, coverage=("England",))), due)


@pytest.mark.parametrize(("coverage", "missing"), [(("England",), []), (("England", "Scotland"), ["S01"])])
def test_only_nations_that_are_covered_are_due(coverage: tuple[str, ...], missing: list[str]) -> None:
    cells = [{"place_code": code} for code in ("E01", "E02", "E03")]
    assert places.find_missing_places(read_of(cells, REGISTER, coverage=coverage))["place_code"].to_list() == missing


def test_suppressed_cells_are_counted_by_marker_and_period() -> None:
    hidden = {"value": None, "obs_status": "confidential", "published_marker": "*"}
    cells: list[dict[str, Any]] = [
        *({"place_code": f"E{n:02}", **hidden} for n in (7, 3, 5, 1, 6, 2)), {"place_code": "E04"},
        {**hidden, "place_code": "E09", "fault": "unreadable"}, {**hidden, **years(2022)},
        {**hidden, "obs_status": "low", "published_marker": "<5"},
        {**hidden, "obs_status": "not_available", "published_marker": None},
        {**hidden, "obs_status": "not_applicable", "published_marker": "[z]"},
        {"obs_status": "provisional", "published_marker": "p"},
    ]  # fmt: skip
    actual = places.count_hidden_cells(read_of(cells))
    common = {"measure": "m", **years(2023), "rows": 1}
    due = [
        findings_of(
            "hidden_cells", "suppressed",
            [{"rows": 6, "evidence": "6 cells with marker *: E01, E02, E03, E05, E06 ..."},
             {**years(2022), "evidence": "1 cells with marker *: E01 ..."},
             {"evidence": "1 cells with marker <5: E01 ..."}],
            **common,
        ),
        findings_of("hidden_cells", "not_available",
                    [{"evidence": "1 cells with marker (blank): E01 ..."}], **common),
        findings_of("hidden_cells", "not_applicable",
                    [{"evidence": "1 cells with marker [z]: E01 ..."}], **common),
    ]  # fmt: skip
    assert_frame_equal(actual, due[0].vstack(due[1]).vstack(due[2]))


@pytest.mark.parametrize(
    ("measure", "reason", "evidence"),
    [
        ({}, None, ""),
        (
            {"uncertainty": "perturbed"},
            "perturbed",
            "the publisher adds noise; totals may differ from the sum of their parts",
        ),
        ({"rounding": 5.0}, "rounded", "rounded to 5 things; 2 figures are not multiples of 5"),
        ({"rounding": 2.5}, "rounded", "rounded to 2.5 things; 2 figures are not multiples of 2.5"),
        ({"rounding": 0.5}, "rounded", "rounded to 0.5 things; 1 figures are not multiples of 0.5"),
        (
            {"rounding": 5.0, "uncertainty": "perturbed"},
            "rounded",
            "rounded to 5 things; 2 figures are not multiples of 5",
        ),
    ],
)
def test_measure_with_rounding_or_noise_is_noted_once(
    measure: dict[str, Any], reason: str | None, evidence: str
) -> None:
    figures = [5.0, 10.0, 15.0 + 1e-9, 7.0, 5.001, None]
    cells = [
        *({"value": item} for item in figures),
        {"value": 3.0, "fault": "unreadable"},
        {"value": 4.1, "measure": "n"},
    ]
    read = read_of(cells, measures={"m": {**MEASURE, **measure}, "n": MEASURE})
    due = findings_of("rounded_measures", reason or "rounded",
                      [{"measure": "m", "rows": 5, "evidence": evidence}] if reason else [])  # fmt: skip
    assert_frame_equal(places.note_rounding(read), due)


def test_places_published_together_are_listed_with_their_figure() -> None:
    cells = [{"place_code": "E01+E02", "value": 9.0}, {}, {"place_code": "E03+E04", "fault": "unreadable"}]
    due = findings_of(
        "combined_areas", "combined_area", [{"place_code": "E01+E02"}], measure="m", place_label="Place 1",
        **years(2023), sum_of_values=9.0, rows=1, evidence="one figure for several places together, counted once",
    )  # fmt: skip
    assert_frame_equal(places.list_combined_areas(read_of(cells)), due)


def test_skipped_years_are_findings_by_measure() -> None:
    cells = [years(item) for item in (2023, 2019, 2020)] + [{"measure": "n", **years(item)} for item in (2022, 2021)]
    cells.append({**years(2021), "fault": "unreadable"})
    due = findings_of(
        "skipped_periods", "no_figure_for_period",
        [{"measure": "m", "period_start": date(2021, 1, 1), "period_end": date(2022, 12, 31),
          "evidence": "the release has no period between 2020 and 2023"}],
    )  # fmt: skip
    assert_frame_equal(places.find_skipped_periods(read_of(cells)), due)


@pytest.mark.parametrize(
    ("after", "skipped"), [(date(2024, 1, 1), 0), (date(2024, 1, 2), 1), (date(2024, 1, 3), 1), (date(2023, 7, 1), 0)]
)
def test_adjacent_periods_are_not_a_skip(after: date, skipped: int) -> None:
    cells = [years(2023), {"period_start": after, "period_end": date(2024, 12, 31)}]
    assert places.find_skipped_periods(read_of(cells)).height == skipped


@pytest.mark.parametrize(
    "declared",
    [{"period_kind": "day"}, {"period": {"start": DAY, "end": DAY}, "columns": {"place": ("code",)}}],
    ids=["days", "one period"],
)
def test_days_and_one_declared_period_need_not_follow_each_other(declared: dict[str, Any]) -> None:
    cells = [years(2019), years(2023)]
    assert places.find_skipped_periods(read_of(cells)).height == 1
    assert places.find_skipped_periods(read_of(cells, **declared)).is_empty()
