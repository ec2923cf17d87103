"""Input of a report: tables and declarations."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.ordering import filter_frame
from pipelines.core.schema import CELL_COLUMNS, PLACE_COLUMNS, empty_table
from pipelines.core.table_cache import keep_results
from pipelines.declarations.measure import Measure
from pipelines.declarations.problem import ProblemHeader
from pipelines.declarations.problem_sql import ParsedSelect
from pipelines.declarations.source import Source
from pipelines.gaps import HISTORY, VERDICT, is_needed, is_open, open_reason
from pipelines.observations import COMPLETENESS
from pipelines.outputs.report_changes import NO_BREAKS, NO_HISTORY, Breaks, BuildHistory

MAX_TABLE_CELLS = 200_000
"""Maximum number of cells of a problem with a CSV file and a spreadsheet; a larger one has Parquet files alone."""
MAX_LISTED_PLACES = 2_000
"""Maximum number of places of a problem with place pages and a report by place; one with more has neither."""
DOUBTS = frozenset(
    {"implausible", "flagged", "conflict", "repeated_value", "inconsistent_rate", "low_reliability", "not_comparable",
     "duplicate", "recalled", "unit_change", "suspected_zero", "near_zero_leak", "partial_return", "low_reach",
     "incomplete_aggregate", "correction_expired", "denominator_mismatch"}
)  # fmt: skip
"""Caveats of figures that are more than usually uncertain: none is ranked first, or compared with other places."""
LARGER_PLACE = pl.Schema(dict.fromkeys(("place_code", "larger_code", "larger_name"), pl.String))
"""A place of a problem with too many places to list, and the larger place that its report shows instead."""


def has_doubt() -> pl.Expr:
    """Return whether the caveats of a figure (column caveats, separated by commas) have one of DOUBTS."""
    doubts = pl.col("caveats").str.split(",").list.set_intersection(sorted(DOUBTS))
    return (doubts.list.len() > 0).fill_null(False)


class PartnershipTables(NamedTuple):
    """The partnerships of a problem (schema.PLACE_COLUMNS), with their cells, view and verdicts."""

    places: pl.DataFrame
    cells: pl.DataFrame
    view: pl.DataFrame
    verdicts: pl.DataFrame


NO_PARTNERSHIPS = PartnershipTables(
    empty_table(PLACE_COLUMNS), empty_table(CELL_COLUMNS), pl.DataFrame(), empty_table(VERDICT)
)


class Report(NamedTuple):
    """Content of the gap report of one problem.

    `cells` has the columns of schema.CELL_COLUMNS. `view` is the view of the problem, with one row for each place (and
    period). `places` has the columns of schema.PLACE_COLUMNS, for the places of the problem. `people` has place_code
    and people. `findings` has the columns of schema.FINDING_COLUMNS. `releases` has source, release, released_at,
    label, file, usable, size, in_use. `boundaries` is a GeoJSON FeatureCollection with the property `code` on each
    feature, or None if no boundaries are available. `measures` and `sources` are those that the problem needs or wants.
    `history` has the verdicts and the changes since the last build. `breaks` has discontinuities and reconciled totals.
    `completeness` has the completeness of provider returns by period (returns.COMPLETENESS). `larger` has the larger
    place of each place (LARGER_PLACE), and is empty for at most MAX_LISTED_PLACES places. `over_time` has the figures
    of all stored periods (history.HISTORY). `partnerships` are in no other table but `over_time`. `names` has the
    names of all places of the geography, by code. `cells_file` has the cells of a large problem: `cells` then lacks the
    columns that only files show.
    """

    problem: str
    header: ProblemHeader
    select: ParsedSelect
    version: str
    cells: pl.DataFrame
    view: pl.DataFrame
    places: pl.DataFrame
    people: pl.DataFrame
    people_title: str
    findings: pl.DataFrame
    releases: pl.DataFrame
    measures: dict[str, Measure]
    measure_sources: dict[str, str]
    sources: dict[str, Source]
    boundaries: dict[str, Any] | None
    history: BuildHistory = NO_HISTORY
    breaks: Breaks = NO_BREAKS
    completeness: pl.DataFrame = empty_table(COMPLETENESS)
    larger: pl.DataFrame = LARGER_PLACE.to_frame()
    over_time: pl.DataFrame = empty_table(HISTORY)
    partnerships: PartnershipTables = NO_PARTNERSHIPS
    names: Mapping[str, str] = MappingProxyType({})
    cells_file: Path | None = None

    @property
    def of_partnerships(self) -> "Report":
        """The same report with the partnerships as its places."""
        own = self.partnerships
        history = self.history._replace(verdicts=own.verdicts)
        return self._replace(places=own.places, cells=own.cells, view=own.view, history=history, cells_file=None)

    def history_of(self, measure: str) -> pl.DataFrame:
        """Figures of a measure over time (HISTORY); for a decision of the past, no later period."""
        own = self.over_time.filter(pl.col("measure") == measure)
        day = self.header.decision_date
        return own.filter(pl.col("period_end") <= day) if day else own

    @property
    def asked_cells(self) -> pl.DataFrame:
        """Cells within the scope of their need, and those of unknowns: all that pages and counts show."""
        return _select_asked(self.cells)

    @property
    def open_cells(self) -> pl.DataFrame:
        """Cells with an open need (OPEN_COLUMNS), with the reason of their gap, also where a proxy is shown."""
        return _select_open(self.cells)

    @property
    def is_large(self) -> bool:
        """Whether the problem has more cells than a CSV file and a spreadsheet are written for."""
        return self.cells_file is not None or self.cells.height > MAX_TABLE_CELLS

    @property
    def is_by_larger_place(self) -> bool:
        """Whether the report shows larger places, because the problem has too many places to list."""
        return self.larger.height > 0


@keep_results(2)
def _select_asked(cells: pl.DataFrame) -> pl.DataFrame:
    return filter_frame(cells, is_needed())


OPEN_COLUMNS = ("measure", "need", "place_code", "place_name", "period_start", "reason", "data_owner", "remedy",
                "evidence")  # fmt: skip
"""Columns of cells that gaps are counted and listed by: a copy of all would stay in memory with the report."""


@keep_results(2)
def _select_open(cells: pl.DataFrame) -> pl.DataFrame:
    named = cells.select(*OPEN_COLUMNS, "other_reasons", "proxy_measure").filter(is_open())
    return named.with_columns(open_reason().alias("reason")).select(OPEN_COLUMNS)
