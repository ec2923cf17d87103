"""Last steps of a build: from observations to the tables of a problem."""

from datetime import date
from pathlib import PurePath

import polars as pl

from checks import add_caveats, find_other_periods
from pipelines.apportionment import (
    MAPPED_FIGURE,
    RESIDUAL,
    Crosswalk,
    EngineSlices,
    list_parts,
    list_residuals,
    mark_withdrawn_figures,
    place_figures,
    place_on_engine,
    population_days,
    problem_residents,
    problem_residuals,
    slices_without_crosswalk,
    whole_residuals,
)
from pipelines.core.errors import CommongroundError, UnknownNameError
from pipelines.core.periods import format_period
from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table, empty_table
from pipelines.core.slices import SLICE_KEY
from pipelines.core.store import load_or_build_tables
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.fingerprints import ANSWER_TABLES, compute_table_keys, public_input_sources
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.gaps.cells import build_cells, group_slices
from pipelines.gaps.discontinuities import add_discontinuity_caveats, find_discontinuities
from pipelines.gaps.engine_choice import choose_engine_slices, read_engine_slices
from pipelines.gaps.former_codes import split_by_codes_of_period
from pipelines.gaps.history import add_partnership_history, build_history
from pipelines.gaps.need_scope import is_needed
from pipelines.gaps.partnerships import MemberFigures, answer_partnerships
from pipelines.gaps.proxies import apply_proxies
from pipelines.gaps.reference_periods import instant_measures
from pipelines.gaps.refine import (
    mark_absent_rows,
    mark_longer_periods,
    mark_places_outside,
    mark_places_outside_extracts,
    refine_gaps,
    withhold_implausible,
)
from pipelines.gaps.validity import Validity, current_answer_key, find_validity, format_answer_key
from pipelines.gaps.verdicts import add_verdicts, build_verdicts
from pipelines.gaps.view import run_problem_select
from pipelines.geography import (
    PlaceData,
    Places,
    Successor,
    build_crosswalk,
    find_successors,
    load_geography,
    load_neighbours,
    load_place_data,
    load_places,
)
from pipelines.observations import (
    TOTAL,
    SourceTables,
    flag_disagreements,
    load_source_tables,
    read_current,
    scan_observations,
)

Figures = pl.DataFrame | EngineSlices
"""Figures in use: as observations (schema.OBSERVATION_COLUMNS), or as slices that an engine sums."""


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


