"""Places that seem to be published together: one label and figure in a period, or every figure of all periods."""

from typing import Any

import polars as pl
import pytest

from checks.expected import Fit, fit_expected
from checks.flags import keep_first_flags
from checks.published_together import describe_alike, describe_labels, flag_identical_series, flag_shared_labels
from checks.series import Slices, number_slices, select_releases
from pipelines.core.schema import OBSERVATION_COLUMNS, table_from_records
from pipelines.declarations.measure import Measure
from tests.checks.figures_expected import assert_doubts, judged, months, places
from tests.checks.figures_in_full import add_telling

ONE = "E00+E01 share the label Both and the same figure: published together?"
ALWAYS = "E00+E01 have the same figure in all 5 periods: published together?"


def combined(frame: pl.DataFrame) -> pl.DataFrame:
    return keep_first_flags([flag_shared_labels(add_telling(frame)), flag_identical_series(frame)])


def month(figures: dict[str, tuple[str, float]], **given: Any) -> pl.DataFrame:
    rows = [{"place_code": code, "place_label": label, "value": item} for code, (label, item) in figures.items()]
    return judged(rows, periods=1, **given)


PAIR = {"E01": ("Both", 8.0), "E00": ("Both", 8.0), "E02": ("Third", 8.0), "E03": ("Fourth", 9.0)}


def test_codes_with_one_label_and_figure_name_each_other() -> None:
    frame = pl.concat([month(PAIR), month({"E00": ("Both", 8.0), "E02": ("Third", 1.0)}, period_start=months(2)[1])])
    assert_doubts(
        combined(frame.sample(fraction=1, shuffle=True, seed=8)),
        [{"place_code": code, "evidence": ONE} for code in ("E00", "E01")],
        place_label="Both", value=8.0, reason="combined_area", compared_with="the other places in the period", others=1,
        withheld=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("figures", "codes"),
    [
        ({**PAIR, "E01": ("Both", 7.0)}, []),
        ({**PAIR, "E02": ("Both", 8.0)}, ["E00", "E01", "E02"]),
        (dict.fromkeys(PAIR, ("Both", 8.0)), []),
        ({"E00": ("", 8.0), "E01": ("", 8.0), "E02": ("Third", 8.0)}, []),
        ({"E00": ("Both", 8.0), "E01": ("Both", 8.0), "E02": ("Third", 8.0)}, ["E00", "E01"]),
        ({"E00": ("Both", 8.0), "E01": ("Third", 8.0)}, []),
        ({}, []),
    ],
    ids=["two figures", "three", "all have one label", "no label", "two labels", "each its own", "none"],
)
def test_label_common_to_all_places_is_ignored(figures: dict[str, tuple[str, float]], codes: list[str]) -> None:
    actual = combined(month(figures) if figures else month(PAIR).clear())
    assert actual["place_code"].sort().to_list() == codes
    assert actual["others"].unique().to_list() == ([len(codes) - 1] if codes else [])


def series(spans: int = 5, figure: float = 100.0, **given: Any) -> pl.DataFrame:
    """Give months of places of which the first two have one figure in each; labels are of codes."""
    return judged(
        [
            {"place_code": code, "place_label": code, "period_start": day, "value": figure + n + 9 * max(0, place - 1)}
            for n, day in enumerate(months(spans)) for place, code in enumerate(places(4))
        ],
        periods=spans, **given,
    )  # fmt: skip


def test_places_with_one_figure_in_every_period_are_flagged_in_all() -> None:
    assert_doubts(
        combined(series().sample(fraction=1, shuffle=True, seed=9)),
        [{"place_code": code, "place_label": code, "period_start": day, "value": 100.0 + n, "evidence": ALWAYS}
         for n, day in enumerate(months(5)) for code in ("E00", "E01")],
        reason="combined_area", compared_with="the other places in all periods", others=1, withheld=True,
    )  # fmt: skip


def but(frame: pl.DataFrame, code: str, number: int, figure: float) -> pl.DataFrame:
    one = (pl.col("place_code") == code) & (pl.col("period_start") == months(9)[number])
    return frame.with_columns(pl.when(one).then(figure).otherwise("value").alias("value"))


@pytest.mark.parametrize(
    ("frame", "cells"),
    [
        (series(4), 0), (series(6), 12), (series(figure=99.0), 0), (series(step=2.0), 0), (series(step=0.5), 10),
        (but(series(), "E01", 2, 500.0), 0), (but(but(series(), "E01", 2, 7.0), "E00", 2, 7.0), 0),
        (series().filter((pl.col("place_code") != "E01") | (pl.col("period_start") > months(9)[0])), 0),
        (series().clear(), 0),
    ],
    ids=["four periods", "six", "small figures", "coarse steps", "fine steps", "another figure once", "small once",
         "a period short", "none"],
)  # fmt: skip
def test_all_of_enough_large_figures_must_be_the_same(frame: pl.DataFrame, cells: int) -> None:
    assert combined(frame).height == cells


