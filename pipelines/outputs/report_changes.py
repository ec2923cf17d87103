"""Report sections on changes since the last build and on discontinuities."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.periods import format_period
from pipelines.core.reasons import REASONS
from pipelines.core.schema import empty_table
from pipelines.declarations.measure import Measure
from pipelines.gaps import (
    BOUNDARY_DISCONTINUITY,
    CLOSING_REASONS,
    GAP_LEDGER,
    VERDICT,
    VERDICT_WORDS,
    Ledger,
    describe_last_build,
    empty_ledger,
    summarise_by_place,
    summarise_changes,
)
from pipelines.observations import DIFFERENCE_PARTS, RECONCILIATION, REVISION_SUMMARY
from pipelines.outputs.charts import draw_trend, draw_waterfall, render_waterfall_table
from pipelines.outputs.map import MapDrawing, draw_borders, render_borders_table


class BuildHistory(NamedTuple):
    """History of a problem over its builds.

    `verdicts` has the columns of verdicts.VERDICT, and `gaps` has those of ledger.GAP_LEDGER. `revisions` has the
    columns of revisions.REVISION_SUMMARY, for the latest two releases of each source. `letters` has one draft for each
    data owner.
    """

    verdicts: pl.DataFrame
    ledger: Ledger
    gaps: pl.DataFrame
    revisions: pl.DataFrame
    letters: dict[str, str]


NO_HISTORY = BuildHistory(
    empty_table(VERDICT), empty_ledger(), empty_table(GAP_LEDGER), empty_table(REVISION_SUMMARY), {}
)
"""History of a problem without an earlier build."""
_CHANGE_TITLES = {"closed": "Closed", "opened": "New", "reopened": "Reopened", "changed": "Reason changed"}
MAX_ROWS = 40
"""Maximum number of rows of a table in the report. The analyst's file has all rows."""


def count_verdicts(verdicts: pl.DataFrame) -> list[dict[str, Any]]:
    """Count places and people by verdict. People are null if the population of no place is known."""
    places = summarise_by_place(verdicts)
    rows = []
    for verdict, title in VERDICT_WORDS.items():
        mine = places.filter(pl.col("verdict") == verdict)
        known = mine["residents"].drop_nulls()
        people = known.sum() if len(known) else None
        rows.append({"verdict": verdict, "said": title, "places": mine.height, "people": people,
                     "people_known": len(known)})  # fmt: skip
    return rows


def count_causes(verdicts: pl.DataFrame, measures: dict[str, Measure]) -> list[dict[str, Any]]:
    """Count the reasons for verdicts: verdict, measure, reason, places and periods, in descending order of places."""
    if verdicts["blocking_reasons"].null_count() == verdicts.height:
        return []
    causes = (
        verdicts.drop_nulls("blocking_reasons")
        .with_columns(pl.col("blocking_reasons").str.split("; "))
        .explode("blocking_reasons")
    )
    counted = causes.group_by("verdict", "blocking_reasons").agg(
        pl.col("place_code").n_unique().alias("places"), pl.len().alias("answers"),
        pl.col("place_name").unique().sort().alias("names"),
    )  # fmt: skip
    by = ("places", "answers", "blocking_reasons", "verdict")
    rows = counted.sort(by, descending=[True, True, False, False]).head(MAX_ROWS)
    return [
        {**row, "said": VERDICT_WORDS[row["verdict"]], **_cause_titles(row["blocking_reasons"], measures)}
        for row in rows.to_dicts()
    ]


def describe_causes(blocking_reasons: str, measures: dict[str, Measure]) -> str:
    """Return the reasons of a verdict with the titles of measures and reasons in place of their names."""
    causes = [_cause_titles(cause, measures) for cause in blocking_reasons.split("; ")]
    return "; ".join(f"{cause['title']}: {cause['why'][0].lower()}{cause['why'][1:]}" for cause in causes)


def _cause_titles(because: str, measures: dict[str, Measure]) -> dict[str, str]:
    measure, _, codes = because.partition(": ")
    titles = [REASONS[code].title if code in REASONS else code for code in codes.split(" and ")]
    return {"title": measures[measure].title if measure in measures else measure, "why": "; ".join(titles)}


