"""What a report is made from: tables and declarations, gathered by the build, read by the writers."""

from datetime import date
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.schema import empty_table
from pipelines.declarations.measure import Measure
from pipelines.declarations.problem import ProblemHeader
from pipelines.declarations.source import Source
from pipelines.observations import COMPLETENESS
from pipelines.outputs.report_changes import NO_BREAKS, NO_HISTORY, Breaks, BuildHistory


class Report(NamedTuple):
    """Everything a gap report says of one problem, before it is laid out.

    `cells` has the columns of schema.CELL_COLUMNS. `view` is the problem's own answer, one row a place (and period).
    `places` has the columns of schema.PLACE_COLUMNS, only the problem's places. `people` has place_code and people.
    `findings` has the columns of schema.FINDING_COLUMNS. `releases` has source, release, released_at, label, file,
    usable, size, in_use. `boundaries` is a GeoJSON FeatureCollection whose features have the property `code`, or None
    where no boundaries are held. `measures` and `sources` are those the problem asks for. `followed` holds the
    verdicts and what has changed since the last build, `breaks` where data break and what totals leave, `returned`
    how far each period's returns are complete (returns.COMPLETENESS).
    """

    problem: str
    header: ProblemHeader
    select: str
    as_of: date
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
