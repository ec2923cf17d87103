"""The table of sources: as declared, with the newest period stored, the next release due and the last attempt.

The table states days. Ages follow from the day of the query, so the view `source_status` computes them.
"""

from datetime import date

import polars as pl

from pipelines.core.attempts import last_attempts
from pipelines.core.snapshots import read_log
from pipelines.declarations.project import Project
from pipelines.observations import newest_stored_period
from pipelines.outputs.declared_tables import declared_sources

STATUS_MEANING = {
    "newest_period_end": "Last day of the newest period with a figure in the store",
    "next_due": "Day on which the figures of the next period are due, by the calendar or the cadence and lag",
    "last_tried": "Time of the last attempt to fetch the source, before this file was written",
    "last_outcome": "Outcome of that attempt: a new release, unchanged, or the fault",
}
"""Columns of the table `sources` that follow from the store."""
AGE_MEANING = {
    "age_days": "Days from the end of the newest period to the day of the query",
    "overdue_days": "Days from the day on which the next period was due to the day of the query; null if not overdue",
}
"""Further columns of the view `source_status`."""
SOURCE_STATUS_VIEW = """create view source_status as
select source, newest_period_end, (current_date - newest_period_end)::bigint as age_days, next_due,
  case when next_due < current_date then (current_date - next_due)::bigint end as overdue_days, last_tried, last_outcome
from sources where newest_period_end is not null or last_tried is not null"""


def sources_table(project: Project) -> pl.DataFrame:
    """Return the table of sources, one row for each source: as declared, with STATUS_MEANING."""
    declared, days = declared_sources(project.catalogue), next_release_days(project)
    attempts = last_attempts(read_log(project.home))
    shown = {name: attempts.get(name) for name, source in project.catalogue.sources.items() if source.is_public}
    names = declared["source"].to_list()
    return declared.with_columns(
        pl.Series("newest_period_end", [days[name][0] for name in names], pl.Date),
        pl.Series("next_due", [days[name][1] for name in names], pl.Date),
        pl.Series("last_tried", [tried.at if (tried := shown.get(name)) else None for name in names], pl.String),
        pl.Series("last_outcome", [tried.outcome if (tried := shown.get(name)) else None for name in names], pl.String),
    )


def next_release_days(project: Project) -> dict[str, tuple[date | None, date | None]]:
    """Return for each source the last day of its newest stored period, and the day on which the next is due."""
    newest = {name: newest_stored_period(project.home, name) for name in project.catalogue.sources}
    return {name: (newest[name], source.next_release_day(newest[name]))
            for name, source in project.catalogue.sources.items()}  # fmt: skip
