"""Completeness of returns: which providers were due, which returned in time, and their share of the volume."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from checks.flags import PLAUSIBILITY_FLAG
from pipelines.core.schema import (
    CODE_CHANGE_COLUMNS,
    OBSERVATION_COLUMNS,
    PLACE_COLUMNS,
    empty_table,
    table_from_records,
)
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.gaps.returns_load import load_returns
from pipelines.observations.returns import count_returns, newest_periods, summarise_completeness

NOBODY = pl.DataFrame(schema={"place_code": pl.String, "people": pl.Float64})
SOURCE = Source.model_validate(
    {"title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "pfa_2023",
     "cadence": "monthly, 1 month later", "coverage": ["England"],
     "columns": {"place": "c", "period": "m"}, "returns": {"providers": "forces"},
     "measures": {"crimes": {"title": "c", "unit": "crimes", "kind": "count", "column": "n"}}},
    strict=False,
)  # fmt: skip
BIG, SMALL, THIRD = "E23000001", "E23000002", "E23000003"
FORCES = table_from_records([{"place_code": code, "place_name": code[-1], "nation": "England", "kind": "pfa"}
               for code in (BIG, SMALL, THIRD)], PLACE_COLUMNS)  # fmt: skip


def month(number: int) -> dict[str, date]:
    last = {1: 31, 2: 28, 3: 31, 4: 30, 5: 31}[number]
    return {"period_start": date(2023, number, 1), "period_end": date(2023, number, last)}


def row(code: str, number: int, value: float | None, out: date | None = None, **more: Any) -> dict[str, Any]:
    released = out or date(2023, number + 1, 20)
    return {"source": "s", "measure": "crimes", "place_code": code, "value": value, "released_at": released,
            "release": str(released), "obs_status": "normal" if value is not None else "confidential", **month(number),
            **more}  # fmt: skip


def tabulate_returns(
    cells: list[dict[str, Any]], doubted: pl.DataFrame | None = None, people: pl.DataFrame = NOBODY, roll: str = "every"
) -> pl.DataFrame:
    seen = table_from_records(cells, OBSERVATION_COLUMNS)
    order = seen["released_at"].rank("dense").cast(pl.Int64).alias("order")
    source = SOURCE.model_copy(
        update={"returns": SOURCE.returns and SOURCE.returns.model_copy(update={"expected": roll})}
    )
    return count_returns(
        seen.with_columns(order),
        empty_table(PLAUSIBILITY_FLAG) if doubted is None else doubted,
        source,
        FORCES,
        people,
        empty_table(CODE_CHANGE_COLUMNS),
    )


WHOLE = [row(code, n, value * n) for n in (1, 2, 3) for code, value in ((BIG, 900.0), (SMALL, 90.0), (THIRD, 10.0))]


def states(actual: pl.DataFrame, number: int) -> dict[str, str]:
    of = actual.filter(pl.col("period_start") == month(number)["period_start"])
    return dict(of.select("place_code", "state").iter_rows())


def of_month(actual: pl.DataFrame, number: int) -> dict[str, Any]:
    mine = summarise_completeness(actual).filter(
        pl.col("scope") == "period", pl.col("period_start") == month(number)["period_start"]
    )
    return mine.row(0, named=True)


def test_silent_provider_counts_by_its_usual_volume() -> None:
    actual = tabulate_returns([item for item in WHOLE if (item["place_code"], item["period_start"].month) != (BIG, 2)])
    assert states(actual, 2) == {BIG: "not_returned", SMALL: "returned", THIRD: "returned"}
    second = of_month(actual, 2)
    # Two of three returned, but a tenth of the volume. February is twice January, so 1,800 were due from the large one.
    assert (second["due"], second["returned"], second["missing"]) == (3, 2, f"{BIG} 1")
    assert second["volume_due"] == pytest.approx(2 * 1_000) and second["reporting_rate"] == pytest.approx(0.1)
    assert of_month(actual, 1)["reporting_rate"] == 1
    of_big = (
        summarise_completeness(actual)
        .filter(pl.col("scope") == "provider", pl.col("place_code") == BIG)
        .row(0, named=True)
    )
    assert (of_big["due"], of_big["returned"], of_big["missing"]) == (3, 2, "2023-02-01")
    assert of_big["reporting_rate"] == pytest.approx((900 + 2_700) / (900 + 1_800 + 2_700))


def test_provider_that_never_returned_counts_by_residents_or_not_at_all() -> None:
    cells = [item for item in WHOLE if item["place_code"] != BIG]
    people = pl.DataFrame({"place_code": [BIG, SMALL, THIRD], "people": [9_000.0, 900.0, 100.0]})
    assert of_month(tabulate_returns(cells, people=people), 1)["reporting_rate"] == pytest.approx(0.1)
    unknown = of_month(tabulate_returns(cells), 1)
    assert (unknown["reporting_rate"], unknown["on_time_rate"], unknown["size_unknown"]) == (None, None, 1)
    assert set(states(tabulate_returns(cells, roll="seen"), 1)) == {SMALL, THIRD}


def test_suppressed_figure_was_returned_and_a_blank_one_was_not() -> None:
    hidden = [*WHOLE, row(SMALL, 4, None), row(THIRD, 4, None, obs_status="not_available"), row(BIG, 4, 3_600)]
    assert states(tabulate_returns(hidden), 4) == {BIG: "returned", SMALL: "hidden", THIRD: "not_returned"}
    nothing = [*WHOLE, row(THIRD, 4, None, obs_status="not_applicable"), row(BIG, 4, 3_600)]
    assert states(tabulate_returns(nothing), 4) == {BIG: "returned", SMALL: "not_returned"}


def test_partial_return_counts_in_part() -> None:
    cells = [*WHOLE, row(BIG, 4, 900), row(SMALL, 4, 180), row(THIRD, 4, 20)]
    doubt = table_from_records(
        [{"measure": "crimes", "place_code": BIG, **month(4), "reason": "partial_return", "withheld": True}],
        PLAUSIBILITY_FLAG,
    )
    actual = tabulate_returns(cells, doubt)
    assert states(actual, 4)[BIG] == "partial"
    # Usual volumes are 1,800, 180 and 20, and the other two are as usual, so the large one returned half.
    assert of_month(actual, 4)["reporting_rate"] == pytest.approx((900 + 200) / 2_000)


def test_return_is_in_time_if_published_by_its_due_day() -> None:
    late = row(SMALL, 3, 270.0, date(2023, 6, 20))
    cells = [item for item in WHOLE if (item["place_code"], item["period_start"].month) != (SMALL, 3)]
    again = [row(code, 3, value, date(2023, 6, 20)) for code, value in ((BIG, 2_700.0), (THIRD, 30.0))]
    actual = tabulate_returns([*cells, *again, late])
    third = actual.filter(pl.col("period_start") == date(2023, 3, 1)).select("place_code", "state", "on_time")
    assert third.rows() == [(BIG, "returned", True), (SMALL, "returned", False), (THIRD, "returned", True)]
    assert of_month(actual, 3)["on_time_rate"] == pytest.approx(0.91) and of_month(actual, 3)["reporting_rate"] == 1
    # A file published years later does not show who returned in time.
    old = tabulate_returns([{**item, "released_at": date(2025, 1, 1)} for item in WHOLE])
    assert old["on_time"].null_count() == old.height and of_month(old, 1)["on_time_rate"] is None


def test_provider_is_due_only_while_its_code_is_in_use() -> None:
    closed = FORCES.with_columns(
        pl.when(pl.col("place_code") == BIG).then(date(2023, 1, 31)).alias("valid_to"),
        pl.when(pl.col("place_code") == THIRD).then(date(2023, 3, 1)).alias("valid_from"),
    )
    seen = table_from_records([row(SMALL, n, 90.0) for n in (1, 2, 3)], OBSERVATION_COLUMNS).with_columns(
        pl.lit(1, pl.Int64).alias("order")
    )
    actual = count_returns(
        seen, empty_table(PLAUSIBILITY_FLAG), SOURCE, closed, NOBODY, empty_table(CODE_CHANGE_COLUMNS)
    )
    assert [set(states(actual, n)) for n in (1, 2, 3)] == [{BIG, SMALL}, {SMALL}, {SMALL, THIRD}]


def test_successor_can_return_for_a_provider_that_ended_with_the_period() -> None:
    closed = FORCES.with_columns(pl.when(pl.col("place_code") == SMALL).then(date(2023, 2, 28)).alias("valid_to"))
    change = table_from_records([{"from_code": SMALL, "to_code": BIG}], CODE_CHANGE_COLUMNS)

    def of_february(*came: str) -> dict[str, str]:
        seen = table_from_records([row(code, 2, 90.0) for code in came], OBSERVATION_COLUMNS)
        ordered = seen.with_columns(pl.lit(1, pl.Int64).alias("order"))
        return states(count_returns(ordered, empty_table(PLAUSIBILITY_FLAG), SOURCE, closed, NOBODY, change), 2)

    assert of_february(BIG, THIRD) == {BIG: "returned", THIRD: "returned"}
    assert of_february(BIG, SMALL, THIRD) == dict.fromkeys((BIG, SMALL, THIRD), "returned")
    # No provider has returned for this period.
    assert of_february(THIRD) == {BIG: "not_returned", SMALL: "not_returned", THIRD: "returned"}


def test_source_without_declared_returns_has_none() -> None:
    seen = table_from_records(WHOLE, OBSERVATION_COLUMNS).with_columns(pl.lit(1, pl.Int64).alias("order"))
    source = SOURCE.model_copy(update={"returns": None})
    assert count_returns(
        seen, empty_table(PLAUSIBILITY_FLAG), source, FORCES, NOBODY, empty_table(CODE_CHANGE_COLUMNS)
    ).is_empty()
    assert summarise_completeness(
        count_returns(seen, empty_table(PLAUSIBILITY_FLAG), source, FORCES, NOBODY, empty_table(CODE_CHANGE_COLUMNS))
    ).is_empty()


def test_force_silent_for_77_months_is_listed_by_month_and_force() -> None:
    """Greater Manchester, from August 2019 to December 2025, in police.uk's figures."""
    months = pl.date_range(date(2018, 1, 1), date(2025, 12, 1), "1mo", eager=True)
    cells = [
        {**row(code, 1, value, date(2026, 2, 1)), "period_start": day, "period_end": day}
        for day in months for code, value in ((BIG, 25_000.0), (SMALL, 75_000.0))
        if code == SMALL or day < date(2019, 8, 1)
    ]  # fmt: skip
    of = summarise_completeness(tabulate_returns(cells, roll="seen"))
    silent = of.filter(pl.col("place_code") == BIG).row(0, named=True)
    assert (silent["due"], silent["due"] - silent["returned"]) == (96, 77)
    assert silent["missing"].endswith("and 69 more")
    assert of.filter(pl.col("scope") == "period", pl.col("reporting_rate") < 0.76).height == 77
    shown = newest_periods(of)
    assert shown.height == 2 and shown["period_start"][0] == date(2025, 12, 1)


def test_twenty_councils_without_a_homelessness_return_are_on_the_roll(bundled: Project) -> None:
    actual = load_returns(bundled, "mhclg_homelessness")
    assert dict(actual["state"].value_counts().iter_rows()) == {"returned": 289, "not_returned": 20}
    of = summarise_completeness(actual).filter(pl.col("scope") == "period").row(0, named=True)
    assert (of["due"], of["returned"]) == (309, 289)
    # The table gives 66,315 returned, and 72,550 for England with the publisher's estimate of the rest: 91.4 %.
    assert of["reporting_rate"] == pytest.approx(66_315 / 72_550, abs=0.03)