def test_figures_swapped_between_periods_are_not_the_same() -> None:
    swapped = but(but(series(), "E01", 0, 104.0), "E01", 4, 100.0)
    assert combined(swapped).is_empty()


def test_another_measure_changes_nothing_and_both_rules_tell_a_figure_once() -> None:
    other = series().with_columns(pl.lit("n").alias("measure"), pl.col("place_code").alias("place_label"))
    apart = other.filter(pl.col("place_code") != "E00")
    assert combined(pl.concat([apart, series()])).equals(combined(series()))
    both = series().with_columns(pl.col("place_label").replace({"E00": "Both", "E01": "Both"}))
    actual = combined(both)
    assert actual.height == 10
    assert actual["evidence"].unique().to_list() == [ONE]


COUNT = Measure(title="t", unit="things", kind="count", column=("figure",))


def fit_of(figures: dict[str, list[float | None]], labels: dict[str, str | None] | None = None) -> tuple[Fit, Slices]:
    """Fit the figures of places by month, with labels."""
    cells = [{"measure": "m", "place_code": code, "place_label": (labels or {}).get(code, code),
              "period_start": months(9)[month], "period_end": months(9)[month], "value": value}
             for code, of_place in figures.items() for month, value in enumerate(of_place)]  # fmt: skip
    rows = table_from_records(cells, OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))
    slices = number_slices(rows)
    return fit_expected(slices, select_releases(slices), COUNT), slices


FIVE: list[float | None] = [300.0, 500.0, 100.0, 200.0, 400.0]
ALIKE: dict[str, tuple[dict[str, list[float | None]], list[str]]] = {
    "the same": ({"A": FIVE, "B": FIVE, "C": [n + 1 for n in FIVE if n]}, ["A", "B"]),
    "two pairs": ({"A": FIVE, "B": FIVE, "C": [900.0] * 5, "D": [900.0] * 5}, ["A", "B", "C", "D"]),
    "four periods": ({"A": FIVE[:4], "B": FIVE[:4]}, []),
    "a period more": ({"A": FIVE, "B": [*FIVE, 300.0]}, []),
    "a period later": ({"A": [None, *FIVE], "B": [*FIVE, None]}, []),
    "another first figure": ({"A": FIVE, "B": [301.0, *FIVE[1:]]}, []),
    "another last figure": ({"A": FIVE, "B": [*FIVE[:4], 401.0]}, []),
    "another least figure": ({"A": FIVE, "B": [300.0, 500.0, 101.0, 200.0, 400.0]}, []),
    "another greatest figure": ({"A": FIVE, "B": [300.0, 501.0, 100.0, 200.0, 400.0]}, []),
    "small figures": ({"A": [99.0, *FIVE], "B": [99.0, *FIVE]}, []),
    "another figure between": ({"A": FIVE, "B": [300.0, 500.0, 100.0, 201.0, 400.0]}, ["A", "B"]),
}  # fmt: skip


@pytest.mark.parametrize(("figures", "codes"), ALIKE.values(), ids=list(ALIKE))
def test_series_with_one_extent_and_limits_are_looked_at(
    figures: dict[str, list[float | None]], codes: list[str]
) -> None:
    fit, slices = fit_of(figures)
    rows = describe_alike(fit, slices.rows)
    assert sorted(set(rows["place_code"])) == codes
    assert rows.height == 5 * len(codes)


LABELLED: dict[str, tuple[dict[str, str | None], list[tuple[str, bool]]]] = {
    "two with one label": ({"A": "One", "B": "One", "C": "Other"}, [("A", True), ("B", True)]),
    "all with one label": ({"A": "One", "B": "One", "C": "One"}, []),
    "no shared label": ({"A": "One", "B": "Two", "C": "Three"}, []),
    "no labels": ({"A": None, "B": None, "C": None}, []),
    "two without a label": ({"A": "One", "B": None, "C": None}, [("B", True), ("C", True)]),
}


@pytest.mark.parametrize(("labels", "expected"), LABELLED.values(), ids=list(LABELLED))
def test_figures_with_a_label_of_several_codes_are_looked_at(
    labels: dict[str, str | None], expected: list[tuple[str, bool]]
) -> None:
    """A label that all places of a period have tells nothing."""
    fit, slices = fit_of({code: [5.0, 6.0] for code in labels}, labels)
    rows = describe_labels(fit, slices)
    actual = rows.select("place_code", "telling").rows() if rows.height else []
    assert sorted(actual) == sorted(expected * 2)


def test_label_tells_nothing_in_a_period_without_another() -> None:
    figures: dict[str, list[float | None]] = {"A": [5.0, 6.0], "B": [5.0, 6.0], "C": [None, 6.0]}
    fit, slices = fit_of(figures, {"A": "One", "B": "One", "C": "Other"})
    rows = describe_labels(fit, slices).sort("period_start", "place_code")
    assert rows.select("place_code", "telling").rows() == [("A", False), ("B", False), ("A", True), ("B", True)]
