"""Reading of all tables of a problem's report from the store."""

from collections.abc import Callable, Collection, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from checks import convert_flags
from pipelines.apportionment import problem_residents
from pipelines.core.schema import CELL_COLUMNS, FINDING_COLUMNS, empty_table
from pipelines.core.store import read_table, state_path
from pipelines.core.table_cache import keep_results
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.fingerprints import TableKeys, hash_texts
from pipelines.declarations.measure import Measure
from pipelines.declarations.partnership import select_partnerships
from pipelines.declarations.project import Project
from pipelines.declarations.version import project_version
from pipelines.gaps import (
    REQUEST_COLUMNS,
    VERDICT,
    collect_problem_gaps,
    is_open,
    list_current_problems,
    list_partnership_places,
    load_gaps,
    load_ledger,
    rank_requests,
    stack_returns,
)
from pipelines.geography import load_area_hierarchy, load_geography, load_outlines
from pipelines.observations import (
    RELEASE,
    REVISION_SUMMARY,
    all_disagreement_flags,
    all_reconciliations,
    current_tables,
    summarise_completeness,
    summarise_revisions,
)
from pipelines.outputs.larger_places import find_larger_places
from pipelines.outputs.letters import draft_letters
from pipelines.outputs.report_changes import Breaks, BuildHistory
from pipelines.outputs.report_model import (
    LARGER_PLACE,
    MAX_LISTED_PLACES,
    MAX_TABLE_CELLS,
    NO_PARTNERSHIPS,
    PartnershipTables,
    Report,
)


def load_report(project: Project, problem: Problem, current_keys: TableKeys) -> Report:
    """Read everything that the report of a problem needs from the tables of this build."""
    catalogue = project.catalogue
    cells_path = state_path(project.home, "cell", problem.name)
    is_large = pl.scan_parquet(cells_path).select(pl.len()).collect().item() > MAX_TABLE_CELLS
    cells = read_shared(cells_path, _PAGE_COLUMNS) if is_large else read_table(cells_path)
    register = load_geography(project, problem.header.geography).places
    sources = catalogue.problem_sources(problem)
    disagreements = _share(project, current_keys, "disagreement", sources, partial(all_disagreement_flags, project))
    people, title = problem_residents(project, problem)
    places = register.join(cells.select("place_code").unique(), on="place_code", how="semi")
    return Report(
        problem=problem.name,
        header=problem.header,
        select=problem.select,
        version=project_version(),
        cells=cells,
        view=read_table(state_path(project.home, "view", problem.name)),
        places=places,
        people=people,
        people_title=title,
        findings=stack_findings(project, current_keys, disagreements, sources),
        releases=list_releases(project, current_keys, list(sources)),
        measures=name_measures_apart(catalogue, problem.measures),
        measure_sources={name: catalogue.measure_source[name] for name in problem.measures},
        sources={name: catalogue.sources[name] for name in sources},
        boundaries=load_outlines(project, problem.header.geography),
        history=_load_history(project, problem, current_keys, is_large),
        breaks=_load_breaks(project, problem, current_keys),
        completeness=_load_completeness(project, problem, current_keys),
        larger=_load_larger_places(project, places),
        over_time=_load_over_time(project, problem, places),
        partnerships=load_partnerships(project, problem, register),
        names=dict(register.select("place_code", "place_name").iter_rows()),
        cells_file=cells_path if is_large else None,
    )


_FILE_COLUMNS = frozenset(
    {"cell_id", "unit", "published_marker", "coverage", "apportioned_share", "severity", "release", "source_areas",
     "file", "file_rows", "file_column"}
)  # fmt: skip
_PAGE_COLUMNS = [name for name in CELL_COLUMNS if name not in _FILE_COLUMNS]
"""Columns of the cells of a large report: the others are in its files alone."""