def place_observations(
    project: Project, problem: Problem, places: Places, target: set[str], geography_data: PlaceData | None = None
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Map the observations of a problem's sources to some places; return MAPPED_FIGURE, rows set aside, and RESIDUAL.

    `geography_data` replaces the stored geography, as for a scenario.
    """
    catalogue = project.catalogue
    placed, aside, lost = (
        [empty_table(MAPPED_FIGURE)],
        [pl.DataFrame(schema=_SET_ASIDE_SCHEMA)],
        [empty_table(RESIDUAL)],
    )
    system = places.register.filter(pl.col("place_code").is_in(sorted(target))).unique("place_code", keep="last")
    for name in catalogue.problem_sources(problem):
        source = catalogue.sources[name]
        if name not in catalogue.observation_sources() or not source.geography:
            continue
        observed = load_source_tables(project, name)
        for system_name, mine, codes in _read_figures(project, problem, name, observed, places):
            moved, gone = _place_source(
                project, problem, name, system_name, mine, codes, places, target, geography_data
            )  # fmt: skip
            lost.append(gone)
            with_gaps = refine_gaps(conform_table(moved, MAPPED_FIGURE), observed.total, system, system_name)
            with_gaps = mark_longer_periods(with_gaps)
            if extracts := [PurePath(release.file).name for release in source.releases if release.extract]:
                with_gaps = mark_places_outside_extracts(with_gaps, extracts)
            if source.returns and source.returns.absent_row:
                with_gaps = mark_absent_rows(with_gaps, source.returns.absent_row)
            if source.returns and source.returns.expected == "seen":
                with_gaps = mark_places_outside(with_gaps)
            placed.append(withhold_implausible(with_gaps, catalogue.measures))
        aside.append(_locate_rows_set_aside(observed, places, target))
    return pl.concat(placed), pl.concat(aside), pl.concat(lost)


def _read_figures(
    project: Project, problem: Problem, name: str, observed: SourceTables, places: Places
) -> list[tuple[str, Figures, list[str]]]:
    """Return a source's figures in use by geography, with its codes: as observations, or as slices of an engine."""
    own, measures = project.catalogue.sources[name].geography or "", problem.measures
    flags = flag_disagreements(project, name, measures)
    large = choose_engine_slices(project, problem, name, [observed.doubt, flags])
    placed_there = set(large.slices["measure"]) if large else set()
    current = read_current(project, name, [measure for measure in measures if measure not in placed_there])
    figures: list[tuple[str, Figures, list[str]]] = []
    if current.height or not large:
        figures += _group_by_places(project, add_caveats(current, flags), own, observed.total, places)
    if large:
        figures += [
            (str(system), large._replace(slices=slices), _list_codes(project, str(system)))
            for (system,), slices in large.slices.group_by("geography", maintain_order=True)
        ]
    return figures


def _list_codes(project: Project, system: str) -> list[str]:
    return load_geography(project, system).places["place_code"].to_list()


def _group_by_places(
    project: Project, observation: pl.DataFrame, own: str, total: pl.DataFrame, places: Places
) -> list[tuple[str, pl.DataFrame, list[str]]]:
    """Split observations, each slice from one release, by the geography and the codes of their places."""
    parts = observation.partition_by("geography", as_dict=True, maintain_order=True) or {(own,): observation}
    return [
        (str(system), slices.observation, slices.codes)
        for (system,), frame in parts.items()
        for slices in split_by_codes_of_period(frame, total, _list_codes(project, str(system)), places)
    ]


def _place_source(
    project: Project, problem: Problem, name: str, system: str, figures: Figures, codes: list[str],
    places: Places, target: set[str], geography_data: PlaceData | None,
) -> tuple[pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """Map one source's observations of places (`codes`) to some places; return MAPPED_FIGURE and RESIDUAL."""
    measures = project.catalogue.measures
    source = project.catalogue.sources[name].model_copy(update={"geography": system})
    successors = find_successors(places, codes, target)
    parts = list_parts(successors)
    result = _apportion_source(project, problem, source, figures, codes, places, successors, target, geography_data)
    if result is None:
        moved, rows = _move_figures(project, source, figures, Crosswalk(parts))
        result = moved, whole_residuals(rows, set(successors), measures)
    return _mark_withdrawn(project, name, result[0], parts), result[1]


def _move_figures(
    project: Project, source: Source, figures: Figures, crosswalk: Crosswalk, allowed: frozenset[str] = frozenset()
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Place figures by a crosswalk; return MAPPED_FIGURE and the observations of which residuals are made."""
    measures = project.catalogue.measures
    if isinstance(figures, EngineSlices):
        return place_on_engine(figures, crosswalk, measures, allowed)
    return place_figures(figures, crosswalk, measures, read_denominators(project, source), allowed), figures


def _mark_withdrawn(project: Project, name: str, placed: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """Mark places with a figure in an earlier release only; releases are read where a slice has several."""
    empty = placed.filter(pl.col("reason") == "not_returned")["measure"].unique()
    slices = load_source_tables(project, name).slice.filter(pl.col("measure").is_in(empty.implode()))
    revised = slices.group_by(SLICE_KEY).len().filter(pl.col("len") > 1)["measure"].unique().to_list()
    if not revised:
        return placed
    columns = (*SLICE_KEY, "place_code", "value", "released_at", "order")
    figures = scan_observations(project, name).filter(pl.col("measure").is_in(revised)).select(columns).collect()
    return mark_withdrawn_figures(placed, figures, parts)


def _apportion_source(
    project: Project, problem: Problem, source: Source, figures: Figures, codes: list[str], places: Places,
    successors: dict[str, Successor], target: set[str], geography_data: PlaceData | None,
) -> tuple[pl.DataFrame, pl.DataFrame] | None:  # fmt: skip
    """Apportion observations where a boundary cuts areas or code changes alone do not suffice; else return None.

    Returns MAPPED_FIGURE and RESIDUAL.
    """
    system = source.geography or ""
    whole = [code for code, successor in successors.items() if len(successor.codes) == 1]
    if len(whole) == len(codes) or _list_slices(figures).is_empty():
        return None
    geography_data = geography_data or load_place_data(project, places)
    moved, lost = [], []
    for group, day, part in _group_by_weights(figures, geography_data, project):
        try:
            crosswalk = build_crosswalk(geography_data, system, problem.header.geography, group, day, frozenset(target))
        except UnknownNameError:
            every = read_engine_slices(project, figures) if isinstance(figures, EngineSlices) else figures
            gone = whole_residuals(every, set(), project.catalogue.measures)
            return slices_without_crosswalk(every, sorted(target), system), gone
        source_codes = set(crosswalk.drop_nulls(["from_code", "to_code"])["from_code"])
        if source_codes <= set(successors):
            return None
        allowed = frozenset(name for name, need in problem.header.measure_needs.items() if need.downscale)
        placed, rows = _move_figures(project, source, part, Crosswalk(crosswalk, group), allowed)
        moved.append(placed)
        lost.append(list_residuals(rows, crosswalk, project.catalogue.measures))
    return pl.concat(moved), pl.concat(lost)


def _list_slices(figures: Figures) -> pl.DataFrame:
    """Return a table with the columns of SLICE_KEY for every slice: a row for each, or for each of its observations."""
    return figures.slices if isinstance(figures, EngineSlices) else figures


def _group_by_weights(figures: Figures, geography_data: PlaceData, project: Project) -> list[tuple[str, date, Figures]]:
    """Split slices by the population group that apportions them and the day of the nearest set of weights."""
    rows = _list_slices(figures)
    days = sorted({weight_set.day for areas in geography_data.areas for weight_set in areas.weights})
    groups = {name: project.catalogue.weight_group(name) for name in rows["measure"].unique()}
    slices = rows.select(SLICE_KEY).unique(maintain_order=True).with_columns(
        pl.col("measure").replace_strict(groups, return_dtype=pl.String).alias("group"),
        pl.col("period_end").map_elements(
            lambda end: min(days, key=lambda day: abs((day - end).days), default=end), return_dtype=pl.Date
        ).alias("day"),
    )  # fmt: skip
    if slices.select("group", "day").n_unique() == 1:
        return [(*slices.select("group", "day").row(0), figures)]
    with_group = rows.join(slices, on=SLICE_KEY, maintain_order="left")
    parts = with_group.partition_by("group", "day", as_dict=True, include_key=False, maintain_order=True)
    return [
        (str(group), day, figures._replace(slices=part) if isinstance(figures, EngineSlices) else part)
        for (group, day), part in parts.items()
    ]


def read_denominators(project: Project, source: Source) -> pl.DataFrame:
    """Read the observations of the denominators of a source's rates, where both use the same geography."""
    catalogue = project.catalogue
    denominator_names = sorted({measure.denominator for measure in source.measures.values() if measure.denominator})
    owners = sorted(
        {catalogue.measure_source[name] for name in denominator_names} & set(catalogue.observation_sources())
    )
    observations = [
        read_current(project, name, denominator_names)
        for name in owners
        if catalogue.sources[name].geography == source.geography
    ]
    nothing = empty_table(OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))
    return pl.concat([nothing, *observations])


_SET_ASIDE_SCHEMA = {
    **{name: OBSERVATION_COLUMNS[name].dtype for name in ("measure",)},
    "to_code": pl.String,
    "period_start": pl.Date,
    "reason": pl.String,
    "evidence": pl.String,
}


def _locate_rows_set_aside(observed: SourceTables, places: Places, target: set[str]) -> pl.DataFrame:
    """Map the rows set aside in the newest release to the places of the problem."""
    last = observed.set_aside.filter(pl.col("order") == pl.col("order").max())
    successors = find_successors(places, last["place_code"].unique().to_list(), target)
    to = {code: successor.codes[0] for code, successor in successors.items()}
    return last.select(
        "measure",
        pl.col("place_code").replace_strict(to, default=None, return_dtype=pl.String).alias("to_code"),
        "period_start",
        pl.col("fault").alias("reason"),
        pl.col("fault_evidence").alias("evidence"),
    ).drop_nulls("to_code")
