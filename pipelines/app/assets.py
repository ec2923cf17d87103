"""Dagster assets generated from the declarations.

Each source has a snapshot and an observation asset, and each problem has an answer and a report asset. The analyst's
file and the pages are assets too. The module `steps` prepares the store.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import polars as pl

from checks import POLARS, Runner, RunnerName, load_runner
from pipelines.app import asset_checks
from pipelines.app.earlier_store import log_renewal, renew_store
from pipelines.app.schedules import freshness_policy
from pipelines.app.steps import prepare_store
from pipelines.app.withdrawal import withdraw_outputs
from pipelines.apportionment import problem_residents
from pipelines.core.clock import current_time
from pipelines.core.errors import CommongroundError
from pipelines.core.store import lock_store, read_table, state_path
from pipelines.declarations.catalogue import Catalogue, Problem, load_catalogue
from pipelines.declarations.project import Project, build_date
from pipelines.declarations.source import Source
from pipelines.fetch import import_bundled_releases, refresh_source
from pipelines.gaps import answer_problem, instant_measures, stack_returns, update_ledger
from pipelines.geography import load_places
from pipelines.observations import (
    judge_stored_releases,
    load_source_tables,
    reconcile_source,
    scan_observations,
    summarise_completeness,
)
from pipelines.outputs import publish_pages, publish_warehouse, report_problem

PLACES_KEY = dg.AssetKey(["place", "register"])
WAREHOUSE_KEY = dg.AssetKey(["out", "commonground"])
PAGES_KEY = dg.AssetKey(["out", "pages"])
AssetResult = Iterator[dg.MaterializeResult[Any]]


class ProjectResource(NamedTuple):
    """Dagster resource: the store path, the as-of day of a build (default: today), and the runner of contracts.

    `prepared` is the project of a run with a prepared store, so that no step prepares it again.
    """

    home: Path
    as_of: date | None = None
    runner: RunnerName = "polars"
    prepared: Project | None = None

    def open_project(self, catalogue: Catalogue) -> Project:
        """Return the project of a step: the declarations of the assets, the store and the day.

        A store of an earlier version is upgraded first, and outputs that are no longer public are withdrawn.
        """
        if self.prepared:
            return self.prepared
        log_renewal(renew_store(self.home))
        withdraw_outputs(catalogue, self.home)
        return Project(catalogue, self.home, self.as_of or build_date())


ProjectParam = dg.ResourceParam[ProjectResource]
"""Type of the resource parameter of an asset."""


class _NoStorage(dg.IOManager):
    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Store nothing: an asset returns only metadata to Dagster."""

    def load_input(self, context: dg.InputContext) -> None:
        """Load nothing: each asset reads its own files."""


def dagster_resources(place: ProjectResource) -> dict[str, dg.ResourceDefinition]:
    """Return the Dagster resources. They have no configuration, so that a run config cannot set a path.

    Assets write their own files. The IO manager therefore stores nothing.
    """

    @dg.resource(config_schema={}, description="Store directory. Set COMMONGROUND_STORE before Dagster starts.")
    def project_resource(_: dg.InitResourceContext) -> ProjectResource:
        return place

    @dg.io_manager(config_schema={}, description="Stores nothing: each asset writes its own files.")
    def no_storage(_: dg.InitResourceContext) -> dg.IOManager:
        return _NoStorage()

    return {"place": project_resource, "io_manager": no_storage}


def snapshot_key(name: str) -> dg.AssetKey:
    """Return the asset key of a source's snapshots."""
    return dg.AssetKey(["snapshot", name])


def observation_key(name: str) -> dg.AssetKey:
    """Return the asset key of a source's observations."""
    return dg.AssetKey(["observation", name])


def answer_key(name: str) -> dg.AssetKey:
    """Return the asset key of a problem's answer."""
    return dg.AssetKey(["problem", name])


