"""Dagster assets generated from the declarations.

Each source has a snapshot and an observation asset, and each problem has an answer and a report asset. The analyst's
file and the pages are assets too. The module `steps` prepares the store.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from checks import POLARS, load_runner
from pipelines.app.asset_checks import convert_results, declare_checks
from pipelines.app.build import prepare_next_commands
from pipelines.app.check_results import PLACE_CHECKS, PROBLEM_CHECKS, SOURCE_CHECKS
from pipelines.app.checked_tables import CheckedTable, check_answer, check_register, check_source
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
from pipelines.core.errors import CommongroundError
from pipelines.core.store import hash_file, lock_store
from pipelines.declarations.catalogue import Catalogue, Problem, load_catalogue
from pipelines.declarations.fingerprints import compute_table_keys
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.fetch import import_bundled_releases
from pipelines.gaps import list_outdated_problems
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
        check_specs=declare_checks(PLACES_KEY, PLACE_CHECKS),
    )
    def places_asset(place: ProjectParam) -> AssetResult:
        project = place.open_project(catalogue)
        with lock_store(project.home):
            prepare_store(project)
            table = check_register(project)
        yield _describe_table(PLACES_KEY, table)

    return places_asset


def _observation_asset(catalogue: Catalogue, name: str, source: Source) -> dg.AssetsDefinition:
    key = observation_key(name)

    @dg.asset(
        key=key,
        deps=[PLACES_KEY, snapshot_key(name)],
        automation_condition=ON_NEWS,
        group_name="observations",
        kinds={"polars", "parquet"},
        check_specs=declare_checks(key, SOURCE_CHECKS),
        description=describe_source(source),
        owners=[owner_team(source.publisher)],
        metadata=source_metadata(source),
    )
    def observation_asset(place: ProjectParam) -> AssetResult:
        project = place.open_project(catalogue)
        with lock_store(project.home):
            import_bundled_releases(project.home, catalogue, [name])
            table = check_source(project, name, load_runner("great_expectations"))
        yield _describe_table(key, table)

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
        check_specs=declare_checks(key, PROBLEM_CHECKS),
    )
    def answer_asset(place: ProjectParam) -> AssetResult:
        project = place.open_project(catalogue)
        with lock_store(project.home):
            table = _answer(project, problem.name)
        yield _describe_table(key, table)

    return answer_asset


def _answer(project: Project, name: str) -> CheckedTable:
    try:
        return check_answer(project, name, load_runner("great_expectations"))
    except CommongroundError as error:
        raise dg.Failure(str(error)) from error


def _describe_table(key: dg.AssetKey, table: CheckedTable) -> dg.MaterializeResult[Any]:
    """Return a built table with its counts, version and checks, in Dagster's form."""
    return dg.MaterializeResult(
        metadata=table.counts,
        check_results=convert_results(key, table.checks),
        data_version=dg.DataVersion(table.version),
    )


def _answer_outdated(project: Project) -> None:
    """Answer again the problems that were answered from other data: the analyst's file and the pages show one build."""
    for name in list_outdated_problems(project, compute_table_keys(project.catalogue, project.home, project.as_of)):
        if errors := check_answer(project, name, POLARS).errors:
            raise dg.Failure(f"{name}: check {errors[0].check} failed; nothing is published")


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
        # Declarations may have changed since Dagster read them, so no repeated build is recorded.
        prepare_next_commands(project, None)
        return dg.MaterializeResult(
            metadata={path.suffix.removeprefix("."): dg.MetadataValue.path(str(path)) for path in files},
            data_version=dg.DataVersion(hash_file(files[0])),
        )

    return output_asset
