"""The commands `status` and `refresh --check`: how current each source is, and whether its road works."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from pipelines.app.steps import prepare_store
from pipelines.core.attempts import Attempt, last_attempts
from pipelines.core.clock import current_time
from pipelines.core.snapshots import Snapshot, read_log
from pipelines.core.store import hash_bytes, lock_store
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.fetch import RoadCheck, check_road, is_scheduled, log_check
from pipelines.observations import find_newest_period, newest_stored_period
from pipelines.outputs import next_release_days

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


def report_status(project: Project, names: Sequence[str]) -> pl.DataFrame:
    """Return how current each source is (STATUS_COLUMNS); without names, of all sources with figures or a road."""
    catalogue = project.catalogue
    chosen = {name: catalogue.find_source(name) for name in names} or _sources_to_report(catalogue)
    attempts, days = last_attempts(read_log(project.home)), next_release_days(project)
    rows = [_status_row(project, name, source, days[name], attempts.get(name)) for name, source in chosen.items()]
    return pl.DataFrame(rows, schema=STATUS_COLUMNS, orient="row")


def _sources_to_report(catalogue: Catalogue) -> dict[str, Source]:
    return {
        name: source
        for name, source in catalogue.open_sources().items()
        if source.is_refreshable or source.provides == "observation"
    }


def _status_row(
    project: Project, name: str, source: Source, days: tuple[date | None, date | None], attempt: Attempt | None
) -> list[object]:
    newest, due = days
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
