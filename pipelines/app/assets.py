"""Dagster assets generated from the declarations.

Each source has a snapshot and an observation asset, and each problem has an answer and a report asset. The analyst's
file and the pages are assets too. The module `steps` prepares the store.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from checks import POLARS, Runner, load_runner
from pipelines.app import asset_checks
from pipelines.app.project_resource import ProjectParam
from pipelines.app.snapshot_assets import (
    describe_source,
    manual_snapshot_spec,
    owner_team,
    snapshot_asset,
    snapshot_key,
    source_metadata,
)
from pipelines.app.steps import prepare_store
from pipelines.apportionment import problem_residents
from pipelines.core.errors import CommongroundError
from pipelines.core.store import hash_file, lock_store, read_table, state_path, table_key
from pipelines.declarations.catalogue import Catalogue, Problem, load_catalogue
from pipelines.declarations.fingerprints import compute_table_keys, hash_texts
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.fetch import import_bundled_releases
from pipelines.gaps import answer_problem, instant_measures, list_outdated_problems, stack_returns, update_ledger
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
ON_NEWS = (
    dg.AutomationCondition.any_deps_match(
        dg.AutomationCondition.data_version_changed() | dg.AutomationCondition.will_be_requested()
    ).since_last_handled()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("after a new release")
"""Condition under which Dagster builds an asset by itself: the content of something that it rests on has changed."""


def observation_key(name: str) -> dg.AssetKey:
    """Return the asset key of a source's observations."""
    return dg.AssetKey(["observation", name])


def answer_key(name: str) -> dg.AssetKey:
    """Return the asset key of a problem's answer."""
    return dg.AssetKey(["problem", name])


def all_assets(catalogue: Catalogue) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Build all assets of a project."""
    snapshots = [
        snapshot_asset(catalogue, name, source) if source.is_refreshable else manual_snapshot_spec(name, source)
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


def _places_asset(catalogue: Catalogue) -> dg.AssetsDefinition:
    names = [*catalogue.sources_providing("place"), *catalogue.sources_providing("change")]
    deps = [snapshot_key(name) for name in names]

    @dg.asset(
        key=PLACES_KEY,
        deps=deps,
        automation_condition=ON_NEWS,
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
            keys = compute_table_keys(catalogue, project.home, project.as_of)
            version = hash_texts(keys.places, keys.boundaries, *keys.apportioning.values())
        counts = {"codes": places.register.height, "changes": places.changes.height}
        checks = [asset_checks.register_result(places.register)]
        yield dg.MaterializeResult(metadata=counts, check_results=checks, data_version=dg.DataVersion(version))

    return places_asset


def _observation_asset(catalogue: Catalogue, name: str, source: Source) -> dg.AssetsDefinition:
    key = observation_key(name)

    @dg.asset(
        key=key,
        deps=[PLACES_KEY, snapshot_key(name)],
        automation_condition=ON_NEWS,
        group_name="observations",
        kinds={"polars", "parquet"},
        check_specs=asset_checks.source_specs(key),
        description=describe_source(source),
        owners=[owner_team(source.publisher)],
        metadata=source_metadata(source),
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
        yield dg.MaterializeResult(
            metadata=asset_checks.count_metadata(observed, "place_code"),
            check_results=results,
            data_version=stored_version(state_path(project.home, "slice", name)),
        )

    return observation_asset


def _answer_asset(problem: Problem, catalogue: Catalogue) -> dg.AssetsDefinition:
    key = answer_key(problem.name)
    source_names = [name for name in catalogue.problem_sources(problem) if name in catalogue.observation_sources()]

    @dg.asset(
        key=key,
        deps=[PLACES_KEY, *(observation_key(name) for name in source_names)],
        automation_condition=ON_NEWS,
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
    version = stored_version(state_path(project.home, "cell", name))
    yield dg.MaterializeResult(metadata=metadata, check_results=results, data_version=version)


def _answer_outdated(project: Project) -> None:
    """Answer again the problems that were answered from other data: the analyst's file and the pages show one build."""
    for name in list_outdated_problems(project, compute_table_keys(project.catalogue, project.home, project.as_of)):
        for result in _answer_results(project, name, answer_key(name), POLARS):
            broken = [
                item
                for item in result.check_results or []
                if not item.passed and item.severity == dg.AssetCheckSeverity.ERROR
            ]
            if broken:
                raise dg.Failure(f"{name}: check {broken[0].check_name} failed; nothing is published")


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
        _answer_outdated(project)
        return [publish_warehouse(project)]

    description = "Analyst's file: problem views, cells, gaps, measures, sources and places."
    deps = [answer_key(name) for name in catalogue.problems]
    return _output_asset(catalogue, WAREHOUSE_KEY, deps, "published", {"duckdb"}, description, write_file)


def _pages_asset(catalogue: Catalogue) -> dg.AssetsDefinition:
    def write_pages(project: Project) -> Sequence[Path]:
        _answer_outdated(project)
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
    @dg.asset(key=key, deps=deps, group_name=group, kinds=kinds, description=description, automation_condition=ON_NEWS)
    def output_asset(place: ProjectParam) -> dg.MaterializeResult[Any]:
        project = place.open_project(catalogue)
        hidden = set(catalogue.observation_sources()) - set(load_catalogue(catalogue.root).observation_sources())
        if hidden:
            raise dg.Failure(f"{min(hidden)} is no longer public; reload the definitions and run this asset again")
        with lock_store(project.home):
            files = write(project)
        return dg.MaterializeResult(
            metadata={path.suffix.removeprefix("."): dg.MetadataValue.path(str(path)) for path in files},
            data_version=dg.DataVersion(hash_file(files[0])),
        )

    return output_asset


def stored_version(path: Path) -> dg.DataVersion:
    """Return the version of a state table: what it was built from, so that a build without news changes nothing."""
    return dg.DataVersion(hash_texts(table_key(path) or ""))


def share_of_known_cells(cells: pl.DataFrame) -> float:
    """Return the share of cells with a value."""
    return cells["value"].count() / cells.height if cells.height else 0.0
