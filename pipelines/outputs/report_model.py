"""What a report is made from: tables and declarations, gathered by the build, read by the writers."""

from datetime import date
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.schema import empty
from pipelines.declarations.measure import Measure
from pipelines.declarations.problem import Header
from pipelines.declarations.source import Source
from pipelines.observations import REPORTING
from pipelines.outputs.report_changes import UNBROKEN, UNFOLLOWED, Breaks, Followed


class Report(NamedTuple):
    """Everything a gap report says of one problem, before it is laid out.

    `cells` has the columns of schema.CELL. `view` is the problem's own answer, one row a place (and period).
    `places` has the columns of schema.PLACE, only the problem's places. `people` has place_code and people.
    `findings` has the columns of schema.FINDING. `releases` has source, release, released_at, label, file, usable,
    size, in_use. `boundaries` is a GeoJSON FeatureCollection whose features have the property `code`, or
    None where no boundaries are held. `measures` and `sources` are those the problem asks for. `followed` holds the
    verdicts and what has changed since the last build, `breaks` where data break and what totals leave, `returned`
    how far each period's returns are complete (returns.REPORTING).
    """

    problem: str
    header: Header
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
    followed: Followed = UNFOLLOWED
    breaks: Breaks = UNBROKEN
    returned: pl.DataFrame = empty(REPORTING)
