"""The commands `status` and `refresh --check`: how current each source is, and whether its road works."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.app.steps import prepare_store
from pipelines.core.clock import current_time
from pipelines.core.store import Snapshot, hash_bytes, lock_store, read_log, read_table, state_path
from pipelines.declarations.base import CADENCE_DAYS, add_age
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.fetch import RoadCheck, check_road, is_scheduled, log_check
from pipelines.observations import find_newest_period

STATUS_COLUMNS = {
    "source": pl.String,
    "newest_period_end": pl.Date,
    "age_days": pl.Int64,
    "next_due": pl.Date,
    "overdue_days": pl.Int64,
    "last_tried": pl.String,
    "last_outcome": pl.String,
    "evidence": pl.String,
    "scheduled": pl.Boolean,
}
"""Columns of the command `status`: days are null where no build has read a figure, or no further one is expected."""
CHECK_COLUMNS = {
    "source": pl.String,
    "result": pl.String,
    "newest_there": pl.String,
    "newest_here": pl.Date,
    "detail": pl.String,
}
"""Columns of the command `refresh --check`."""


class Attempt(NamedTuple):
    """The last attempt to fetch a source: its time and its outcome."""

    at: str
    outcome: str


def report_status(project: Project, names: Sequence[str]) -> pl.DataFrame:
    """Return how current each source is (STATUS_COLUMNS); without names, of all sources with figures or a road."""
    catalogue = project.catalogue
    chosen = {name: catalogue.find_source(name) for name in names} or _sources_to_report(catalogue)
    attempts = last_attempts(read_log(project.home))
    rows = [_status_row(project, name, source, attempts.get(name)) for name, source in chosen.items()]
    return pl.DataFrame(rows, schema=STATUS_COLUMNS, orient="row")


def _sources_to_report(catalogue: Catalogue) -> dict[str, Source]:
    return {
        name: source
        for name, source in catalogue.open_sources().items()
        if source.is_refreshable or source.provides == "observation"
    }


def _status_row(project: Project, name: str, source: Source, attempt: Attempt | None) -> list[object]:
    newest = newest_stored_period(project.home, name)
    due = next_due(source, newest)
    late = (project.as_of - due).days if due else None
    return [
        name,
        newest,
        (project.as_of - newest).days if newest else None,
        due,
        late if late and late > 0 else None,
        attempt.at if attempt else None,
        attempt.outcome if attempt else None,
        source.road.evidence if source.road else None,
        is_scheduled(project.home, name, source),
    ]


def newest_stored_period(home: Path, name: str) -> date | None:
    """Return the last day of the newest period with a figure, from a source's table of slices (SLICE_COLUMNS)."""
    path = state_path(home, "slice", name)
    if not path.is_file():
        return None
    newest: date | None = read_table(path).filter(pl.col("known") > 0).select(pl.col("period_end").max()).item()
    return newest


def next_due(source: Source, newest: date | None) -> date | None:
    """Return the day by which the figures of the next period are expected: one step of the cadence, and the lag."""
    step = CADENCE_DAYS.get(source.cadence)
    if newest is None or step is None:
        return None
    after = _next_period_end(newest, source)
    return add_age(after, source.lag) if source.lag else after


def _next_period_end(newest: date, source: Source) -> date:
    ages = {"monthly": "1 month", "quarterly": "3 months", "annual": "1 year"}
    age = ages.get(source.cadence)
    return add_age(newest, age) if age else newest + timedelta(days=CADENCE_DAYS[source.cadence])


def last_attempts(log: Sequence[Snapshot]) -> dict[str, Attempt]:
    """Return the last fetch of each source in the log of a store; bundled and added files are none."""
    tried = [entry for entry in log if entry.origin.startswith("http") or entry.error]
    return {entry.source: Attempt(entry.fetched_at, _describe_outcome(entry)) for entry in tried}


def _describe_outcome(entry: Snapshot) -> str:
    if entry.error:
        return f"failed: {entry.error}"
    return "unchanged" if entry.change == "same" else f"new release of {entry.released}"


def check_roads(project: Project, names: Sequence[str]) -> pl.DataFrame:
    """Check the roads of sources with one request each and log the results (CHECK_COLUMNS).

    Without names, the roads of all sources that have one are checked. No file is stored.
    """
    catalogue = project.catalogue
    chosen = {name: catalogue.find_source(name) for name in names} or catalogue.refreshable_sources()
    now = current_time().isoformat(timespec="seconds")
    rows = []
    with lock_store(project.home):
        prepare_store(project)  # the register of places, by which the codes in a file are checked
    for name, source in chosen.items():
        check = check_road(name, source)
        check = _read_whole_file(project, check) if check.content and source.provides == "observation" else check
        log_check(project.home, name, source, now, check.result, check.detail)
        rows.append([name, check.result, check.newest, newest_stored_period(project.home, name), check.detail])
    return pl.DataFrame(rows, schema=CHECK_COLUMNS, orient="row")


def _read_whole_file(project: Project, check: RoadCheck) -> RoadCheck:
    """Read a file as a release would be read; a file without a usable figure is a failure."""
    snapshot = Snapshot(check.source, hash_bytes(check.content), project.as_of, "", "", "", "file", 0, "")
    newest, fault = find_newest_period(project, check.content, snapshot)
    if fault:
        return check._replace(result="fails", detail=f"{check.source}: {fault}")
    return check._replace(newest=newest.isoformat() if newest else "")
