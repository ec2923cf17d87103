"""What is known of a place, what is not, and who to ask: the figures of one page for each place.

Worked out for all places at once, then taken apart, so that 361 pages cost little more than one.
"""

from typing import Any, NamedTuple

import polars as pl

from pipelines.apportionment import INTERVAL_COLUMNS
from pipelines.core.periods import format_period
from pipelines.core.reasons import REASONS
from pipelines.declarations.catalogue import Catalogue
from pipelines.gaps import RANK_KEY, VERDICT_WORDS, format_rank, is_open, open_reason, rank_places, summarise_by_place
from pipelines.outputs.report_tables import describe_uncertainty, format_figure, format_interval

RowsByPlace = dict[str, list[dict[str, Any]]]


class PlacePage(NamedTuple):
    """Everything that one place's page says: plain text and numbers, ready to be laid out.

    `verdicts` has a row for each problem, `known` one for each measure with a figure, and `missing` for each holder one
    for each thing to ask for, those who hold what is needed first.
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
        """How many problems can be answered here, with caveats or without."""
        return sum(row["verdict"] != "not_answerable" for row in self.verdicts)


def build_place_pages(
    catalogue: Catalogue, cells: pl.DataFrame, verdict_table: pl.DataFrame, since: pl.DataFrame
) -> list[PlacePage]:
    """Give a page for each place of some problems, in order of code.

    Takes their cells (schema.CELL_COLUMNS), their verdicts (verdicts.VERDICT), and since when gaps are open (gap_id,
    opened).
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
    """Take a frame apart by place_code, in the order it has."""
    parts: RowsByPlace = {}
    for row in frame.iter_rows(named=True):
        parts.setdefault(row["place_code"], []).append(row)
    return parts


def _verdict_rows(catalogue: Catalogue, verdict_table: pl.DataFrame) -> RowsByPlace:
    rows = group_by_place(summarise_by_place(verdict_table).sort("place_code", "problem"))
    return {code: [_verdict_row(row, catalogue) for row in place_rows] for code, place_rows in rows.items()}


def _verdict_row(row: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    header = catalogue.problems[row["problem"]].header
    met = f"{row['needs_met']:,} of {row['needs_in_all']:,}"
    in_time = "" if header.grain == "latest" else f"in {row['answered']:,} of {row['periods']:,} {header.grain}s"
    return {
        **row, "question": header.question, "owner": header.owner, "said": VERDICT_WORDS[row["verdict"]], "met": met,
        "in_time": in_time, "causes": [describe_cause(cause, catalogue) for cause in split_causes(row["because"])],
    }  # fmt: skip


def split_causes(because: str | None, most: int = 4) -> list[str]:
    """Take the causes of a verdict apart; where there are many the rest is counted."""
    causes = because.split("; ") if because else []
    return causes[:most] + ([f"and {len(causes) - most} more"] if len(causes) > most else [])


def describe_cause(cause: str, catalogue: Catalogue) -> str:
    """Say the cause of a verdict in words: the title of its measure, and of its reason or caveats."""
    measure, _, rest = cause.partition(": ")
    if measure not in catalogue.measures:
        return cause
    codes, _, times = rest.partition(" (")
    reasons = " and ".join(REASONS[code].title.lower() if code in REASONS else code for code in codes.split(" and "))
    return f"{catalogue.measures[measure].title}: {reasons}" + (f" ({times}" if times else "")


_RANK_COLUMNS = ("rank", "rank_low", "rank_high", "similar_to", "places", "noise", "no_interval")
"""Columns of `ranks` that say where a place stands."""


def _figure_rows(catalogue: Catalogue, cells: pl.DataFrame) -> RowsByPlace:
    """Give of each place and measure the newest figure, and how many of those asked for are known."""
    ranks = rank_places(cells, catalogue.measures).select(*RANK_KEY, "place_code", *_RANK_COLUMNS)
    placed = cells.join(ranks, on=[*RANK_KEY, "place_code"], how="left", maintain_order="left")
    newest = placed.sort("period_end").group_by("place_code", "measure", "problem").agg(
        pl.len().alias("asked"), pl.col("value").count().alias("count"),
        *(pl.col(name).filter(pl.col("value").is_not_null()).last()
          for name in ("value", "value_start", "value_end", "caveats", "source", "stand_in", *INTERVAL_COLUMNS,
                       *_RANK_COLUMNS)),
    )  # fmt: skip
    # Several problems may ask for one measure; the newest figure of any is shown once.
    once = newest.filter(pl.col("count") > 0).sort("value_end", "count", "problem").unique(
        ["place_code", "measure"], keep="last", maintain_order=True
    )  # fmt: skip
    rows = group_by_place(once.sort("place_code", "measure"))
    return {code: [_figure_row(row, catalogue) for row in place_rows] for code, place_rows in rows.items()}


def _figure_row(row: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    measure, source = catalogue.measures[row["measure"]], catalogue.sources[row["source"]]
    caveats = [REASONS[code].title.lower() for code in (row["caveats"] or "").split(",") if code in REASONS]
    if row["stand_in"]:
        caveats.append(f"the figure is that of: {catalogue.measures[row['stand_in']].title}")
    return {
        "title": measure.title, "unit": measure.unit, "text": format_figure(row["value"], measure),
        "when": format_period(row["value_start"], row["value_end"]), "caveats": caveats, "publisher": source.publisher,
        "licence": source.licence, "interval": format_interval(row, measure) or describe_uncertainty(measure),
        "rank": format_rank(row) if row["places"] else "",
        "count": f"{row['count']:,} of {row['asked']:,} periods" if row["asked"] > 1 else "",
    }  # fmt: skip


def _gap_rows(catalogue: Catalogue, cells: pl.DataFrame, since: pl.DataFrame) -> RowsByPlace:
    """Give what is open in each place: of which measure, why, since when, who to ask and what for."""
    open_gaps = cells.filter(is_open()).with_columns(open_reason().alias("reason"))
    dated_gaps = open_gaps.join(since, left_on="cell_id", right_on="gap_id", how="left")
    grouped = dated_gaps.sort("problem", "period_start").group_by(
        "place_code", "measure", "reason", "holder", "remedy", maintain_order=True
    ).agg(
        pl.len().alias("cells"), pl.col("evidence").last(), pl.col("opened").min(), pl.col("need").min(),
        pl.col("problem").unique().sort().alias("problems"), pl.col("low").last(), pl.col("high").last(),
        pl.col("value").is_not_null().any().alias("stood_in"),
    )  # fmt: skip
    rows = group_by_place(grouped.sort("place_code", "need", "holder", "measure", "reason"))
    return {code: [_gap_row(row, catalogue) for row in place_rows] for code, place_rows in rows.items()}


def group_by_owner(rows: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Put what is missing under who could supply it; who holds what is needed comes before who holds what is wanted."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        parts.setdefault(row["holder"], []).append(row)
    return list(parts.items())


def _gap_row(row: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    reason, measure = REASONS[row["reason"]], catalogue.measures[row["measure"]]
    is_bounded = row["low"] is not None and row["high"] is not None and row["cells"] == 1 and not row["stood_in"]
    return {
        **row,
        "title": measure.title,
        "why": reason.title,
        "holder": row["holder"] or reason.holder,
        "remedy": row["remedy"] or reason.remedy,
        "bounds": f"between {format_figure(row['low'], measure)} and {format_figure(row['high'], measure)}"
        if is_bounded
        else "",
        "since": format_period(row["opened"], row["opened"]) if row["opened"] else "",
        "periods": f"{row['cells']:,}",
    }
