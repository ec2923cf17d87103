"""Dagster assets, made from declarations: a snapshot and an observation for each source, an answer and a
report for each problem, and the analyst's file. None is written by hand; a step's work is in `steps`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import polars as pl

from pipelines.app import asset_checks as told
from pipelines.app.earlier_store import log_renewal, renew
from pipelines.app.schedules import freshness
from pipelines.app.steps import prepare
from pipelines.app.withdrawal import withdraw
from pipelines.apportionment import people_in
from pipelines.core.errors import CommongroundError
from pipelines.core.store import read_table, sole_builder, state_path
from pipelines.declarations.catalogue import Catalogue, Problem, load
from pipelines.declarations.project import Project, today
from pipelines.declarations.source import Source
from pipelines.fetch import refresh_source, take_in
from pipelines.gaps import all_returns, answer_problem, instants, record
from pipelines.geography import register_places
from pipelines.observations import observe_source, reconcile_source, reporting
from pipelines.outputs import publish_pages, publish_warehouse, report_problem

PLACES = dg.AssetKey(["place", "register"])
WAREHOUSE = dg.AssetKey(["out", "commonground"])
PAGES = dg.AssetKey(["out", "pages"])
Result = Iterator[dg.MaterializeResult[Any]]


class Place(NamedTuple):
    """Where the store is, and the day as of which to build (empty: today)."""

    home: Path
    as_of: date | None = None

    def project(self, catalogue: Catalogue) -> Project:
        """Give what a step works on: the declarations that the assets were made from, the store and the day.

        A store of an earlier version is made ready first, and what is no longer public is withdrawn.
        """
        log_renewal(renew(self.home))
        withdraw(catalogue, self.home)
        return Project(catalogue, self.home, self.as_of or today())


Placed = dg.ResourceParam[Place]
"""The place as Dagster gives it to an asset."""


class _KeepingNothing(dg.IOManager):
    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Keep nothing: what an asset gives Dagster is only what it says of itself."""

    def load_input(self, context: dg.InputContext) -> None:
        """Give nothing: each asset reads its own files."""


def resources(place: Place) -> dict[str, dg.ResourceDefinition]:
    """Make what assets are given. No launch can say where to read or write: a run config with a path is refused.

    Assets write their own files, so that Dagster's own way of keeping what they return, which takes a path, keeps none.
    """

    @dg.resource(config_schema={}, description="Where the store is; set by COMMONGROUND_STORE before Dagster starts.")
    def fixed(_: dg.InitResourceContext) -> Place:
        return place

    @dg.io_manager(config_schema={}, description="Keeps nothing: each asset writes its own files.")
    def keeping_nothing(_: dg.InitResourceContext) -> dg.IOManager:
        return _KeepingNothing()

    return {"place": fixed, "io_manager": keeping_nothing}


def snapshot_key(name: str) -> dg.AssetKey:
    """Give the key of a source's snapshots."""
    return dg.AssetKey(["snapshot", name])


def observation_key(name: str) -> dg.AssetKey:
    """Give the key of a source's observations."""
    return dg.AssetKey(["observation", name])


def answer_key(name: str) -> dg.AssetKey:
    """Give the key of a problem's answer."""
    return dg.AssetKey(["problem", name])