def read_shared(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """Read columns of a stored table. Of a large one, a column with one entry in all rows keeps it once.

    A million texts take 16 MB or more. The other columns are in one piece, so that no step copies them to make one.
    """
    if pl.scan_parquet(path).select(pl.len()).collect().item() <= MAX_TABLE_CELLS:
        return read_table(path).select(columns)
    varying, shared = list[pl.Series](), list[pl.Expr]()
    for name in columns:
        column = pl.read_parquet(path, columns=[name]).to_series().rechunk()
        if _has_one_entry(column):
            shared.append(pl.lit(column.head(1)).first().alias(name))
        else:
            varying.append(column)
    return pl.DataFrame(varying).with_columns(shared).select(columns)


def _has_one_entry(column: pl.Series) -> bool:
    if column.null_count():
        return column.null_count() == column.len()
    return bool(column.min() == column.max())


def load_partnerships(project: Project, problem: Problem, register: pl.DataFrame) -> PartnershipTables:
    """Read the answers of a problem for its partnerships; takes the places of its geography."""
    partnerships = select_partnerships(problem.header.groups, project.catalogue.partnerships)
    if not partnerships:
        return NO_PARTNERSHIPS
    places = list_partnership_places(partnerships, register)
    tables = (read_table(state_path(project.home, f"partnership_{kind}", problem.name))
              for kind in ("cell", "view", "verdict"))  # fmt: skip
    return PartnershipTables(places, *tables)


def name_measures_apart(catalogue: Catalogue, names: Sequence[str]) -> dict[str, Measure]:
    """Return measures with distinct titles: of equal title and unit, each gets its source's title, or its own name."""
    measures = {name: catalogue.measures[name] for name in names}

    def shared(titles: dict[str, str]) -> set[str]:
        headings = {name: (titles[name], measures[name].unit) for name in titles}
        return {name for name, heading in headings.items() if list(headings.values()).count(heading) > 1}

    titles = {name: measure.title for name, measure in measures.items()}
    by_source = {name: f"{titles[name]} ({catalogue.sources[catalogue.measure_source[name]].title})"
                 for name in shared(titles)}  # fmt: skip
    titles |= by_source
    titles |= {name: f"{measures[name].title} ({name})" for name in shared(titles)}
    return {name: measure.model_copy(update={"title": titles[name]}) for name, measure in measures.items()}


def _load_larger_places(project: Project, places: pl.DataFrame) -> pl.DataFrame:
    """Return the larger place of each place where there are too many to list (LARGER_PLACE); else an empty table."""
    if places.height <= MAX_LISTED_PLACES:
        return LARGER_PLACE.to_frame()
    return find_larger_places(places, load_area_hierarchy(project))


def _load_over_time(project: Project, problem: Problem, places: pl.DataFrame) -> pl.DataFrame:
    """Return the figures over time of the problem's places, and of regions and nations (history.HISTORY)."""
    history = read_table(state_path(project.home, "history", problem.name))
    own = pl.col("place_code").is_in(places["place_code"].implode())
    return history.filter((pl.col("level") != "place") | own)


class _SharedTables(NamedTuple):
    """Tables by kind and source that the reports of one build share, with the key of the observations behind them."""

    key: str
    tables: dict[tuple[str, str], pl.DataFrame]


_SHARED = [_SharedTables("", {})]


def _share(
    project: Project,
    current_keys: TableKeys,
    kind: str,
    sources: Collection[str],
    read: Callable[[Collection[str]], pl.DataFrame],
) -> pl.DataFrame:
    """Stack a kind of table over sources. The table of a source is read once for all reports of a build."""
    key = hash_texts(str(project.home), *current_keys.observation.values())
    if _SHARED[0].key != key:
        _SHARED[0] = _SharedTables(key, {})
    tables = _SHARED[0].tables
    names = [name for name in project.catalogue.observation_sources() if name in sources]
    for name in names:
        if (kind, name) not in tables:
            tables[kind, name] = read([name])
    return pl.concat([read([]), *(tables[kind, name] for name in names)])


def _load_breaks(project: Project, problem: Problem, current_keys: TableKeys) -> Breaks:
    """Read the boundary discontinuities of a problem and the reconciliation of its measures' totals."""
    sources = project.catalogue.problem_sources(problem)
    totals = _share(project, current_keys, "reconciliation", sources, partial(all_reconciliations, project))
    own_totals = totals.filter(pl.col("measure").is_in(list(problem.measures)))
    return Breaks(read_table(state_path(project.home, "discontinuity", problem.name)), own_totals)


def _load_completeness(project: Project, problem: Problem, current_keys: TableKeys) -> pl.DataFrame:
    """Return the completeness of provider returns for a problem's measures, by period (REPORTING)."""
    sources = project.catalogue.problem_sources(problem)
    completeness = _share(project, current_keys, "completeness", sources, partial(_summarise_periods, project))
    return completeness.filter(pl.col("measure").is_in(list(problem.measures))).sort("source", maintain_order=True)


def _summarise_periods(project: Project, sources: Collection[str]) -> pl.DataFrame:
    return summarise_completeness(stack_returns(project, sources)).filter(pl.col("scope") == "period")


def _load_history(project: Project, problem: Problem, current_keys: TableKeys, is_large: bool) -> BuildHistory:
    """Read the history of a problem over its builds, and the requests that would close its gaps."""
    catalogue = project.catalogue
    sources = catalogue.problem_sources(problem)
    revisions = _share(project, current_keys, "revision", sources, partial(summarise_revisions, project, current_keys))
    newest_pair = revisions.filter(pl.col("measure").is_in(list(problem.measures))).group_by(
        "source", "measure", maintain_order=True
    )
    verdicts = read_shared(state_path(project.home, "verdict", problem.name), list(VERDICT))
    ledger = load_ledger(project, problem.name)
    return BuildHistory(
        verdicts,
        ledger,
        load_gaps(project, problem.name, ledger),
        newest_pair.last().select(list(REVISION_SUMMARY)),
        _draft_letters(project, problem, verdicts, is_large),
    )


def _draft_letters(project: Project, problem: Problem, verdicts: pl.DataFrame, is_large: bool) -> dict[str, str]:
    """Draft the letters on the open gaps of a problem; a problem without any has none."""
    path = state_path(project.home, "cell", problem.name)
    cells = pl.scan_parquet(path).select(REQUEST_COLUMNS) if is_large else read_table(path, REQUEST_COLUMNS).lazy()
    with_gap = cells.filter(pl.col("reason").is_not_null() | is_open()).collect()
    if not with_gap.select(is_open().any()).item():
        return {}
    acceptances = project.catalogue.acceptances.get(problem.name, ())
    requests = rank_requests(collect_problem_gaps(problem, with_gap, verdicts, acceptances, project))
    return draft_letters(requests, project.catalogue.problems, project.catalogue.measures)


def stack_findings(
    project: Project, current_keys: TableKeys, disagreements: pl.DataFrame, source_names: Collection[str] | None = None
) -> pl.DataFrame:
    """Combine the findings of the given sources, or of all sources, with disagreements between sources (FINDING)."""
    return pl.concat(
        [
            empty_table(FINDING_COLUMNS),
            *current_tables(project, "finding", current_keys, source_names),
            convert_flags(disagreements),
        ]
    )


@keep_results(1)
def _list_releases_used(home: str, names: list[str]) -> list[str]:
    """Return the releases behind the figures of some problems, in order."""
    used: set[str] = set()
    for name in names:
        path = state_path(Path(home), "cell", name)
        used |= _releases_used(path, path.stat().st_mtime_ns)
    return sorted(used)


@cache
def _releases_used(path: Path, _modified_ns: int) -> frozenset[str]:
    """Return the releases behind the figures of a table of cells, read once for all reports of a build."""
    return frozenset(read_table(path, ["release"])["release"].drop_nulls().unique())


def list_releases(project: Project, current_keys: TableKeys, names: list[str]) -> pl.DataFrame:
    """Return the stored releases of the given sources. `in_use` marks releases that supply a figure of a cell."""
    used = _list_releases_used(str(project.home), list_current_problems(project, current_keys))
    table = pl.concat([pl.DataFrame(schema=RELEASE), *current_tables(project, "release", current_keys, names)])
    return table.with_columns(pl.col("release").is_in(used).alias("in_use"))
