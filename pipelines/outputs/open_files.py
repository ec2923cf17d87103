"""Files of a problem's answer that open anywhere: the tables behind its map and its chart, and GeoJSON."""

from typing import Any

import polars as pl

from pipelines.core.export import format_csv
from pipelines.core.schema import DATE, NUMBER, TEXT, Column, conform_table, empty_table
from pipelines.outputs.answer import PageAnswer
from pipelines.outputs.boundary_files import encode_collection, encode_place, geometries_by_code
from pipelines.outputs.report_model import Report
from pipelines.outputs.trend_chart import TrendBand, TrendSeries

MAP_ROW: dict[str, Column] = {
    "place_code": Column(TEXT, "Code of the place"),
    "place_name": Column(TEXT, "Name of the place"),
    "nation": Column(TEXT, "Nation of the place"),
    "value": Column(NUMBER, "Figure; empty where none is known"),
    "unit": Column(TEXT, "Unit of the figure"),
    "interval_lower": Column(NUMBER, "Lower end of the interval of an estimate"),
    "interval_upper": Column(NUMBER, "Upper end of the interval of an estimate"),
    "reference_start": Column(DATE, "First day of the period of the figure"),
    "reference_end": Column(DATE, "Last day of the period of the figure"),
    "state": Column(TEXT, "comparable; or doubted, proxy, other_period or missing, which are not ranked"),
    "reason": Column(TEXT, "Reason of a missing figure"),
    "caveats": Column(TEXT, "Caveats of the figure"),
}
"""A place of the map and of the order of a problem's page."""
TREND_ROW: dict[str, Column] = {
    "line": Column(TEXT, "Name of the line or band"),
    "role": Column(TEXT, "own, second: in front; region, nation: context; panel: a small chart; band: most places"),
    "period_start": Column(DATE, "First day of the period"),
    "period_end": Column(DATE, "Last day of the period"),
    "value": Column(NUMBER, "Figure; empty where the line has a gap, and for a band"),
    "low": Column(NUMBER, "Lower edge of a band"),
    "high": Column(NUMBER, "Upper edge of a band"),
    "mark": Column(TEXT, "break, revised or provisional"),
}
"""A point of the chart over time of a problem's page."""
MAP_ENDING, TREND_ENDING, GEOJSON_ENDING = "map.csv", "trend.csv", "geojson"


def map_csv(answer: PageAnswer) -> str:
    """Return the figures of the map and of the order as CSV (MAP_ROW)."""
    unit = pl.lit(answer.own_unit).alias("unit")
    return format_csv(conform_table(answer.figures.with_columns(unit), MAP_ROW).sort("place_code"))


def trend_csv(lines: list[TrendSeries], band: TrendBand) -> str:
    """Return the points of a chart over time as CSV (TREND_ROW)."""
    points: list[dict[str, Any]] = [
        {"line": line.name, "role": line.role, "period_start": point.start, "period_end": point.end,
         "value": point.value, "mark": point.mark or None}
        for line in lines for point in line.points
    ]  # fmt: skip
    points += [
        {"line": band.name, "role": "band", "period_start": point.start, "period_end": point.end, "low": point.low,
         "high": point.high}
        for point in band.points
    ]  # fmt: skip
    schema = {name: column.dtype for name, column in TREND_ROW.items()}
    return format_csv(pl.DataFrame(points, schema=schema) if points else empty_table(TREND_ROW))


def has_geojson(report: Report) -> bool:
    """Return whether any place of a problem has a stored boundary."""
    codes = set(report.places["place_code"])
    features = report.boundaries["features"] if report.boundaries else []
    return any(feature["properties"]["code"] in codes for feature in features)


def problem_geojson(report: Report, answer: PageAnswer | None) -> bytes:
    """Return the places of a problem with the row of its view, as GeoJSON.

    A problem by period has the period of its answer; a place without a stored boundary has no geometry.
    """
    view = report.view
    if "period_start" in view.columns:
        period = answer.period_start if answer else view["period_start"].max()
        view = view.filter(pl.col("period_start") == period)
    known = [name for name in ("place_name", "region", "nation") if name not in view.columns]
    rows = report.places.select("place_code", *known).join(view, on="place_code", how="inner").sort("place_code")
    dates = pl.selectors.temporal().cast(pl.String)
    geometries = geometries_by_code(report.boundaries or {"features": []})
    features = [encode_place(row, geometries) for row in rows.with_columns(dates).iter_rows(named=True)]
    return encode_collection(report.problem, features)
