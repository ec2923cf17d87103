"""Answers of large problems: cells typed for some places at a time, and written in parts to the file that stores them.

A million cells take half a gigabyte as a table, and each step of typing as much again. The cells, their order and the
other tables of such an answer are those of a small one (answer). A large problem here has a geography of small areas,
for which no step compares a place with others.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.apportionment import MAPPED_FIGURE, SLICE_FACTS, population_days, problem_residents, problem_residuals
from pipelines.core.ordering import filter_frame
from pipelines.core.schema import CELL_COLUMNS, conform_table, empty_table
from pipelines.core.slices import SLICE_KEY, slice_starts
from pipelines.core.store import load_or_build_tables, read_table, state_path, temporary_path, write_large_table
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.fingerprints import FIGURE_TABLES, VIEW_TABLES, TableKeys, public_input_sources
from pipelines.declarations.project import Project
from pipelines.gaps.cells import (
    ASKED,
    choose_slices,
    find_unreadable_files,
    group_slices,
    refuse_other_periods,
    type_grid,
)
from pipelines.gaps.discontinuities import find_discontinuities
from pipelines.gaps.grid import build_grid, list_periods, select_places
from pipelines.gaps.history import HISTORY
from pipelines.gaps.need_scope import is_needed
from pipelines.gaps.placing import place_observations
from pipelines.gaps.validity import current_figures_key, find_validity, format_answer_key, format_figures_key
from pipelines.gaps.verdicts import VERDICT, add_verdicts, build_verdicts
from pipelines.gaps.view import MEASURE_COLUMNS, add_statuses, answer_key, run_select, select_limits
from pipelines.geography import load_geography, load_neighbours, load_places

CELLS_OF_A_BLOCK = 1 << 16
"""Cells that are typed together, unless one place has more: their steps then take some 100 MB."""
CHECKED_COLUMNS = (
    "cell_id", "problem", "need", "measure", "place_code", "place_name", "period_start", "period_end", "value",
    "reason", "other_reasons", "caveats", "proxy_measure", "data_owner", "reference_start", "reference_end",
)  # fmt: skip
"""Columns of a cell that its checks and the gap ledger read."""
_JUDGED_COLUMNS = (*CHECKED_COLUMNS, "obs_status")
"""Columns of a cell behind its verdict, and behind the statuses of its row in the view."""
_BORDER_COLUMNS = ("problem", "need", "measure", "place_code", "place_name", "nation", "period_start", "period_end",
                   "value", "reason", "caveats", "evidence", "source_areas")  # fmt: skip
"""Columns of a cell that discontinuities rest on."""
_ROW = ("place_code", "period_start", "period_end")


class _Grid(NamedTuple):
    """A large problem: its places in order of code, and the number of its periods."""

    problem: Problem
    places: pl.DataFrame
    periods: int

    @property
    def rows(self) -> int:
        """Return the number of cells of a measure."""
        return self.places.height * self.periods

    @property
    def measures(self) -> list[str]:
        """Return the measures in the order of the cells."""
        return sorted(self.problem.measures)

    def cut_places(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """Yield places some at a time, with the number of the first."""
        size = max(1, CELLS_OF_A_BLOCK // self.periods)
        for first in range(0, self.places.height, size):
            yield first, self.places.slice(first, size)


class _Figures(NamedTuple):
    """Placed figures with the number of their place, without what their slice has and without empty columns.

    `slices` has SLICE_KEY and the columns of each slice (SLICE_FACTS).
    """

    figures: pl.DataFrame
    slices: pl.DataFrame

    def select(self, measure: str, first: int, places: pl.DataFrame) -> pl.DataFrame:
        """Return the figures (MAPPED_FIGURE) of a measure and of the places from a number."""
        is_own = (pl.col("measure") == measure) & pl.col("place").is_between(first, first + places.height - 1)
        own = self.figures.filter(is_own)
        codes = places["place_code"].gather(own["place"] - first).alias("to_code")
        whole = own.join(self.slices, on=SLICE_KEY, how="left", maintain_order="left", validate="m:1")
        return conform_table(whole.with_columns(codes), MAPPED_FIGURE)


def store_large_answer(project: Project, problem: Problem, current_keys: TableKeys) -> None:
    """Build and store the tables of a large problem that do not hold, with the rows of a small problem's (answer).

    Nothing is stored where its SELECT does not run.
    """
    home, name = project.home, problem.name
    path, sources = state_path(home, "cell", name), public_input_sources(project.catalogue, [name])
    key = current_figures_key(home, name, current_keys)
    if key:
        grid, verdicts = _describe_grid(project, problem, project.as_of), read_table(state_path(home, "verdict", name))
        view = _build_view(project, grid, path, verdicts)
    else:
        temporary = temporary_path(path)
        try:
            key, grid, residuals = _write_cells(project, problem, current_keys, temporary)
            tables = _build_tables(project, grid, temporary)
            view = _build_view(project, grid, temporary, tables[0])
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        nothing = [empty_table(columns) for columns in (HISTORY, CELL_COLUMNS, VERDICT)]
        made = [tables[0], residuals, tables[1], *nothing]
        load_or_build_tables(home, FIGURE_TABLES[1:], name, key, lambda: made, sources)
    answer_key = format_answer_key(current_keys.answer[name], key)
    load_or_build_tables(home, VIEW_TABLES, name, answer_key, lambda: [view, view.clear()], sources)


def _describe_grid(project: Project, problem: Problem, as_of: date) -> _Grid:
    places = select_places(problem, load_geography(project, problem.header.geography).places)
    return _Grid(problem, places.sort("place_code"), len(list_periods(problem, as_of)))


def _write_cells(
    project: Project, problem: Problem, current_keys: TableKeys, temporary: Path
) -> tuple[str, _Grid, pl.DataFrame]:
    """Write the cells to a temporary file; return the key of the tables, the grid, and the residuals."""
    home, name = project.home, problem.name
    system = load_geography(project, problem.header.geography).places
    placed, aside, lost = place_observations(project, problem, load_places(project), set(system["place_code"]))
    residuals = problem_residuals([lost], name, problem.header.geography)
    places = select_places(problem, system).sort("place_code")
    figures = _drop_repeats(placed, places)
    del placed
    known = [current_keys.last_release[name], *population_days(project, problem)]
    validity = find_validity(problem, project.catalogue, group_slices(figures.slices), known, project.as_of)
    key = format_figures_key(current_keys.figures[name], validity)
    grid = _describe_grid(project, problem, validity.first)
    parts = _type_cells(project, grid, figures, aside, validity.first)
    sources = public_input_sources(project.catalogue, [name])
    write_large_table(temporary, state_path(home, "cell", name), parts, key, sources)
    return key, grid, residuals


def _drop_repeats(placed: pl.DataFrame, places: pl.DataFrame) -> _Figures:
    """Drop what figures (MAPPED_FIGURE) repeat, and those of places that are not asked for."""
    # As an expression: to join a column in one piece to a table in several, Polars copies the whole table.
    number = pl.col("to_code").cast(pl.Enum(places["place_code"]), strict=False).to_physical().cast(pl.Int32)
    own = filter_frame(placed.with_columns(number.alias("place")), pl.col("place").is_not_null())
    slices = own.select(*SLICE_KEY, *SLICE_FACTS)[slice_starts(own)].unique(maintain_order=True)
    empty = [name for name in own.columns if own[name].null_count() == own.height and name not in slices.columns]
    return _Figures(own.drop("to_code", *SLICE_FACTS, *empty), slices)


def _type_cells(
    project: Project, grid: _Grid, figures: _Figures, aside: pl.DataFrame, as_of: date
) -> Iterator[pl.DataFrame]:
    """Yield the cells of each measure in order (schema.CELL_COLUMNS), those of some places at a time."""
    problem, catalogue = grid.problem, project.catalogue
    periods, unreadable = list_periods(problem, as_of), find_unreadable_files(project, problem)
    for measure in grid.measures:
        own = _ask_for_one(problem, measure)
        chosen = choose_slices(own, catalogue, figures.slices, as_of, unreadable)
        for first, places in grid.cut_places():
            required = build_grid(own, places, periods).join(chosen, on=ASKED, how="left")
            yield type_grid(own, catalogue, required, figures.select(measure, first, places), aside)


def _ask_for_one(problem: Problem, measure: str) -> Problem:
    """Return the problem with one of its measures only."""
    header = problem.header
    needs = {name: need for name, need in header.needs.items() if name == measure}
    unknowns = tuple(name for name in header.unknowns if name == measure)
    return problem._replace(header=header.model_copy(update={"needs": needs, "unknowns": unknowns}))


def _read_blocks(grid: _Grid, path: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield some columns of the cells of some places at a time, measure by measure as they are stored."""
    stored = pl.scan_parquet(path)
    for first, places in grid.cut_places():
        at, size = first * grid.periods, places.height * grid.periods
        parts = [stored.slice(number * grid.rows + at, size).select(columns) for number in range(len(grid.measures))]
        yield pl.concat(parts).collect()


