"""Last steps of a build: from observations to the tables of a problem."""

from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.apportionment import MAPPED_FIGURE, population_days, problem_residents, problem_residuals
from pipelines.core.ordering import filter_frame
from pipelines.core.schema import OBSERVATION_COLUMNS, empty_table
from pipelines.core.slices import SLICE_KEY
from pipelines.core.store import load_or_build_tables, read_table, state_path
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.fingerprints import (
    FIGURE_TABLES,
    VIEW_TABLES,
    TableKeys,
    compute_table_keys,
    public_input_sources,
)
from pipelines.declarations.project import Project
from pipelines.gaps.cells import build_cells, find_unreadable_files, group_slices, refuse_other_periods
from pipelines.gaps.discontinuities import add_discontinuity_caveats, find_discontinuities
from pipelines.gaps.grid import list_periods
from pipelines.gaps.history import MAX_HISTORY_PLACES, add_partnership_history, build_history
from pipelines.gaps.need_scope import is_needed
from pipelines.gaps.partnerships import (
    MemberFigures,
    PartnershipAnswer,
    answer_partnerships,
    build_partnership_view,
)
from pipelines.gaps.placing import place_observations, read_denominators
from pipelines.gaps.proxies import apply_proxies
from pipelines.gaps.validity import (
    Validity,
    current_answer_key,
    current_figures_key,
    find_validity,
    format_answer_key,
    format_figures_key,
)
from pipelines.gaps.verdicts import add_verdicts, build_verdicts
from pipelines.gaps.view import list_history_measures, run_problem_select
from pipelines.geography import load_geography, load_neighbours, load_places
from pipelines.observations import TOTAL, load_source_table


def answer_problem(project: Project, name: str) -> pl.DataFrame:
    """Build the cells, view, verdicts, losses and discontinuities of one problem; return its cells.

    Of more than FEWEST_CELLS cells, only CHECKED_COLUMNS are returned: all columns take half a gigabyte a million.
    Tables built earlier from the same inputs are read back while they hold (validity). Where only the SELECT has
    changed, the views alone are made again. The gap ledger is updated later, once the cells have passed their checks
    (ledger_load.update_ledger).
    """
    current_keys = compute_table_keys(project.catalogue, project.home, project.as_of)
    problem = project.catalogue.problems[name]
    if current_answer_key(project.home, name, current_keys) is None:
        if not is_large_problem(project, problem):
            return _store_answer(project, problem, current_keys)
        # Few projects have a large problem.
        from pipelines.gaps.large_answer import store_large_answer

        store_large_answer(project, problem, current_keys)
    return _read_cells(state_path(project.home, "cell", name))


def _read_cells(path: Path) -> pl.DataFrame:
    if pl.scan_parquet(path).select(pl.len()).collect().item() <= FEWEST_CELLS:
        return read_table(path)
    from pipelines.gaps.large_answer import CHECKED_COLUMNS

    return read_table(path, CHECKED_COLUMNS)


FEWEST_CELLS = 1 << 18
"""Most cells of a problem that is answered as one table."""


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


def _store_answer(project: Project, problem: Problem, current_keys: TableKeys) -> pl.DataFrame:
    """Build and store the tables of a problem that do not hold; return its cells.

    Nothing is stored where its SELECT does not run.
    """
    home, name = project.home, problem.name
    key = current_figures_key(home, name, current_keys)
    if key and not list_history_measures(problem):
        figures = _Figures(*(read_table(state_path(home, kind, name)) for kind in FIGURE_TABLES))
        nothing = empty_table(MAPPED_FIGURE)
        views = _build_views(project, problem, figures, nothing, nothing)
    else:
        validity, figures, views = _build_answer(project, problem, current_keys.last_release[name])
        key = format_figures_key(current_keys.figures[name], validity)
    sources = public_input_sources(project.catalogue, [name])
    cells = load_or_build_tables(home, FIGURE_TABLES, name, key, lambda: figures, sources)[0]
    answer_key = format_answer_key(current_keys.answer[name], key)
    load_or_build_tables(home, VIEW_TABLES, name, answer_key, lambda: views, sources)
    return cells


