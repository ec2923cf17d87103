"""All checks of figures together: which release is judged, and which doubt of a figure goes before."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from checks.figures import flag_figures, list_return_periods
from checks.flags import PLAUSIBILITY_FLAG
from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table, polars_schema
from pipelines.declarations.measure import Measure
from tests.checks.test_flags import COUNT, MONTHS, ONE, RATE, TENTH, Wrong, at, becomes, series, unchanged
from tests.gaps.test_cells import EVERYONE

ALL, EACH = range(33), range(24)


def reasons(frame: pl.DataFrame, **measures: object) -> dict[str, int]:
    """Count by reason the doubts of a frame."""
    actual = flag_figures(frame.sample(fraction=1, shuffle=True, seed=13), {"figure": COUNT, **measures})  # type: ignore[dict-item]
    assert actual.schema == polars_schema(PLAUSIBILITY_FLAG)
    assert actual.select("measure", "place_code", "period_start", "reason").is_unique().all()
    return dict(actual.group_by("reason").len().sort("reason").iter_rows())


def test_no_figures_give_no_flags() -> None:
    assert reasons(series(unchanged).clear()) == {}
    assert reasons(series(unchanged).with_columns(pl.lit(None, pl.Float64).alias("value"))) == {}


def test_only_the_newest_release_of_a_period_is_judged() -> None:
    wrong = series(at(ONE, TENTH, becomes(0.0)))
    right = series(unchanged, order=1)
    assert reasons(wrong) == {"suspected_zero": 1}
    assert reasons(pl.concat([wrong, right])) == {}
    newer = right.filter(pl.col("period_start") > MONTHS[10])
    assert reasons(pl.concat([wrong, newer])) == {"suspected_zero": 1}


def thousands(months: range, order: int) -> pl.DataFrame:
    return series(at(ALL, months, lambda value: value * 1000 + 1), order=order)


def test_unit_is_compared_with_the_previous_release() -> None:
    assert reasons(pl.concat([series(unchanged), thousands(EACH, 1)])) == {"unit_change": 33 * 24}
    assert reasons(pl.concat([series(unchanged), thousands(EACH, 1), thousands(EACH, 2)])) == {}
    assert reasons(pl.concat([thousands(EACH, 0), thousands(EACH, 1), series(unchanged, order=2)])) == {
        "unit_change": 33 * 24
    }


def test_copied_figure_has_only_that_flag() -> None:
    actual = flag_figures(series(at(ONE, range(10, 18), becomes(9000.0))), {"figure": COUNT})
    copied = actual.filter(pl.col("reason") == "repeated_value")
    assert copied["period_start"].sort().to_list() == MONTHS[11:18]
    assert actual.join(copied, on="period_start").height == 7
    assert actual.filter(pl.col("reason") != "repeated_value")["period_start"].is_in(MONTHS[11:18]).sum() == 0


def hundreds(_place: int, month: int, value: float) -> float:
    return round(value, -2) if month == 10 else value


def test_undeclared_rounding_is_flagged_only_without_another_flag() -> None:
    frame = series(hundreds)
    assert reasons(frame) == {"rounded": 33}
    assert reasons(frame, figure=COUNT.model_copy(update={"rounding": 1.0})) == {}
    high = series(lambda place, month, value: hundreds(place, month, value) * (5 if (place, month) == (4, 10) else 1))
    assert reasons(high) == {"implausible": 1, "rounded": 32}


@pytest.mark.parametrize(("wrong", "reason"), [(becomes(0.0), "suspected_zero"), (becomes(3.0), "near_zero_leak")])
def test_low_figure_has_one_reason(wrong: Wrong, reason: str) -> None:
    assert reasons(series(at(ONE, TENTH, wrong))) == {reason: 1}  # type: ignore[arg-type]


def test_only_counts_can_be_partial_returns() -> None:
    halved = at(ONE, TENTH, lambda value: round(value / 2, 1))
    assert reasons(series(halved, 400.0)) == {"partial_return": 1}
    assert reasons(series(halved, 8.0, 1), figure=RATE) == {"implausible": 1}


def test_another_measure_changes_nothing() -> None:
    wrong = series(at(ONE, TENTH, becomes(0.0)))
    other = series(unchanged, 90.0).with_columns(pl.lit("other").alias("measure"))
    alone = flag_figures(wrong, {"figure": COUNT})
    assert alone["place_code"].to_list() == [EVERYONE[4]]
    both = flag_figures(pl.concat([other, wrong]), {"figure": COUNT, "other": COUNT})
    assert_frame_equal(both, alone)


def test_shared_label_takes_precedence_over_other_flags() -> None:
    twins = series(at(range(4, 6), TENTH, becomes(9000.0)))
    named = twins.with_columns(
        pl.when(pl.col("place_code").is_in(EVERYONE[4:6])).then(pl.lit("Both")).otherwise("place_code")
        .alias("place_label")
    )  # fmt: skip
    assert reasons(twins) == {"implausible": 2}
    assert reasons(named) == {"combined_area": 2}


def slices_of(*slices: tuple[str, int, int, bool]) -> pl.DataFrame:
    """Build slices by measure, number of the month, release, and whether they have figures."""
    rows = [(measure, MONTHS[month], MONTHS[month], order, has) for measure, month, order, has in slices]
    return pl.DataFrame(rows, ["measure", "period_start", "period_end", "order", "has_figures"], orient="row")


TWO = {"figure": COUNT, "other": COUNT, "rate": RATE}


def return_periods(*slices: tuple[str, int, int, bool], **measures: Measure) -> list[int]:
    return [MONTHS.index(day) for day in list_return_periods(slices_of(*slices), measures or TWO).sort()]


def test_returns_matter_one_and_two_periods_before_the_last_of_a_count() -> None:
    months = [("figure", month, 0, True) for month in range(6)]
    assert return_periods(*months) == [3, 4]
    assert return_periods(*months, *(("other", month, 0, True) for month in range(3))) == [0, 1, 3, 4]
    assert return_periods(*months, *(("rate", month, 0, True) for month in range(9))) == [3, 4]
    assert return_periods(*months, figure=COUNT, rate=RATE) == []


def test_periods_without_figures_in_the_newest_release_are_not_later_ones() -> None:
    months = [("figure", month, 0, True) for month in range(6)]
    assert return_periods(*months, ("figure", 5, 1, False)) == [2, 3]
    assert return_periods(*months[:5], ("figure", 5, 0, False), ("figure", 5, 1, True)) == [3, 4]


def test_slice_with_any_figure_of_zero_or_more_has_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[dict[tuple[str, int], bool]] = []

    def list_slices(slices: pl.DataFrame, measures: dict[str, Measure]) -> pl.Series:
        columns = ("measure", "order", "has_figures")
        listed.append({(name, order): has for name, order, has in slices.select(columns).iter_rows()})
        return list_return_periods(slices, measures)

    monkeypatch.setattr("checks.figures.list_return_periods", list_slices)
    values = {
        ("a", 0): [-1.0, None, 0.0],
        ("a", 1): [-1.0, None],
        ("b", 0): [float("inf"), float("nan")],
        ("b", 1): [5.0],
    }
    rows = [
        {
            "measure": name,
            "order": order,
            "place_code": f"E{place}",
            "value": value,
            "period_start": MONTHS[0],
            "period_end": MONTHS[0],
        }
        for (name, order), all_ in values.items()
        for place, value in enumerate(all_)
    ]
    table = conform_table(pl.DataFrame(rows), OBSERVATION_COLUMNS).hstack(pl.DataFrame(rows).select("order"))
    assert flag_figures(table, {"a": COUNT, "b": COUNT}).is_empty()
    assert listed == [{("a", 0): True, ("a", 1): False, ("b", 0): False, ("b", 1): True}]
