"""Rules of limits beside a figure: which are used, in which unit, and which contradict the figure."""

from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.declarations.source import Source
from pipelines.observations.published_limits import add_published_limits, round_limit

SCHEMA = {
    "measure": pl.String, "value": pl.Float64, "text": pl.String, "first_limit": pl.String, "second_limit": pl.String,
    "caveats": pl.String, "caveat_evidence": pl.String,
}  # fmt: skip
BOTH = {"lower": "l", "upper": "u", "level": 95}
NOTHING = (None, None, None, None)


def declared(interval: dict[str, Any] | None = None, more: dict[str, Any] | None = None, **given: Any) -> Source:
    """Declare one measure with limits and one without."""
    plain = {"title": "t", "unit": "u", "kind": "index", "column": "c"}
    return Source.model_validate(
        {"title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
         "columns": {"place": "p", "period": "d"}, **given,
         "measures": {"bare": plain, "m": {**plain, "uncertainty": interval or BOTH, **(more or {})}}},
        strict=False,
    )  # fmt: skip


def table(*cells: tuple[Any, ...]) -> pl.DataFrame:
    """Build cells of measure, value and two limits."""
    result = [(m, value, None if value is None else f"{value:g}", *limits, None, None) for m, value, *limits in cells]
    return pl.DataFrame(result, schema=SCHEMA, orient="row")


def limits(source: Source, *cells: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    actual = add_published_limits(table(*(("m", *entry) for entry in cells)), source)
    return actual.select("interval_lower", "interval_upper", "interval_level", "interval_source", "caveats").rows()


def test_limits_are_read_and_their_texts_dropped() -> None:
    actual = add_published_limits(
        table(("m", 5.0, "4", "6"), ("bare", 5.0, "4", "6"), ("m", None, "4", "6")), declared()
    )
    assert actual.to_dicts() == [
        {"measure": "m", "value": 5.0, "text": "5", "caveats": None, "caveat_evidence": None, "interval_lower": 4.0,
         "interval_upper": 6.0, "interval_level": 95.0, "interval_source": "published"},
        # Texts beside a measure without limits, or beside a missing figure, are ignored.
        {"measure": "bare", "value": 5.0, "text": "5", "caveats": None, "caveat_evidence": None, "interval_lower": None,
         "interval_upper": None, "interval_level": None, "interval_source": None},
        {"measure": "m", "value": None, "text": None, "caveats": None, "caveat_evidence": None, "interval_lower": None,
         "interval_upper": None, "interval_level": None, "interval_source": None},
    ]  # fmt: skip


def test_source_without_limits_has_none() -> None:
    source = declared()
    source = source.model_copy(update={"measures": {"bare": source.measures["bare"]}})
    cells = table(("bare", 5.0, "4", "6"))
    actual = add_published_limits(cells, source)
    assert actual.select("interval_lower", "interval_upper", "interval_level", "interval_source").rows() == [NOTHING]
    assert_frame_equal(add_published_limits(cells.drop("first_limit", "second_limit"), source), actual)
    assert actual.schema["interval_lower"] == pl.Float64 and actual.schema["interval_source"] == pl.String


@pytest.mark.parametrize(
    ("value", "lower", "upper", "taken"),
    [
        (5.0, "4", "6", True), (5.0, "5", "6", True), (5.0, "4", "5", True), (5.0, "5", "5", True),
        (5.0, "5.01", "6", False), (5.0, "4", "4.99", False), (5.0, "6", "4", False), (5.0, "6", "7", False),
        (-5.0, "-6", "-4", True), (-5.0, "-4", "-6", False), (0.0, "0", "0", True),
    ],
)  # fmt: skip
def test_limits_that_exclude_their_figure_are_rejected(value: float, lower: str, upper: str, taken: bool) -> None:
    expected = (float(lower), float(upper), 95.0, "published", None) if taken else (*NOTHING, "limits_contradict")
    assert limits(declared(), (value, lower, upper)) == [expected]


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        # A single limit is used. A blank or a declared marker gives no limit and no contradiction.
        ("4", "", (4.0, None, 95.0, "published", None)), ("", "6", (None, 6.0, 95.0, "published", None)),
        ("4", "x", (4.0, None, 95.0, "published", None)), (None, "6", (None, 6.0, 95.0, "published", None)),
        ("", "", (*NOTHING, None)), ("x", "x", (*NOTHING, None)), (" x ", " ", (*NOTHING, None)),
        (None, None, (*NOTHING, None)), ("6", "", (*NOTHING, "limits_contradict")),
        ("", "4", (*NOTHING, "limits_contradict")), ("about 4", "6", (*NOTHING, "limits_contradict")),
        ("4", "y", (*NOTHING, "limits_contradict")), (" 4 ", "1,006", (4.0, 1006.0, 95.0, "published", None)),
    ],
)  # fmt: skip
def test_limit_is_a_number_a_marker_or_rejected(lower: str | None, upper: str | None, expected: tuple[Any]) -> None:
    assert limits(declared(markers={"x": "not_available", "": "not_available"}), (5.0, lower, upper)) == [expected]


