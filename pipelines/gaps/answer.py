"""Last steps of a build: from observations to the tables of a problem.

A problem is answered in blocks of places. All its places are one block, unless it is large (is_large_problem): its
blocks are then typed one at a time, written to a file, and read from it in columns.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.apportionment import MAPPED_FIGURE, population_days, problem_residents, problem_residuals
from pipelines.core.ordering import filter_frame
from pipelines.core.schema import OBSERVATION_COLUMNS, empty_table
from pipelines.core.slices import SLICE_KEY
from pipelines.core.store import (
    load_or_build_table,
    load_or_build_tables,
    read_table,
    state_path,
    temporary_path,
    write_large_table,
)
from pipelines.core.table_cache import keep_results
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.fingerprints import (
    FIGURE_TABLES,
    VIEW_TABLES,
    TableKeys,
    compute_table_keys,
    public_input_sources,
)
from pipelines.declarations.project import Project
from pipelines.gaps.cells import Block, answer_block, find_unreadable_files, group_slices
from pipelines.gaps.discontinuities import add_discontinuity_caveats, find_discontinuities
from pipelines.gaps.grid import list_periods
from pipelines.gaps.history import HISTORY, MAX_HISTORY_PLACES, add_partnership_history, build_history
from pipelines.gaps.need_scope import is_needed
from pipelines.gaps.partnerships import (
    NO_PARTNERSHIPS,
    MemberFigures,
    PartnershipAnswer,
    answer_partnerships,
    build_partnership_view,
)
from pipelines.gaps.placing import (
    list_placed_sources,
    place_sources,
    read_denominators,
    stack_sources,
)
from pipelines.gaps.refusals import storing_refusal
from pipelines.gaps.validity import (
    current_answer_key,
    current_figures_key,
    find_validity,
    format_answer_key,
    format_figures_key,
)
from pipelines.gaps.verdicts import build_verdicts
from pipelines.gaps.view import build_view, list_history_measures
from pipelines.geography import load_geography, load_neighbours
from pipelines.observations import load_source_table

CHECKED_COLUMNS = (
    "cell_id", "problem", "need", "measure", "place_code", "place_name", "period_start", "period_end", "value",
    "reason", "other_reasons", "caveats", "proxy_measure", "data_owner", "reference_start", "reference_end",
)  # fmt: skip
"""Columns of a cell that its verdict, its checks and the gap ledger read."""
_BORDER_COLUMNS = ("problem", "need", "measure", "place_code", "place_name", "nation", "period_start", "period_end",
                   "value", "reason", "caveats", "evidence", "source_areas")  # fmt: skip
"""Columns of a cell that discontinuities rest on."""
FEWEST_CELLS = 1 << 18
"""Most cells of a problem that is answered in one block."""


def answer_problem(project: Project, name: str) -> pl.DataFrame:
    """Build the tables of a problem where they do not hold (store_answer); return its cells.

    Of more than FEWEST_CELLS cells, only CHECKED_COLUMNS are returned: all columns take half a gigabyte a million.
    """
    store_answer(project, name)
    path = state_path(project.home, "cell", name)
    cells = pl.scan_parquet(path).select(pl.len()).collect().item()
    return read_table(path, CHECKED_COLUMNS if cells > FEWEST_CELLS else None)


def store_answer(project: Project, name: str) -> None:
    """Build and store the cells, view, verdicts, losses and discontinuities of one problem.

    Tables built earlier from the same inputs stay while they hold (validity). Where only the SELECT has changed, the
    views alone are made again. Only the refusal is stored where the SELECT does not run (refusals). The gap ledger is
    updated later, once the cells have passed their checks (ledger_load.update_ledger).
    """
    current_keys = compute_table_keys(project.catalogue, project.home, project.as_of)
    if current_answer_key(project.home, name, current_keys) is None:
        with storing_refusal(project, name, current_keys):
            _store_tables(project, project.catalogue.problems[name], current_keys)


def is_large_problem(project: Project, problem: Problem) -> bool:
    """Return whether a problem has many cells, and each depends on the figures of its own place and measure alone."""
    header = problem.header
    system = load_geography(project, header.geography).places
    cells = len(problem.measures) * len(list_periods(problem, project.as_of)) * system.height
    if cells <= FEWEST_CELLS or system.height <= MAX_HISTORY_PLACES:
        return False
    is_apart = not any(
        need.over_time or need.proxy or need.nations or need.place_codes or need.is_of_a_time
        for need in header.measure_needs.values()
    )
    joins_others = header.groups or header.alternatives or list_history_measures(problem)
    return is_apart and not joins_others and load_neighbours(project, header.geography).is_empty()


class _Figures(NamedTuple):
    """Tables of a problem that its SELECT does not change, in the order of FIGURE_TABLES; its cells in blocks."""

    cells: Sequence[pl.LazyFrame]
    verdicts: pl.DataFrame
    residuals: pl.DataFrame
    discontinuities: pl.DataFrame
    history: pl.DataFrame
    partnership_cells: pl.DataFrame
    partnership_verdicts: pl.DataFrame


class _Placed(NamedTuple):
    """Placed figures (MAPPED_FIGURE) of a problem, and of its partnerships, for a SELECT that reads history."""

    figures: pl.DataFrame
    partnerships: pl.DataFrame


def _store_tables(project: Project, problem: Problem, current_keys: TableKeys) -> None:
    """Build and store the tables of a problem that do not hold; the cells of a large one are written in parts."""
    home, name, is_large = project.home, problem.name, is_large_problem(project, problem)
    sources, path = public_input_sources(project.catalogue, [name]), state_path(home, "cell", name)
    key, temporary = current_figures_key(home, name, current_keys), temporary_path(path)
    try:
        if key and not list_history_measures(problem):
            figures, placed = _read_figures(project, problem, is_large), _Placed(*[empty_table(MAPPED_FIGURE)] * 2)
        else:
            key, figures, placed = _build_figures(project, problem, current_keys, temporary, is_large)
        views = _build_views(project, problem, figures, placed)
        if temporary.is_file():
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if not is_large:
        load_or_build_table(home, "cell", name, key, figures.cells[0].collect, sources)
    load_or_build_tables(home, FIGURE_TABLES[1:], name, key, lambda: figures[1:], sources)
    answer_key = format_answer_key(current_keys.answer[name], key)
    load_or_build_tables(home, VIEW_TABLES, name, answer_key, lambda: views, sources)


def _read_figures(project: Project, problem: Problem, is_large: bool) -> _Figures:
    path, *others = (state_path(project.home, kind, problem.name) for kind in FIGURE_TABLES)
    cells = _scan_blocks(path, problem, project.as_of) if is_large else [read_table(path).lazy()]
    return _Figures(cells, *(read_table(other) for other in others))


def _build_figures(
    project: Project, problem: Problem, current_keys: TableKeys, temporary: Path, is_large: bool
) -> tuple[str, _Figures, _Placed]:
    """Build the tables of figures as of the first day on which they hold; return them with their key.

    The cells of a large problem are written to a temporary file, and no step compares its places.
    """
    catalogue, name, geography = project.catalogue, problem.name, problem.header.geography
    system, people = load_geography(project, geography).places, problem_residents(project, problem)[0]
    placed, aside, lost = stack_sources(*place_sources(project, problem, frozenset(system["place_code"])))
    known = [current_keys.last_release[name], *population_days(project, problem)]
    validity = find_validity(problem, catalogue, group_slices(placed), known, project.as_of)
    as_of, key = validity.first, format_figures_key(current_keys.figures[name], validity)
    unreadable = find_unreadable_files(project, problem)
    blocks = _cut_blocks(problem, system, placed, as_of) if is_large else [Block(problem, system, placed)]
    # In its blocks, the figures of a large problem take a fraction of the memory.
    placed = placed.clear() if is_large else placed
    parts = (answer_block(block, catalogue, aside, as_of, unreadable) for block in blocks)
    if is_large:
        stored, sources = state_path(project.home, "cell", name), public_input_sources(catalogue, [name])
        write_large_table(temporary, stored, parts, key, sources)
    cells = _scan_blocks(temporary, problem, as_of) if is_large else [part.lazy() for part in parts]
    border = filter_frame(pl.concat(block.select(_BORDER_COLUMNS) for block in cells).collect(), is_needed())
    breaks = find_discontinuities(border, load_neighbours(project, geography), catalogue.measures)
    history, partners = empty_table(HISTORY), NO_PARTNERSHIPS
    if not is_large:
        cells = [add_discontinuity_caveats(block.collect(), breaks).lazy() for block in cells]
        denominators = _stack_denominators(project, current_keys, geography, _observed_sources(project, problem))
        members = MemberFigures(system, placed, denominators, people, aside, unreadable)
        partners = answer_partnerships(problem, catalogue, members, as_of)
        names = tuple(list_placed_sources(project, problem))
        own_history = _build_history(project, current_keys, names, placed, system, denominators)
        history = add_partnership_history(own_history, partners.placed)
    verdicts = pl.concat(build_verdicts(one.select(CHECKED_COLUMNS).collect(), problem.header, people) for one in cells)
    residuals = problem_residuals([lost], name, geography)
    figures = _Figures(cells, verdicts, residuals, breaks, history, partners.cells, partners.verdicts)
    return key, figures, _Placed(placed, partners.placed)


def _cut_blocks(problem: Problem, places: pl.DataFrame, placed: pl.DataFrame, as_of: date) -> Iterator[Block]:
    # Few projects have a large problem.
    from pipelines.gaps.cell_blocks import cut_blocks

    return cut_blocks(problem, places, placed, len(list_periods(problem, as_of)))


def _scan_blocks(path: Path, problem: Problem, as_of: date) -> list[pl.LazyFrame]:
    from pipelines.gaps.cell_blocks import scan_blocks

    return scan_blocks(path, len(problem.measures), len(list_periods(problem, as_of)))


def _build_views(project: Project, problem: Problem, figures: _Figures, placed: _Placed) -> list[pl.DataFrame]:
    """Build the views of a problem and of its partnerships (VIEW_TABLES) from its tables of figures.

    A SELECT that reads no history needs no placed figures.
    """
    system = load_geography(project, problem.header.geography).places
    view = build_view(problem, system, figures.cells, placed.figures, figures.verdicts)
    partners = PartnershipAnswer(figures.partnership_cells, figures.partnership_verdicts, placed.partnerships)
    return [view, build_partnership_view(problem, project.catalogue, system, partners, view.schema)]


def _measure_table(table: pl.DataFrame) -> float:
    return table.estimated_size()


@keep_results(8, _measure_table)
def _stack_denominators(project: Project, _keys: TableKeys, geography: str, names: tuple[str, ...]) -> pl.DataFrame:
    """Stack the observations of the denominators of the rates of some sources, of those in a geography.

    Problems of the same sources get the same table, as long as the inputs of a build are the same.
    """
    sources = [project.catalogue.sources[name] for name in names]
    denominators = [read_denominators(project, source) for source in sources if source.geography == geography]
    nothing = empty_table(OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))
    return pl.concat([nothing, *denominators]).unique([*SLICE_KEY, "place_code"], keep="first", maintain_order=True)


def _observed_sources(project: Project, problem: Problem) -> tuple[str, ...]:
    catalogue = project.catalogue
    return tuple(name for name in catalogue.problem_sources(problem) if name in catalogue.observation_sources())


@keep_results(8, _measure_table)
def _build_history(
    project: Project, _keys: TableKeys, names: tuple[str, ...], figures: pl.DataFrame, system: pl.DataFrame,
    denominators: pl.DataFrame,
) -> pl.DataFrame:  # fmt: skip
    """Build the placed figures of some sources over time (history.HISTORY).

    Problems with the same figures get the same table, as long as the inputs of a build are the same.
    """
    if not names:
        return empty_table(HISTORY)
    totals = pl.concat(load_source_table(project, name, "total") for name in names)
    return build_history(figures, totals, system, denominators, project.catalogue.measures)
