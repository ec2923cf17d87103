"""Content of the place pages: verdicts, latest figures, gaps and data owners.

The content is computed for all places in one pass and then split by place, for speed.
"""

from typing import Any, NamedTuple

import polars as pl

from pipelines.apportionment import INTERVAL_COLUMNS
from pipelines.core.periods import format_period
from pipelines.core.reasons import REASONS
from pipelines.declarations.catalogue import Catalogue
from pipelines.gaps import (
    RANK_KEY,
    VERDICT_WORDS,
    format_rank,
    is_needed,
    is_open,
    open_reason,
    rank_places,
    summarise_by_place,
)
from pipelines.outputs.report_tables import describe_uncertainty, format_figure, format_interval

RowsByPlace = dict[str, list[dict[str, Any]]]


class PlacePage(NamedTuple):
    """Content of the page of one place, as plain text and numbers.

    `verdicts` has a row for each problem, and `known` has a row for each measure with a figure. `missing` lists the
    requests for each data owner. Owners of needed figures come before owners of wanted figures.
    """

    code: str
    name: str
    nation: str
    people: str
    verdicts: list[dict[str, Any]]
    known: list[dict[str, Any]]
    missing: list[tuple[str, list[dict[str, Any]]]]

    @property
    def answered(self) -> int:
        """Number of problems that are answerable for this place, with or without caveats."""
        return sum(row["verdict"] != "not_answerable" for row in self.verdicts)


def build_place_pages(
    catalogue: Catalogue, cells: pl.DataFrame, verdict_table: pl.DataFrame, since: pl.DataFrame
) -> list[PlacePage]:
    """Return the page content of each place, in order of code.

    Takes the cells (schema.CELL_COLUMNS) and verdicts (verdicts.VERDICT) of the problems, and the opening day of each
    gap (gap_id, opened).
    """
    verdicts, figures, missing = (
        _verdict_rows(catalogue, verdict_table),
        _figure_rows(catalogue, cells),
        _gap_rows(catalogue, cells, since),
    )
    people = dict(verdict_table.drop_nulls("people").select("place_code", "people").iter_rows())
    places = cells.select("place_code", "place_name", "nation").unique("place_code").sort("place_code")
    return [
        PlacePage(code, name, nation or "", f"{people[code]:,.0f}" if code in people else "",
                  verdicts.get(code, []), figures.get(code, []), group_by_owner(missing.get(code, [])))
        for code, name, nation in places.iter_rows()
    ]  # fmt: skip


def group_by_place(frame: pl.DataFrame) -> RowsByPlace:
    """Group the rows of a frame by place_code and keep their order."""
    parts: RowsByPlace = {}
    for row in frame.iter_rows(named=True):
        parts.setdefault(row["place_code"], []).append(row)
    return parts


def _verdict_rows(catalogue: Catalogue, verdict_table: pl.DataFrame) -> RowsByPlace:
    rows = group_by_place(summarise_by_place(verdict_table).sort("place_code", "problem"))
    return {code: [_verdict_row(row, catalogue) for row in place_rows] for code, place_rows in rows.items()}


