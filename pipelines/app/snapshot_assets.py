"""Assets of the snapshots of sources: fetched by Dagster, or external where a person adds the files.

A snapshot asset is materialised by a new release only. A fetch that finds nothing new is recorded as an observation, so
what rests on the source is built once for each release.
"""

import re
from collections.abc import Iterator
from typing import Any

import dagster as dg

from pipelines.app.project_resource import ProjectParam
from pipelines.app.steps import prepare_store
from pipelines.core.clock import current_time
from pipelines.core.store import lock_store
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.source import Source
from pipelines.fetch import Outcome, refresh_source
from pipelines.observations import copied_file_inspector

RETRIES = dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL)
"""Retries of a fetch after 10 and 30 seconds, for faults that may pass.

A run waits for them, and Dagster takes one run at a time: longer waits would hold all other sources back.
"""


def snapshot_key(name: str) -> dg.AssetKey:
    """Return the asset key of a source's snapshots."""
    return dg.AssetKey(["snapshot", name])


def owner_team(role: str) -> str:
    """Convert a role to a Dagster team name for the owner of an asset."""
    return "team:" + re.sub(r"[^a-z0-9]+", "-", role.casefold()).strip("-")[:60]


def source_metadata(source: Source) -> dict[str, Any]:
    """Return the metadata of an asset of a source."""
    return {"page": dg.MetadataValue.url(source.page), "licence": source.licence, "cadence": source.cadence}


def describe_source(source: Source) -> str:
    """Describe a source in its title and publisher."""
    return f"{source.title}. {source.publisher}."


def snapshot_asset(catalogue: Catalogue, name: str, source: Source) -> dg.AssetsDefinition:
    """Build the asset of a source with an address."""
    road = source.road.evidence if source.road else None

    @dg.asset(
        key=snapshot_key(name),
        group_name="snapshots",
        kinds={source.format},
        description=describe_source(source),
        owners=[owner_team(source.publisher)],
        metadata={**source_metadata(source), "evidence of the address": road or "declared here"},
        retry_policy=RETRIES,
        output_required=False,
    )
    def fetched_snapshot(context: dg.AssetExecutionContext, place: ProjectParam) -> Iterator[dg.MaterializeResult[Any]]:
        project = place.open_project(catalogue)
        with lock_store(project.home):
            prepare_store(project)  # bundled releases are among those with which a file is compared
            now = current_time()
            outcome = refresh_source(
                project.home,
                name,
                source,
                today=now.date(),
                now=now.isoformat(timespec="seconds"),
                inspect=copied_file_inspector(project, name),
            )
        if not outcome.is_success:
            if outcome.snapshot:  # other files of the same list were stored
                context.log_event(dg.AssetMaterialization(snapshot_key(name), metadata=_outcome_metadata(outcome)))
            raise dg.Failure(outcome.detail, {"outcome": outcome.result}, allow_retries=outcome.is_temporary)
        if outcome.result == "unchanged":
            context.log_event(
                dg.AssetObservation(snapshot_key(name), outcome.detail, metadata=_outcome_metadata(outcome))
            )
            return
        version = dg.DataVersion(outcome.snapshot.sha256) if outcome.snapshot else None
        yield dg.MaterializeResult(metadata=_outcome_metadata(outcome), data_version=version)

    return fetched_snapshot


def _outcome_metadata(outcome: Outcome) -> dict[str, str]:
    stored = outcome.snapshot
    release = {"sha256": stored.sha256, "released": str(stored.released)} if stored else {}
    return {"outcome": outcome.result, "detail": outcome.detail, **release}


def manual_snapshot_spec(name: str, source: Source) -> dg.AssetSpec:
    """Build the external asset of a source without an address: a person adds its files."""
    unknown = {"unknown about an address": source.road.unknown} if source.road and source.road.unknown else {}
    return dg.AssetSpec(
        snapshot_key(name),
        group_name="snapshots",
        kinds={source.format},
        description=f"{describe_source(source)} No address: add a file with `commonground add {name}`.",
        owners=[owner_team(source.publisher)],
        metadata={**source_metadata(source), **unknown},
    )