def describe_changes(history: BuildHistory, measures: dict[str, Measure]) -> dict[str, Any]:
    """Return the changes of the last build: a summary line, a row for each change, and the completeness trend."""
    rows = (
        [
            {
                **row,
                "said": _CHANGE_TITLES[row["what"]],
                "title": measures[row["measure"]].title if row["measure"] in measures else row["measure"],
                "why": _change_reason(row),
            }
            for row in summarise_changes(history.ledger).head(MAX_ROWS).to_dicts()
        ]
        if history.ledger.builds.height > 1
        else []
    )
    return {"line": write_days(describe_last_build(history.ledger)), "rows": rows, "trend": draw_trend(history.ledger)}


def write_days(text: str) -> str:
    """Write the days of a text in words: 2026-10-25 as 25 October 2026."""

    def write_day(match: re.Match[str]) -> str:
        day = date.fromisoformat(match[0])
        return format_period(day, day)

    return re.sub(r"\d{4}-\d{2}-\d{2}", write_day, text)


def _change_reason(row: dict[str, Any]) -> str:
    if row["what"] == "closed":
        return CLOSING_REASONS[row["closure_reason"]]
    now = REASONS[row["reason"]].title
    return f"Before: {REASONS[row['previous_reason']].title}. Now: {now}" if row["what"] == "changed" else now


def acceptance_rows(gaps: pl.DataFrame, measures: dict[str, Measure]) -> list[dict[str, Any]]:
    """Return the accepted open gaps: who accepted them, justification, end date and number of cells."""
    if gaps.is_empty():
        return []
    acceptances = gaps.filter(pl.col("state") == "accepted", pl.col("measure").is_in(list(measures)))
    key = ["measure", "reason", "accepted_until", "accepted_by", "acceptance_reason"]
    counted = acceptances.group_by(key).agg(pl.len().alias("cells"), pl.col("place_code").n_unique().alias("places"))
    return [
        {**row, "title": measures[row["measure"]].title, "why": REASONS[row["reason"]].title,
         "until": format_period(row["accepted_until"], row["accepted_until"])}
        for row in counted.sort(key).to_dicts()
    ]  # fmt: skip


def oldest_opening_day(gaps: pl.DataFrame) -> date | None:
    """Return the day on which the oldest open gap was opened, or None if no gap is open."""
    return gaps.filter(pl.col("state") != "closed")["opened"].min()  # type: ignore[return-value]


LINES_SHOWN, TOTALS_SHOWN, DRAWN = 60, 20, 4
"""Maximum numbers of rows and charts in a report. The analyst's file has all rows."""


class Breaks(NamedTuple):
    """Rows of cliffs.BOUNDARY_CLIFF of one problem, and of reconciliation.RECONCILIATION of its measures."""

    lines: pl.DataFrame
    totals: pl.DataFrame


NO_BREAKS = Breaks(empty_table(BOUNDARY_DISCONTINUITY), empty_table(RECONCILIATION))
"""Value for a problem without comparisons."""


def lay_out_breaks(
    breaks: Breaks, boundaries: dict[str, Any] | None, drawn: MapDrawing | None, titles: dict[str, str],
    words: Callable[[str], str] = str,
) -> dict[str, Any]:  # fmt: skip
    """Return the map and table of boundary discontinuities, and the charts and table of reconciled totals.

    `words` replaces identifiers in evidence.

    The values are markup, and their text is already escaped.
    """
    last = breaks.lines.filter(pl.col("period_end") == pl.col("period_end").max())
    lines, totals = last.to_dicts(), newest_totals(breaks.totals).to_dicts()
    return {
        "map": draw_borders(boundaries, lines, drawn) if lines else "",
        "table": render_borders_table(lines[:LINES_SHOWN], titles, words) if lines else "", "lines": len(lines),
        "pictures": [draw_waterfall(row) for row in totals[:DRAWN]],
        "totals_table": render_waterfall_table(totals[:TOTALS_SHOWN]) if totals else "", "totals": len(totals),
    }  # fmt: skip


def newest_totals(totals: pl.DataFrame) -> pl.DataFrame:
    """Return the totals that differ from the sum of their places, for the latest period and release of each measure.

    Rows are in descending order of the total absolute difference.
    """
    if totals.is_empty():
        return totals
    apart = pl.sum_horizontal(pl.col(part).abs() for part in DIFFERENCE_PARTS)
    newest = (pl.col("period_end") == pl.col("period_end").max()).over("measure")
    release = (pl.col("released_at") == pl.col("released_at").max()).over("measure", "period_end")
    unequal = totals.filter(newest & release).filter(apart > 0)
    return unequal.sort(apart, "measure", "place_code", descending=[True, False, False])