class _Figures(NamedTuple):
    """Tables of a problem that its SELECT does not change, in the order of FIGURE_TABLES."""

    cells: pl.DataFrame
    verdicts: pl.DataFrame
    residuals: pl.DataFrame
    discontinuities: pl.DataFrame
    history: pl.DataFrame
    partnership_cells: pl.DataFrame
    partnership_verdicts: pl.DataFrame


def _build_answer(
    project: Project, problem: Problem, last_release: date
) -> tuple[Validity, _Figures, list[pl.DataFrame]]:
    """Build the tables of figures of an answer and its views, as of the first day on which they hold."""
    catalogue, places = project.catalogue, load_places(project)
    system = load_geography(project, problem.header.geography).places
    placed, aside, lost = place_observations(project, problem, places, set(system["place_code"]))
    known = [last_release, *population_days(project, problem)]
    validity = find_validity(problem, catalogue, group_slices(placed), known, project.as_of)
    unreadable = find_unreadable_files(project, problem)
    built = build_cells(problem, catalogue, system, placed, aside, validity.first, unreadable)
    cells = apply_proxies(built, problem)
    breaks = find_discontinuities(
        filter_frame(cells, is_needed()), load_neighbours(project, problem.header.geography), catalogue.measures
    )
    cells = add_discontinuity_caveats(cells, breaks)
    people = problem_residents(project, problem)[0]
    verdicts = build_verdicts(cells, problem.header, people)
    refuse_other_periods(problem, catalogue, cells)
    residuals = problem_residuals([lost], problem.name, problem.header.geography)
    denominators = _stack_denominators(project, problem)
    history = _build_history(project, problem, placed, system, denominators)
    members = MemberFigures(system, placed, denominators, people, aside, unreadable)
    partners = answer_partnerships(problem, catalogue, members, validity.first)
    refuse_other_periods(problem, catalogue, partners.cells)
    history = add_partnership_history(history, partners.placed)
    figures = _Figures(cells, verdicts, residuals, breaks, history, partners.cells, partners.verdicts)
    return validity, figures, _build_views(project, problem, figures, placed, partners.placed)


def _build_views(
    project: Project, problem: Problem, figures: _Figures, placed: pl.DataFrame, partnership_placed: pl.DataFrame
) -> list[pl.DataFrame]:
    """Build the views of a problem and of its partnerships (VIEW_TABLES) from its tables of figures.

    A SELECT that reads no history needs no placed figures (MAPPED_FIGURE).
    """
    system = load_geography(project, problem.header.geography).places
    select = run_problem_select(problem, system, figures.cells, placed)
    view = add_verdicts(select, figures.verdicts, problem)
    partners = PartnershipAnswer(figures.partnership_cells, figures.partnership_verdicts, partnership_placed)
    return [view, build_partnership_view(problem, project.catalogue, system, partners, view.schema)]


def _stack_denominators(project: Project, problem: Problem) -> pl.DataFrame:
    """Stack the observations of the denominators of a problem's rates, of sources in its geography."""
    catalogue = project.catalogue
    denominators = [
        read_denominators(project, catalogue.sources[name])
        for name in _observed_sources(project, problem)
        if catalogue.sources[name].geography == problem.header.geography
    ]
    nothing = empty_table(OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))
    return pl.concat([nothing, *denominators]).unique([*SLICE_KEY, "place_code"], keep="first", maintain_order=True)


def _observed_sources(project: Project, problem: Problem) -> list[str]:
    catalogue = project.catalogue
    return [name for name in catalogue.problem_sources(problem) if name in catalogue.observation_sources()]


def _build_history(
    project: Project, problem: Problem, placed: pl.DataFrame, system: pl.DataFrame, denominators: pl.DataFrame
) -> pl.DataFrame:
    """Build the figures of a problem's measures over time (history.HISTORY)."""
    names = _observed_sources(project, problem)
    totals = [empty_table(TOTAL), *(load_source_table(project, name, "total") for name in names)]
    return build_history(placed, pl.concat(totals), system, denominators, project.catalogue.measures)
