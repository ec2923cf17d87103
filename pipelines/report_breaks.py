"""Where data break at a border, and why totals are not the sum of their places: chosen for a problem's report."""

from typing import Any, NamedTuple

import polars as pl

from pipelines.cliffs import BOUNDARY_CLIFF
from pipelines.reconciliation import PARTS, RECONCILIATION
from pipelines.report_lines import border_lines, lines_table
from pipelines.report_waterfall import waterfall, waterfall_table
from pipelines.schema import empty

LINES_SHOWN, TOTALS_SHOWN, DRAWN = 60, 20, 4
"""Rows and pictures in a report; the analyst's file has all."""


class Breaks(NamedTuple):
    """Rows of cliffs.BOUNDARY_CLIFF of one problem, and of reconciliation.RECONCILIATION of its measures."""

    lines: pl.DataFrame
    totals: pl.DataFrame


UNBROKEN = Breaks(empty(BOUNDARY_CLIFF), empty(RECONCILIATION))
"""Of a problem of which nothing was compared."""


def laid_out(breaks: Breaks, boundaries: dict[str, Any] | None, codes: set[str]) -> dict[str, Any]:
    """Lay out the borders at which data break, as a map and a table; and the totals taken apart, likewise.

    All of it is markup whose text has been escaped where it was made.
    """
    last = breaks.lines.filter(pl.col("period_end") == pl.col("period_end").max())
    lines, totals = last.to_dicts(), newest_totals(breaks.totals).to_dicts()
    return {
        "map": border_lines(boundaries, lines, codes) if lines else "",
        "table": lines_table(lines[:LINES_SHOWN]) if lines else "", "lines": len(lines),
        "pictures": [waterfall(row) for row in totals[:DRAWN]],
        "totals_table": waterfall_table(totals[:TOTALS_SHOWN]) if totals else "", "totals": len(totals),
    }  # fmt: skip


def newest_totals(totals: pl.DataFrame) -> pl.DataFrame:
    """Give the totals of each measure's newest period and release that its places do not add to, the largest first."""
    apart = pl.sum_horizontal(pl.col(part).abs() for part in PARTS)
    newest = (pl.col("period_end") == pl.col("period_end").max()).over("measure")
    release = (pl.col("released_at") == pl.col("released_at").max()).over("measure", "period_end")
    found = totals.filter(newest & release).filter(apart > 0)
    return found.sort(apart, "measure", "place_code", descending=[True, False, False])