def _verdict_row(row: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    header = catalogue.problems[row["problem"]].header
    met = f"{row['needs_met']:,} of {row['needs_total']:,}"
    in_time = (
        "" if header.grain == "latest" else f"Answerable in {row['answered']:,} of {row['periods']:,} {header.grain}s"
    )
    return {
        **row, "question": header.question, "owner": header.owner, "said": VERDICT_WORDS[row["verdict"]], "met": met,
        "in_time": in_time,
        "causes": [describe_cause(cause, catalogue) for cause in split_causes(row["blocking_reasons"])],
    }  # fmt: skip


def split_causes(because: str | None, most: int = 4) -> list[str]:
    """Split the reasons for a verdict into a list. The list is limited to `most`, and the rest are counted."""
    causes = because.split("; ") if because else []
    return causes[:most] + ([f"and {len(causes) - most} more"] if len(causes) > most else [])


def describe_cause(cause: str, catalogue: Catalogue) -> str:
    """Describe the reason for a verdict with the titles of its measure and of its gap reason or caveats."""
    measure, _, rest = cause.partition(": ")
    if measure not in catalogue.measures:
        return cause
    codes, _, times = rest.partition(" (")
    reasons = " and ".join(REASONS[code].title.lower() if code in REASONS else code for code in codes.split(" and "))
    return f"{catalogue.measures[measure].title}: {reasons}" + (f" ({times}" if times else "")


_RANK_COLUMNS = ("rank", "rank_lower_bound", "rank_upper_bound", "similar_places", "places", "noise", "no_interval")
"""Columns of `ranks` with the rank of a place and its uncertainty."""


def _figure_rows(catalogue: Catalogue, cells: pl.DataFrame) -> RowsByPlace:
    """Return the latest figure for each place and measure, with the numbers of available and requested figures."""
    ranks = rank_places(cells, catalogue.measures).select(*RANK_KEY, "place_code", *_RANK_COLUMNS)
    placed = cells.join(ranks, on=[*RANK_KEY, "place_code"], how="left", maintain_order="left")
    newest = placed.sort("period_end").group_by("place_code", "measure", "problem").agg(
        is_needed().sum().alias("asked"), pl.col("value").count().alias("count"),
        *(pl.col(name).filter(pl.col("value").is_not_null()).last()
          for name in ("value", "reference_start", "reference_end", "caveats", "source", "proxy_measure",
                       *INTERVAL_COLUMNS,
                       *_RANK_COLUMNS)),
    )  # fmt: skip
    # Several problems may need the same measure: its latest figure is shown once.
    once = newest.filter(pl.col("count") > 0).sort("reference_end", "count", "problem").unique(
        ["place_code", "measure"], keep="last", maintain_order=True
    )  # fmt: skip
    rows = group_by_place(once.sort("place_code", "measure"))
    return {code: [_figure_row(row, catalogue) for row in place_rows] for code, place_rows in rows.items()}


def _figure_row(row: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    measure, source = catalogue.measures[row["measure"]], catalogue.sources[row["source"]]
    caveats = [REASONS[code].title.lower() for code in (row["caveats"] or "").split(",") if code in REASONS]
    if row["proxy_measure"]:
        caveats.append(f"proxy measure: {catalogue.measures[row['proxy_measure']].title}")
    return {
        "title": measure.title, "unit": measure.unit, "text": format_figure(row["value"], measure),
        "when": format_period(row["reference_start"], row["reference_end"]), "caveats": caveats,
        "publisher": source.publisher,
        "licence": source.licence, "interval": format_interval(row, measure) or describe_uncertainty(measure),
        "rank": format_rank(row) if row["places"] else "",
        "count": f"{row['count']:,} of {row['asked']:,} periods" if row["asked"] > 1 else "",
    }  # fmt: skip


def _gap_rows(catalogue: Catalogue, cells: pl.DataFrame, since: pl.DataFrame) -> RowsByPlace:
    """Return the open gaps of each place, with measure, reason, opening day, data owner and remedy."""
    open_gaps = cells.filter(is_open()).with_columns(open_reason().alias("reason"))
    dated_gaps = open_gaps.join(since, left_on="cell_id", right_on="gap_id", how="left")
    grouped = dated_gaps.sort("problem", "period_start").group_by(
        "place_code", "measure", "reason", "data_owner", "remedy", maintain_order=True
    ).agg(
        pl.len().alias("cells"), pl.col("evidence").last(), pl.col("opened").min(), pl.col("need").min(),
        pl.col("problem").unique().sort().alias("problems"), pl.col("lower_bound").last(), pl.col("upper_bound").last(),
        pl.col("value").is_not_null().any().alias("has_proxy"),
    )  # fmt: skip
    rows = group_by_place(grouped.sort("place_code", "need", "data_owner", "measure", "reason"))
    return {code: [_gap_row(row, catalogue) for row in place_rows] for code, place_rows in rows.items()}


def group_by_owner(rows: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Group gaps by data owner, in the order of the rows."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        parts.setdefault(row["data_owner"], []).append(row)
    return list(parts.items())


def _gap_row(row: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    reason, measure = REASONS[row["reason"]], catalogue.measures[row["measure"]]
    is_bounded = (
        row["lower_bound"] is not None and row["upper_bound"] is not None and row["cells"] == 1 and not row["has_proxy"]
    )
    return {
        **row,
        "title": measure.title,
        "why": reason.title,
        "data_owner": row["data_owner"] or reason.data_owner,
        "remedy": row["remedy"] or reason.remedy,
        "bounds": f"between {format_figure(row['lower_bound'], measure)} and "
        f"{format_figure(row['upper_bound'], measure)}"
        if is_bounded
        else "",
        "since": format_period(row["opened"], row["opened"]) if row["opened"] else "",
        "periods": f"{row['cells']:,}",
    }
