"""Last steps of a build: from observations to the tables of a problem."""

from datetime import date

import polars as pl

from checks import find_other_periods
from pipelines.apportionment import population_days, problem_residents, problem_residuals
from pipelines.core.errors import CommongroundError
from pipelines.core.periods import format_period
from pipelines.core.schema import OBSERVATION_COLUMNS, empty_table
from pipelines.core.slices import SLICE_KEY
from pipelines.core.store import load_or_build_tables
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.fingerprints import ANSWER_TABLES, compute_table_keys, public_input_sources
from pipelines.declarations.project import Project
from pipelines.gaps.cells import build_cells, group_slices
from pipelines.gaps.discontinuities import add_discontinuity_caveats, find_discontinuities
from pipelines.gaps.history import add_partnership_history, build_history
from pipelines.gaps.need_scope import is_needed
from pipelines.gaps.partnerships import MemberFigures, answer_partnerships
from pipelines.gaps.placing import place_observations, read_denominators
from pipelines.gaps.proxies import apply_proxies
from pipelines.gaps.reference_periods import instant_measures
from pipelines.gaps.validity import Validity, current_answer_key, find_validity, format_answer_key
from pipelines.gaps.verdicts import add_verdicts, build_verdicts
from pipelines.gaps.view import run_problem_select
from pipelines.geography import load_geography, load_neighbours, load_places
from pipelines.observations import TOTAL, load_source_tables


def answer_problem(project: Project, name: str) -> pl.DataFrame:
    """Build the cells, view, verdicts, losses and discontinuities of one problem; return its cells.

    Cells built earlier from the same inputs are read back while they hold (validity). The gap ledger is updated later,
    once the cells have passed their checks (ledger_load.update_ledger).
    """
    current_keys = compute_table_keys(project.catalogue, project.home, project.as_of)
    key, tables = current_answer_key(project.home, name, current_keys), list[pl.DataFrame]()
    if key is None:
        validity, tables = _build_answer(project, project.catalogue.problems[name], current_keys.last_release[name])
        key = format_answer_key(current_keys.answer[name], validity)
    return load_or_build_tables(
        project.home, ANSWER_TABLES, name, key, lambda: tables, public_input_sources(project.catalogue, [name])
    )[0]


def _build_answer(project: Project, problem: Problem, last_release: date) -> tuple[Validity, list[pl.DataFrame]]:
    """Build the tables of an answer (ANSWER_TABLES) as of the first day on which they hold."""
    catalogue, places = project.catalogue, load_places(project)
    system = load_geography(project, problem.header.geography).places
    placed, aside, lost = place_observations(project, problem, places, set(system["place_code"]))
    known = [last_release, *population_days(project, problem)]
    validity = find_validity(problem, catalogue, group_slices(placed), known, project.as_of)
    unreadable = _find_unreadable_files(project, problem)
    built = build_cells(problem, catalogue, system, placed, aside, validity.first, unreadable)
    cells = apply_proxies(built, problem)
    breaks = find_discontinuities(
        cells.filter(is_needed()), load_neighbours(project, problem.header.geography), catalogue.measures
    )
    cells = add_discontinuity_caveats(cells, breaks)
    people = problem_residents(project, problem)[0]
    verdict_table = build_verdicts(cells, problem.header, people)
    refuse_other_periods(problem, catalogue, cells)
    view = add_verdicts(run_problem_select(problem, system, cells, placed), verdict_table, problem)
    residuals = problem_residuals([lost], problem.name, problem.header.geography)
    denominators = _stack_denominators(project, problem)
    history = _build_history(project, problem, placed, system, denominators)
    figures = MemberFigures(system, placed, denominators, people, aside, unreadable)
    partners = answer_partnerships(problem, catalogue, figures, validity.first, view.schema)
    refuse_other_periods(problem, catalogue, partners.cells)
    history = add_partnership_history(history, partners.placed)
    return validity, [cells, view, verdict_table, residuals, breaks, history, *partners[:3]]


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
    totals = [empty_table(TOTAL), *(load_source_tables(project, name).total for name in names)]
    return build_history(placed, pl.concat(totals), system, denominators, project.catalogue.measures)


def _find_unreadable_files(project: Project, problem: Problem) -> dict[str, str]:
    """Find the sources of a problem with a stored file that cannot be read: the file, and why."""
    texts = {}
    for name in set(project.catalogue.problem_sources(problem)) & set(project.catalogue.observation_sources()):
        faults = load_source_tables(project, name).finding.filter(pl.col("reason") == "fetch_failed")
        if faults.height:
            texts[name] = " cannot be read: ".join(faults.select("file", "evidence").row(-1))
    return texts


def refuse_other_periods(problem: Problem, catalogue: Catalogue, cells: pl.DataFrame) -> None:
    """Raise CommongroundError where a cell has a figure for another period than the one requested."""
    wrong = find_other_periods(cells, problem.header.grain, instant_measures(catalogue, problem.measures))
    if wrong.height:
        first = wrong.row(0, named=True)
        raise CommongroundError(
            f"{problem.name}: {first['measure']} of {first['place_code']}: found a figure for "
            f"{format_period(first['reference_start'], first['reference_end'])}, expected one for "
            f"{format_period(first['period_start'], first['period_end'])} (1 of {wrong.height:,} such cells); "
            "nothing was stored. This is a fault in Commonground: please report it"
        )