def all_assets(catalogue: Catalogue) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Build all assets of a project."""
    snapshots = [
        _snapshot_asset(catalogue, name, source) if source.is_refreshable else _manual_snapshot_spec(name, source)
        for name, source in catalogue.open_sources().items()
    ]
    answers = answer_assets(catalogue, list(catalogue.observation_sources()), list(catalogue.problems))
    reports = [_report_asset(catalogue, name) for name in catalogue.problems]
    return [*snapshots, *answers, *reports, _warehouse_asset(catalogue), _pages_asset(catalogue)]


def answer_assets(catalogue: Catalogue, sources: Sequence[str], problems: Sequence[str]) -> list[dg.AssetsDefinition]:
    """Build the assets for the answers of problems: register of places, observations and answers."""
    observations = [_observation_asset(catalogue, name, catalogue.sources[name]) for name in sources]
    return [
        _places_asset(catalogue),
        *observations,
        *(_answer_asset(catalogue.problems[name], catalogue) for name in problems),
    ]


def owner_team(role: str) -> str:
    """Convert a role to a Dagster team name for the owner of an asset."""
    return "team:" + re.sub(r"[^a-z0-9]+", "-", role.casefold()).strip("-")[:60]


def _source_metadata(source: Source) -> dict[str, Any]:
    return {"page": dg.MetadataValue.url(source.page), "licence": source.licence, "cadence": source.cadence}


def _source_description(source: Source) -> str:
    return f"{source.title}. {source.publisher}."


def _snapshot_asset(catalogue: Catalogue, name: str, source: Source) -> dg.AssetsDefinition:
    @dg.asset(
        key=snapshot_key(name),
        group_name="snapshots",
        kinds={source.format},
        freshness_policy=freshness_policy(source),
        description=_source_description(source),
        owners=[owner_team(source.publisher)],
        metadata=_source_metadata(source),
    )
    def snapshot_asset(place: ProjectParam) -> dg.MaterializeResult[Any]:
        project = place.open_project(catalogue)
        with lock_store(project.home):
            now = current_time()
            outcome = refresh_source(
                project.home, name, source, today=now.date(), now=now.isoformat(timespec="seconds")
            )
        if not outcome.is_success:
            raise dg.Failure(outcome.detail)
        sha = outcome.snapshot.sha256 if outcome.snapshot else ""
        return dg.MaterializeResult(metadata={"outcome": outcome.result, "detail": outcome.detail, "sha256": sha})

    return snapshot_asset


def _manual_snapshot_spec(name: str, source: Source) -> dg.AssetSpec:
    """Build the asset spec of a source without an address: a person adds its files."""
    return dg.AssetSpec(
        snapshot_key(name),
        group_name="snapshots",
        kinds={source.format},
        description=f"{_source_description(source)} No address: add a file with `commonground add {name}`.",
        owners=[owner_team(source.publisher)],
        metadata=_source_metadata(source),
    )


def _places_asset(catalogue: Catalogue) -> dg.AssetsDefinition:
    names = [*catalogue.sources_providing("place"), *catalogue.sources_providing("change")]
    deps = [snapshot_key(name) for name in names]

    @dg.asset(
        key=PLACES_KEY,
        deps=deps,
        group_name="places",
        kinds={"polars", "parquet"},
        description="Register of places: area codes, periods of use and code changes.",
        owners=[owner_team(catalogue.sources[names[0]].publisher)] if names else [],
        check_specs=[
            dg.AssetCheckSpec(
                "sound", asset=PLACES_KEY, blocking=True, description="No code has overlapping periods of use."
            )
        ],
    )
    def places_asset(place: ProjectParam) -> AssetResult:
        project = place.open_project(catalogue)
        with lock_store(project.home):
            if not place.prepared:
                prepare_store(project)
            places = load_places(project)
        counts = {"codes": places.register.height, "changes": places.changes.height}
        yield dg.MaterializeResult(metadata=counts, check_results=[asset_checks.register_result(places.register)])

    return places_asset


def _observation_asset(catalogue: Catalogue, name: str, source: Source) -> dg.AssetsDefinition:
    key = observation_key(name)

    @dg.asset(
        key=key,
        deps=[PLACES_KEY, snapshot_key(name)],
        group_name="observations",
        kinds={"polars", "parquet"},
        check_specs=asset_checks.source_specs(key),
        description=_source_description(source),
        owners=[owner_team(source.publisher)],
        metadata=_source_metadata(source),
    )
    def observation_asset(place: ProjectParam) -> AssetResult:
        project = place.open_project(catalogue)
        with lock_store(project.home):
            import_bundled_releases(project.home, catalogue, [name])
            tables = load_source_tables(project, name)
            observed = scan_observations(project, name).select("place_code", "period_start", "period_end").collect()
            runner = load_runner(place.runner)
            contract = tables.contract if runner is POLARS else judge_stored_releases(project, name, tables, runner)
            apart, due = reconcile_source(project, name), summarise_completeness(stack_returns(project, [name]))
        results = asset_checks.source_results(key, source, tables, contract, runner, project.as_of)
        results += [asset_checks.totals_result(key, apart, runner), asset_checks.returns_result(key, due, runner)]
        yield dg.MaterializeResult(metadata=asset_checks.count_metadata(observed, "place_code"), check_results=results)

    return observation_asset


def _answer_asset(problem: Problem, catalogue: Catalogue) -> dg.AssetsDefinition:
    key = answer_key(problem.name)
    source_names = [name for name in catalogue.problem_sources(problem) if name in catalogue.observation_sources()]

    @dg.asset(
        key=key,
        deps=[PLACES_KEY, *(observation_key(name) for name in source_names)],
        group_name="problems",
        kinds={"duckdb", "sql"},
        owners=[owner_team(problem.header.owner)],
        description=f"{problem.header.question}\n\nDecision: {problem.header.decision}\n\n"
        f"```sql\n{problem.select.sql}\n```",
        metadata={"places": problem.header.geography, "grain": problem.header.grain},
        check_specs=asset_checks.problem_specs(key),
    )
    def answer_asset(place: ProjectParam) -> AssetResult:
        project = place.open_project(catalogue)
        with lock_store(project.home):
            yield from _answer_results(project, problem.name, key, load_runner(place.runner))

    return answer_asset


def _answer_results(project: Project, name: str, key: dg.AssetKey, runner: Runner) -> AssetResult:
    """Answer a problem. If its SELECT fails, the last good answer stays in place and the check reports the fault."""
    try:
        cells, fault = answer_problem(project, name), ""
    except CommongroundError as error:
        path = state_path(project.home, "cell", name)
        if not path.is_file():
            raise dg.Failure(str(error)) from error
        cells, fault = read_table(path), str(error)
    fault = fault or _record_answer(project, name, cells, asset_checks.problem_results(key, cells, fault))
    metadata = {
        **asset_checks.count_metadata(cells, "place_code"),
        "known": cells["value"].count(),
        "gaps": cells["reason"].count(),
    }
    problem = project.catalogue.problems[name]
    people = problem_residents(project, problem)[0]
    at_instants = instant_measures(project.catalogue, problem.measures)
    results = [*asset_checks.problem_results(key, cells, fault),
               asset_checks.coverage_result(key, cells, people, runner),
               asset_checks.period_result(key, cells, problem.header.grain, at_instants)]  # fmt: skip
    yield dg.MaterializeResult(metadata=metadata, check_results=results)


def _record_answer(project: Project, name: str, cells: pl.DataFrame, results: asset_checks.CheckResults) -> str:
    """Record an answer in the gap ledger if no check has an ERROR. Return the fault, or an empty text.

    An answer with an ERROR is not published, so it is not recorded either.
    """
    if any(not result.passed and result.severity == dg.AssetCheckSeverity.ERROR for result in results):
        return ""
    try:
        update_ledger(project, name, cells)
    except CommongroundError as error:
        return str(error)
    return ""


def _report_asset(catalogue: Catalogue, name: str) -> dg.AssetsDefinition:
    def write_report(project: Project) -> Sequence[Path]:
        return report_problem(project, name)

    description = "Gap report: results by place, missing figures and data owners."
    key, kinds = dg.AssetKey(["report", name]), {"html", "csv"}
    return _output_asset(catalogue, key, [answer_key(name)], "reports", kinds, description, write_report)


def _warehouse_asset(catalogue: Catalogue) -> dg.AssetsDefinition:
    def write_file(project: Project) -> Sequence[Path]:
        return [publish_warehouse(project)]

    description = "Analyst's file: problem views, cells, gaps, measures, sources and places."
    deps = [answer_key(name) for name in catalogue.problems]
    return _output_asset(catalogue, WAREHOUSE_KEY, deps, "published", {"duckdb"}, description, write_file)


def _pages_asset(catalogue: Catalogue) -> dg.AssetsDefinition:
    def write_pages(project: Project) -> Sequence[Path]:
        return [publish_pages(project)]

    description = "One page for each place, and the index page of all problems and places."
    # The index states when each report last changed.
    deps = [key for name in catalogue.problems for key in (answer_key(name), dg.AssetKey(["report", name]))]
    return _output_asset(catalogue, PAGES_KEY, deps, "published", {"html"}, description, write_pages)


def _output_asset(
    catalogue: Catalogue,
    key: dg.AssetKey,
    deps: list[dg.AssetKey],
    group: str,
    kinds: set[str],
    description: str,
    write: Callable[[Project], Sequence[Path]],
) -> dg.AssetsDefinition:
    @dg.asset(key=key, deps=deps, group_name=group, kinds=kinds, description=description)
    def output_asset(place: ProjectParam) -> dg.MaterializeResult[Any]:
        project = place.open_project(catalogue)
        hidden = set(catalogue.observation_sources()) - set(load_catalogue(catalogue.root).observation_sources())
        if hidden:
            raise dg.Failure(f"{min(hidden)} is no longer public; reload the definitions and run this asset again")
        with lock_store(project.home):
            files = write(project)
        return dg.MaterializeResult(
            metadata={path.suffix.removeprefix("."): dg.MetadataValue.path(str(path)) for path in files}
        )

    return output_asset


def share_of_known_cells(cells: pl.DataFrame) -> float:
    """Return the share of cells with a value."""
    return cells["value"].count() / cells.height if cells.height else 0.0