def all_assets(catalogue: Catalogue) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Make every asset of a project."""
    fetched = [
        _snapshot(catalogue, name, source) if source.fetched else _brought(name, source)
        for name, source in catalogue.held().items()
    ]
    answers = answer_assets(catalogue, list(catalogue.observing()), list(catalogue.problems))
    reports = [_report(catalogue, name) for name in catalogue.problems]
    return [*fetched, *answers, *reports, _warehouse(catalogue), _pages(catalogue)]


def answer_assets(catalogue: Catalogue, sources: Sequence[str], problems: Sequence[str]) -> list[dg.AssetsDefinition]:
    """Make the assets that the answers of some problems are: places, what their sources say, and the answers."""
    observed = [_observation(catalogue, name, catalogue.sources[name]) for name in sources]
    return [_places(catalogue), *observed, *(_answer(catalogue.problems[name], catalogue) for name in problems)]


def owner(role: str) -> str:
    """Write a role as the team name that Dagster takes for an owner."""
    return "team:" + re.sub(r"[^a-z0-9]+", "-", role.casefold()).strip("-")[:60]


def _page(source: Source) -> dict[str, Any]:
    return {"page": dg.MetadataValue.url(source.page), "licence": source.licence, "cadence": source.cadence}


def _about(source: Source) -> str:
    return f"{source.title}. {source.publisher}."


def _snapshot(catalogue: Catalogue, name: str, source: Source) -> dg.AssetsDefinition:
    @dg.asset(
        key=snapshot_key(name),
        group_name="snapshots",
        kinds={source.format},
        freshness_policy=freshness(source),
        description=_about(source),
        owners=[owner(source.publisher)],
        metadata=_page(source),
    )
    def fetched(place: Placed) -> dg.MaterializeResult[Any]:
        project = place.project(catalogue)
        with sole_builder(project.home):
            now = datetime.now(UTC)
            outcome = refresh_source(
                project.home, name, source, today=now.date(), now=now.isoformat(timespec="seconds")
            )
        if not outcome.answered:
            raise dg.Failure(outcome.detail)
        sha = outcome.snapshot.sha256 if outcome.snapshot else ""
        return dg.MaterializeResult(metadata={"outcome": outcome.what, "detail": outcome.detail, "sha256": sha})

    return fetched


def _brought(name: str, source: Source) -> dg.AssetSpec:
    """Describe the snapshots of a source without an address: a person brings them, and Dagster can make none."""
    return dg.AssetSpec(
        snapshot_key(name),
        group_name="snapshots",
        kinds={source.format},
        description=f"{_about(source)} It has no address: keep a file with `commonground add {name}`.",
        owners=[owner(source.publisher)],
        metadata=_page(source),
    )


def _places(catalogue: Catalogue) -> dg.AssetsDefinition:
    names = [*catalogue.providing("place"), *catalogue.providing("change")]
    deps = [snapshot_key(name) for name in names]

    @dg.asset(
        key=PLACES,
        deps=deps,
        group_name="places",
        kinds={"polars", "parquet"},
        description="The register of places, when each code was in use, and what became of it.",
        owners=[owner(catalogue.sources[names[0]].publisher)] if names else [],
        check_specs=[dg.AssetCheckSpec("sound", asset=PLACES, blocking=True, description="No code twice at a time.")],
    )
    def register(place: Placed) -> Result:
        project = place.project(catalogue)
        with sole_builder(project.home):
            prepare(project)
            places = register_places(project)
        counts = {"codes": places.register.height, "changes": places.changes.height}
        yield dg.MaterializeResult(metadata=counts, check_results=[told.register_sound(places.register)])

    return register


def _observation(catalogue: Catalogue, name: str, source: Source) -> dg.AssetsDefinition:
    key = observation_key(name)

    @dg.asset(
        key=key,
        deps=[PLACES, snapshot_key(name)],
        group_name="observations",
        kinds={"polars", "parquet"},
        check_specs=told.source_specs(key),
        description=_about(source),
        owners=[owner(source.publisher)],
        metadata=_page(source),
    )
    def observed(place: Placed) -> Result:
        project = place.project(catalogue)
        with sole_builder(project.home):
            take_in(project.home, catalogue, name)
            seen = observe_source(project, name)
            apart, due = reconcile_source(project, name), reporting(all_returns(project, [name]))
        results = told.source_results(key, source, seen, project.as_of)
        results += [told.totals_result(key, apart), told.returns_result(key, due)]
        yield dg.MaterializeResult(metadata=told.counted(seen.observation, "place_code"), check_results=results)

    return observed


def _answer(problem: Problem, catalogue: Catalogue) -> dg.AssetsDefinition:
    key = answer_key(problem.name)
    held = [name for name in catalogue.sources_of(problem) if name in catalogue.observing()]

    @dg.asset(
        key=key,
        deps=[PLACES, *(observation_key(name) for name in held)],
        group_name="problems",
        kinds={"duckdb", "sql"},
        owners=[owner(problem.header.owner)],
        description=f"{problem.header.question}\n\nDecision: {problem.header.decision}\n\n"
        f"```sql\n{problem.select.sql}\n```",
        metadata={"places": problem.header.geography, "grain": problem.header.grain},
        check_specs=told.problem_specs(key),
    )
    def answered(place: Placed) -> Result:
        project = place.project(catalogue)
        with sole_builder(project.home):
            yield from _answered(project, problem.name, key)

    return answered


def _answered(project: Project, name: str, key: dg.AssetKey) -> Result:
    """Answer a problem; where its SELECT does not run, its last good answer stays and the check says so."""
    try:
        cells, fault = answer_problem(project, name), ""
    except CommongroundError as error:
        path = state_path(project.home, "cell", name)
        if not path.is_file():
            raise dg.Failure(str(error)) from error
        cells, fault = read_table(path), str(error)
    fault = fault or _recorded(project, name, cells, told.problem_results(key, cells, fault))
    metadata = {**told.counted(cells, "place_code"), "known": cells["value"].count(), "gaps": cells["reason"].count()}
    problem = project.catalogue.problems[name]
    people, of_days = people_in(project, problem)[0], instants(project.catalogue, problem.measures)
    results = [*told.problem_results(key, cells, fault), told.coverage_result(key, cells, people),
               told.period_result(key, cells, problem.header.grain, of_days)]  # fmt: skip
    yield dg.MaterializeResult(metadata=metadata, check_results=results)


def _recorded(project: Project, name: str, cells: pl.DataFrame, results: told.Results) -> str:
    """Carry the ledger of gaps on to an answer that breaks no rule of its own; give why it could not be.

    History begins with the first answer that is published: one that breaks its rules is not, and leaves no trace.
    """
    if any(not each.passed and each.severity == dg.AssetCheckSeverity.ERROR for each in results):
        return ""
    try:
        record(project, name, cells)
    except CommongroundError as error:
        return str(error)
    return ""


def _report(catalogue: Catalogue, name: str) -> dg.AssetsDefinition:
    def write(project: Project) -> Sequence[Path]:
        return report_problem(project, name)

    description = "The gap report: what is known place by place, what is missing, and who could supply it."
    key, kinds = dg.AssetKey(["report", name]), {"html", "csv"}
    return _written(catalogue, key, [answer_key(name)], "reports", kinds, description, write)


def _warehouse(catalogue: Catalogue) -> dg.AssetsDefinition:
    def write(project: Project) -> Sequence[Path]:
        return [publish_warehouse(project)]

    description = "The analyst's file: problem views, cells, gaps, measures, sources and places."
    deps = [answer_key(name) for name in catalogue.problems]
    return _written(catalogue, WAREHOUSE, deps, "published", {"duckdb"}, description, write)


def _pages(catalogue: Catalogue) -> dg.AssetsDefinition:
    def write(project: Project) -> Sequence[Path]:
        return [publish_pages(project)]

    description = "One page for each place, and the overview of all problems and places."
    deps = [answer_key(name) for name in catalogue.problems]
    return _written(catalogue, PAGES, deps, "published", {"html"}, description, write)


def _written(
    catalogue: Catalogue,
    key: dg.AssetKey,
    deps: list[dg.AssetKey],
    group: str,
    kinds: set[str],
    description: str,
    write: Callable[[Project], Sequence[Path]],
) -> dg.AssetsDefinition:
    @dg.asset(key=key, deps=deps, group_name=group, kinds=kinds, description=description)
    def written(place: Placed) -> dg.MaterializeResult[Any]:
        project = place.project(catalogue)
        hidden = set(catalogue.observing()) - set(load(catalogue.root).observing())
        if hidden:
            raise dg.Failure(f"{min(hidden)} is no longer public: reload the definitions, and run this again")
        with sole_builder(project.home):
            files = write(project)
        return dg.MaterializeResult(
            metadata={path.suffix.removeprefix("."): dg.MetadataValue.path(str(path)) for path in files}
        )

    return written


def known_share(cells: pl.DataFrame) -> float:
    """Give the share of the cells asked for that are known."""
    return cells["value"].count() / cells.height if cells.height else 0.0