@pytest.mark.parametrize(
    ("lower", "upper", "beside"), [("6", "7", "6 and 7"), ("6", None, "6"), (None, "4", "4"), ("", "y", "y")]
)
def test_contradiction_quotes_the_printed_texts(lower: str | None, upper: str | None, beside: str) -> None:
    actual = add_published_limits(table(("m", 5.0, lower, upper), ("m", 5.0, "4", "6")), declared())
    assert actual["caveat_evidence"].to_list() == [
        f"5 is not within the limits beside it: {beside}", None
    ]  # fmt: skip


def test_limits_are_scaled_to_the_unit_of_the_measure() -> None:
    assert limits(declared(more={"scale": 100}), (50.0, "0.25", "0.75"))[0][:2] == (25.0, 75.0)
    assert limits(declared({"half_width": "h", "level": 95}, {"scale": 100}), (50.0, "0.25", None))[0][:2] == (25, 75)


@pytest.mark.parametrize(
    ("interval", "error", "low", "high"),
    [
        ({"half_width": "h", "level": 95}, "0.3", 75.9, 76.5),
        ({"half_width": "h", "level": 80}, "0.3", 75.9, 76.5),
        ({"half_width": "h", "level": 95}, "0", 76.2, 76.2),
        # 1.96 standard errors give 95 %, 1.2816 give 80 %, 2.5758 give 99 %.
        ({"standard_error": "h", "level": 95}, "1", 74.240036015, 78.159963985),
        ({"standard_error": "h", "level": 80}, "1", 74.918448434, 77.481551566),
        ({"standard_error": "h", "level": 99}, "0.5", 74.912085348, 77.487914652),
    ],
)
def test_error_is_subtracted_and_added(interval: dict[str, Any], error: str, low: float, high: float) -> None:
    actual = limits(declared(interval), (76.2, error, None))
    assert actual[0] == (
        pytest.approx(low, abs=1e-8),
        pytest.approx(high, abs=1e-8),
        interval["level"],
        "published",
        None,
    )


def test_negative_error_is_rejected_and_a_blank_one_gives_no_limits() -> None:
    source = declared({"half_width": "h", "level": 95})
    assert limits(source, (5.0, "-1", None), (5.0, "", None), (5.0, "many", None)) == [
        (*NOTHING, "limits_contradict"), (*NOTHING, None), (*NOTHING, "limits_contradict")
    ]  # fmt: skip


def test_each_measure_has_its_own_limits_in_any_order_of_rows() -> None:
    source = declared()
    second = declared({"half_width": "h", "level": 80}).measures["m"]
    source = source.model_copy(update={"measures": {**source.measures, "n": second}})
    cells = table(("n", 5.0, "1", None), ("m", 5.0, "3", "9"), ("bare", 5.0, None, None), ("n", 9.0, "2", None))
    actual = add_published_limits(cells, source)
    assert actual.select("measure", "interval_lower", "interval_upper", "interval_level").rows() == [
        ("n", 4.0, 6.0, 80.0), ("m", 3.0, 9.0, 95.0), ("bare", None, None, None), ("n", 7.0, 11.0, 80.0)
    ]  # fmt: skip
    assert_frame_equal(add_published_limits(cells.reverse(), source).reverse(), actual)


def test_only_floating_point_error_is_removed() -> None:
    ends = pl.Series("end", [76.1 - 0.05, 1 / 3, 123456789012.4, -0.0, None, float("inf"), float("-inf")])
    actual = ends.to_frame().select(round_limit(pl.col("end"))).to_series().to_list()
    assert actual == [76.05, 0.333333333333, 123456789012.0, 0.0, None, float("inf"), float("-inf")]
    nan = pl.select(round_limit(pl.lit(float("nan")))).item()
    assert nan != nan
