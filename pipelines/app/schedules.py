"""Schedules: a refresh of each source at its publisher's cadence, and a build every morning."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as Job

from pipelines.declarations.base import Cadence
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.source import Source
from pipelines.fetch import is_scheduled

TIME_ZONE = "Europe/London"
# Most official statistics are published at 9:30. A monthly release may appear on any day of the month.
_CRON: dict[Cadence, str] = {
    "daily": "45 9 * * *",
    "weekly": "45 9 * * 1-5",
    "monthly": "45 9 * * 2,4",
    "quarterly": "45 9 * * 4",
    "annual": "45 9 * * 4",
    "once": "45 9 1 * *",
}
_FRESHNESS_WINDOW: dict[Cadence, timedelta] = {
    "daily": timedelta(days=2),
    "weekly": timedelta(days=4),
    "monthly": timedelta(days=8),
    "quarterly": timedelta(days=15),
    "annual": timedelta(days=15),
    "once": timedelta(days=62),
}


def freshness_policy(source: Source) -> dg.FreshnessPolicy:
    """Return the Dagster freshness policy of a source: the maximum time since its last refresh."""
    return dg.FreshnessPolicy.time_window(fail_window=_FRESHNESS_WINDOW[source.cadence])


def define_jobs(catalogue: Catalogue) -> "list[Job]":
    """Define the jobs: refresh all sources with an address, refresh one source, and build everything."""
    snapshots = dg.AssetSelection.key_prefixes(["snapshot"])
    selections = {name: dg.AssetSelection.assets(["snapshot", name]) for name in catalogue.refreshable_sources()}
    every = dg.AssetSelection.assets(*(["snapshot", name] for name in selections))
    refresh_jobs = (
        [dg.define_asset_job("refresh", every, description="Fetch new releases of all sources.")] if selections else []
    )
    return [
        *refresh_jobs,
        dg.define_asset_job("build", dg.AssetSelection.all() - snapshots, description="Build from stored data."),
        *(dg.define_asset_job(f"refresh_{name}", selection) for name, selection in selections.items()),
    ]


def define_schedules(catalogue: Catalogue, home: Path) -> list[dg.ScheduleDefinition]:
    """Define the schedules in London time: one for each source with a proven road, and a daily build after them.

    An inferred road is scheduled once `refresh --check` has succeeded in the store.
    """
    running = dg.DefaultScheduleStatus.RUNNING
    refresh_schedules = [
        dg.ScheduleDefinition(
            name=f"refresh_{name}_{source.cadence}",
            job_name=f"refresh_{name}",
            cron_schedule=_CRON[source.cadence],
            execution_timezone=TIME_ZONE,
            default_status=running,
        )
        for name, source in catalogue.refreshable_sources().items()
        if is_scheduled(home, name, source)
    ]
    build = dg.ScheduleDefinition(
        name="build_every_morning",
        job_name="build",
        cron_schedule="30 10 * * *",
        execution_timezone=TIME_ZONE,
        default_status=running,
    )
    return [*refresh_schedules, build]