def _build_tables(project: Project, grid: _Grid, path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Build the verdicts and the discontinuities from stored cells."""
    problem, catalogue = grid.problem, project.catalogue
    cells = filter_frame(pl.read_parquet(path, columns=list(_BORDER_COLUMNS)), is_needed())
    breaks = find_discontinuities(cells, load_neighbours(project, problem.header.geography), catalogue.measures)
    del cells
    people, verdicts = problem_residents(project, problem)[0], []
    for block in _read_blocks(grid, path, _JUDGED_COLUMNS):
        refuse_other_periods(problem, catalogue, block)
        verdicts.append(build_verdicts(block, problem.header, people))
    return pl.concat(verdicts), breaks


def _build_view(project: Project, grid: _Grid, path: Path, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Build the view from stored cells and from the verdicts, which have a row for each of its rows."""
    problem, key = grid.problem, answer_key(grid.problem)
    select = _run_select(project, grid, path, verdicts.select(_ROW))
    if select.select(key).equals(verdicts.select(key)):
        blocks, at = list[pl.DataFrame](), 0
        for cells in _read_blocks(grid, path, _JUDGED_COLUMNS):
            rows = cells.height // len(grid.measures)
            blocks.append(add_statuses(problem, select.slice(at, rows), cells))
            at += rows
        view = pl.concat(blocks)
    else:
        view = add_statuses(problem, select, pl.read_parquet(path, columns=list(_JUDGED_COLUMNS)))
    return add_verdicts(view, verdicts, problem)


def _run_select(project: Project, grid: _Grid, path: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """Run the SELECT of a problem on stored cells."""
    problem = grid.problem
    columns = ["measure", *_ROW, *MEASURE_COLUMNS]
    blocks, size = list[pl.DataFrame](), 0
    for cells in _read_blocks(grid, path, columns):
        size += int(cells.estimated_size())
        blocks.append(_encode_texts(cells))
    places = _encode_texts(load_geography(project, problem.header.geography).places)
    limits = select_limits(problem, size * len(CELL_COLUMNS) // len(columns))
    return run_select(problem, places, pl.concat(blocks), rows, empty_table(MAPPED_FIGURE), limits)


def _encode_texts(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table with its texts as categories, except for those that tables are chosen or joined by."""
    return table.with_columns(pl.col(pl.String).exclude("measure", "place_code").cast(pl.Categorical))
