"""Placing of a problem's observations: from the newest figures of its sources to figures of its places.

Figures are read and placed some slices at a time, so that memory does not grow with a source. What slices share, such
as successors and crosswalks, is built once for a geography, and the figures of a source that several problems of a
geography ask for are placed once.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from datetime import date
from functools import cache, partial
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
import polars as pl

from checks import add_caveats
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
    slices_without_crosswalk,
    whole_residuals,
)
from pipelines.core.errors import UnknownNameError
from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table, empty_table
from pipelines.core.slices import SLICE_KEY, slice_starts, take_slices
from pipelines.core.table_cache import keep_results
from pipelines.declarations.catalogue import Problem
from pipelines.declarations.fingerprints import TableKeys, compute_table_keys
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.gaps.engine_choice import choose_engine_slices, read_engine_slices
from pipelines.gaps.former_codes import split_by_codes_of_period
from pipelines.gaps.refine import (
    mark_absent_rows,
    mark_longer_periods,
    mark_places_outside,
    mark_places_outside_extracts,
    refine_gaps,
    withhold_implausible,
)
from pipelines.geography import (
    PlaceData,
    Places,
    Successor,
    build_crosswalk,
    find_successors,
    load_geography,
    load_place_data,
    load_places,
)
from pipelines.observations import (
    SourceTables,
    flag_disagreements,
    load_source_tables,
    read_current,
    read_current_batches,
    read_slices,
)

Codes = tuple[str, ...]
Figures = pl.DataFrame | EngineSlices
"""Figures in use: as observations (schema.OBSERVATION_COLUMNS), or as slices that an engine sums."""


class _Succession(NamedTuple):
    """The successors of some codes among the target places, also as a crosswalk; `whole` counts codes with only one."""

    successors: dict[str, Successor]
    parts: pl.DataFrame
    whole: int


class _Weighted(NamedTuple):
    """A crosswalk by a population group, and the codes that it apportions."""

    table: pl.DataFrame
    codes: frozenset[str]


class _Target:
    """The places of a problem, and the crosswalks to these places from any geography, each built once."""

    def __init__(
        self, project: Project, geography: str, places: Places, target: set[str], geography_data: PlaceData | None
    ) -> None:
        self.project, self.geography, self.places, self.target = project, geography, places, target
        self.measures = project.catalogue.measures
        self.asked: tuple[str, ...] = ()
        self.allowed: frozenset[str] = frozenset()
        self.find_succession = cache(self._find_succession)
        self.find_crosswalk = cache(self._find_crosswalk)
        self.load_place_data = cache(lambda: geography_data or load_place_data(project, places))

    def forget_areas(self) -> None:
        """Forget the tables of small areas and what was made from them, which are large."""
        self.load_place_data.cache_clear()
        self.find_crosswalk.cache_clear()

    def ask(self, measures: tuple[str, ...], allowed: frozenset[str]) -> "_Target":
        """Return the same places for some measures, of which those `allowed` may be apportioned to smaller places."""
        asking = copy(self)
        asking.asked, asking.allowed = measures, allowed
        return asking

    def _find_succession(self, codes: Codes) -> _Succession:
        successors = find_successors(self.places, list(codes), self.target)
        whole = sum(len(successor.codes) == 1 for successor in successors.values())
        return _Succession(successors, list_parts(successors), whole)

    def _find_crosswalk(self, system: str, group: str, day: date) -> _Weighted | None:
        """Return the crosswalk from a geography by a population group on a day; None where none is stored."""
        target = frozenset(self.target)
        try:
            table = build_crosswalk(self.load_place_data(), system, self.geography, group, day, target)
        except UnknownNameError:
            return None
        codes = table.drop_nulls(["from_code", "to_code"])["from_code"].unique()
        return _Weighted(table, frozenset(codes.to_list()))


class _Placed(NamedTuple):
    """Placed figures (MAPPED_FIGURE) and RESIDUAL of the slices with one set of codes, batch by batch."""

    figures: list[pl.DataFrame]
    residuals: list[pl.DataFrame]


class SourceFigures(NamedTuple):
    """What a problem uses of a source: placed figures (MAPPED_FIGURE), rows set aside, and RESIDUAL."""

    figures: pl.DataFrame
    set_aside: pl.DataFrame
    residuals: pl.DataFrame


def place_sources(
    project: Project, problem: Problem, target: frozenset[str], geography_data: PlaceData | None = None
) -> list[SourceFigures]:
    """Map the observations of a problem's sources to some places, in the order of list_placed_sources.

    `geography_data` replaces the stored geography, as for a scenario. Without it, problems with the same measures of a
    source get the same tables, as long as the inputs of a build are the same.
    """
    geography, needs = problem.header.geography, _list_needs(project, problem)
    if geography_data:
        replaced = _Target(project, geography, geography_data.places, set(target), geography_data)
        return [_place_source(replaced.ask(*needs[name]), name) for name in needs]
    keys, places = compute_table_keys(project.catalogue, project.home, project.as_of), load_places(project)
    placed = [_place_once(project, keys, places, geography, target, name, *needs[name]) for name in needs]
    _find_target(project, keys, places, geography, target).forget_areas()
    return placed


def _measure_figures(placed: Sequence[pl.DataFrame]) -> float:
    return sum(table.estimated_size() for table in placed)


@keep_results(1, _measure_figures)
def stack_sources(*placed: SourceFigures) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Stack the figures, the rows set aside and the residuals of sources."""
    figures = pl.concat([empty_table(MAPPED_FIGURE), *(one.figures for one in placed)])
    aside = pl.concat([pl.DataFrame(schema=_SET_ASIDE_SCHEMA), *(one.set_aside for one in placed)])
    return figures, aside, pl.concat([empty_table(RESIDUAL), *(one.residuals for one in placed)])


def list_placed_sources(project: Project, problem: Problem) -> list[str]:
    """List the sources with figures that a problem places, in the order of place_sources."""
    return list(_list_needs(project, problem))


def _list_needs(project: Project, problem: Problem) -> dict[str, tuple[tuple[str, ...], frozenset[str]]]:
    """Return for each source with figures the measures that a problem reads, and those that it allows to apportion."""
    catalogue = project.catalogue
    allowed = {name for name, need in problem.header.measure_needs.items() if need.downscale}
    needs = {}
    for name in catalogue.problem_sources(problem):
        if name in catalogue.observation_sources() and catalogue.sources[name].geography:
            own = tuple(measure for measure in problem.measures if catalogue.measure_source[measure] == name)
            needs[name] = own, frozenset(allowed.intersection(own))
    return needs


@keep_results(16, _measure_figures)
def _place_once(
    project: Project, keys: TableKeys, places: Places, geography: str, target: frozenset[str], name: str,
    measures: tuple[str, ...], allowed: frozenset[str],
) -> SourceFigures:  # fmt: skip
    """Place the figures of a source (_place_source). The keys change with the inputs of a build."""
    return _place_source(_find_target(project, keys, places, geography, target).ask(measures, allowed), name)


@keep_results(1)
def _find_target(project: Project, _keys: TableKeys, places: Places, geography: str, target: frozenset[str]) -> _Target:
    return _Target(project, geography, places, set(target), None)


def _place_source(reached: _Target, name: str) -> SourceFigures:
    """Map the observations of one source to the target places."""
    source, observed = reached.project.catalogue.sources[name], load_source_tables(reached.project, name)
    is_place = pl.col("place_code").is_in(sorted(reached.target))
    system = reached.places.register.filter(is_place).unique("place_code", keep="last")
    placed, lost = [empty_table(MAPPED_FIGURE)], [empty_table(RESIDUAL)]
    for (geography, _), parts in _place_by_codes(reached, name, observed).items():
        lost += parts.residuals
        with_gaps = refine_gaps(
            conform_table(pl.concat(parts.figures), MAPPED_FIGURE), observed.total, system, geography
        )
        with_gaps = mark_longer_periods(with_gaps)
        if extracts := [PurePath(release.file).name for release in source.releases if release.extract]:
            with_gaps = mark_places_outside_extracts(with_gaps, extracts)
        if source.returns and source.returns.absent_row:
            with_gaps = mark_absent_rows(with_gaps, source.returns.absent_row)
        if source.returns and source.returns.expected == "seen":
            with_gaps = mark_places_outside(with_gaps)
        placed.append(withhold_implausible(with_gaps, reached.measures))
    aside = _locate_rows_set_aside(observed, reached.places, reached.target)
    return SourceFigures(pl.concat(placed), aside, pl.concat(lost))


class _Part(NamedTuple):
    """Figures in use of one geography and one set of codes, and their slices."""

    system: str
    codes: Codes
    figures: Figures
    slices: pl.DataFrame


def _place_by_codes(reached: _Target, name: str, observed: SourceTables) -> dict[tuple[str, Codes], _Placed]:
    """Place one source's newest figures, some slices at a time, by the geography and the codes of their places."""
    source = reached.project.catalogue.sources[name]
    signed = _measures_below_zero(observed, source)
    denominators = cache(lambda system: read_denominators(reached.project, _in_geography(source, system)))
    placed: dict[tuple[str, Codes], _Placed] = {}
    for part in _read_parts(reached, name, observed):
        moved, gone = _place_slices(reached, part, partial(denominators, part.system), signed)
        moved = _mark_withdrawn(reached, observed, moved, part.slices, reached.find_succession(part.codes).parts)
        so_far = placed.setdefault((part.system, part.codes), _Placed([], []))
        so_far.figures.append(moved)
        so_far.residuals.append(gone)
    return placed


def _read_parts(reached: _Target, name: str, observed: SourceTables) -> Iterator[_Part]:
    """Read a source's figures in use, some slices at a time; those of an engine stay slices."""
    project, measures = reached.project, reached.asked
    flags = flag_disagreements(project, name, measures)
    large = choose_engine_slices(project, measures, name, [observed.doubt, flags])
    placed_there = set(large.slices["measure"]) if large else set()
    for batch in read_current_batches(project, name, [one for one in measures if one not in placed_there]):
        if large and batch.slices.is_empty():
            continue
        system = batch.geography or project.catalogue.sources[name].geography or ""
        figures, codes = add_caveats(batch.observation, flags), _list_codes(project, system)
        for part in split_by_codes_of_period(figures, observed.total, codes, reached.places):
            yield _Part(system, tuple(part.codes), part.observation, batch.slices)
    if large:
        for (system,), slices in large.slices.group_by("geography", maintain_order=True):
            codes = _list_codes(project, str(system))
            yield _Part(str(system), tuple(codes), large._replace(slices=slices), slices)


def _list_codes(project: Project, system: str) -> list[str]:
    return load_geography(project, system).places["place_code"].to_list()


def _in_geography(source: Source, system: str) -> Source:
    return source if source.geography == system else source.model_copy(update={"geography": system})


def _measures_below_zero(observed: SourceTables, source: Source) -> frozenset[str]:
    """Return the measures of a source that are negative in any slice, or by the bound of a marker."""
    if any((marker.lower_bound or 0) < 0 for marker in source.markers.values()):
        return frozenset(source.measures)
    return frozenset(observed.slice.filter(pl.col("min") < 0)["measure"])


def _place_slices(
    reached: _Target, part: _Part, denominators: Callable[[], pl.DataFrame], signed: frozenset[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Map slices of one geography and one set of codes to the target places; return MAPPED_FIGURE and RESIDUAL."""
    move = partial(_move_figures, reached, denominators, signed)
    result = _apportion_slices(reached, part, move)
    if result is not None:
        return result
    succession = reached.find_succession(part.codes)
    moved, rows = move(part.figures, Crosswalk(succession.parts))
    return moved, whole_residuals(rows, set(succession.successors), reached.measures)


def _move_figures(
    reached: _Target, denominators: Callable[[], pl.DataFrame], signed: frozenset[str], figures: Figures,
    crosswalk: Crosswalk, allowed: frozenset[str] = frozenset(),
) -> tuple[pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """Place figures by a crosswalk; return MAPPED_FIGURE and the observations of which residuals are made."""
    if isinstance(figures, EngineSlices):
        return place_on_engine(figures, crosswalk, reached.measures, allowed)
    moved = place_figures(figures, crosswalk, reached.measures, denominators(), allowed, signed_elsewhere=signed)
    return moved, figures


def _mark_withdrawn(
    reached: _Target, observed: SourceTables, placed: pl.DataFrame, own: pl.DataFrame, parts: pl.DataFrame
) -> pl.DataFrame:
    """Mark places with a figure in an earlier release only; releases are read where an `own` slice has several."""
    empty = placed.filter(pl.col("reason") == "not_returned").select("measure", "to_code")
    if empty.is_empty():
        return placed
    mapped = empty.filter(pl.col("to_code").is_in(parts["to_code"].unique().implode()))["measure"].unique()
    slices = observed.slice.filter(pl.col("measure").is_in(mapped.implode()))
    slices = slices.join(own, on=SLICE_KEY, how="semi", maintain_order="left")
    revised = slices.filter((pl.len() > 1).over(SLICE_KEY))
    if revised.is_empty():
        return placed
    columns = (*SLICE_KEY, "place_code", "value", "released_at", "order")
    figures = read_slices(reached.project.home, revised, columns, observed.doubt)
    return mark_withdrawn_figures(placed, figures, parts)


def _apportion_slices(
    reached: _Target, part: _Part, move: Callable[..., tuple[pl.DataFrame, pl.DataFrame]]
) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """Apportion figures where a boundary cuts areas or code changes alone do not suffice; else return None.

    Returns MAPPED_FIGURE and RESIDUAL.
    """
    succession, measures = reached.find_succession(part.codes), reached.measures
    if succession.whole == len(part.codes) or _list_slices(part.figures).is_empty():
        return None
    moved, lost = [], []
    for group, day, figures in _group_by_weights(reached, part.figures):
        crosswalk = reached.find_crosswalk(part.system, group, day)
        if crosswalk is None:
            every = _read_observations(reached.project, part.figures)
            gone = whole_residuals(every, set(), measures)
            return slices_without_crosswalk(every, sorted(reached.target), part.system), gone
        if crosswalk.codes <= succession.successors.keys():
            return None
        placed, rows = move(figures, Crosswalk(crosswalk.table, group), reached.allowed)
        moved.append(placed)
        lost.append(list_residuals(rows, crosswalk.table, measures))
    return pl.concat(moved), pl.concat(lost)


def _read_observations(project: Project, figures: Figures) -> pl.DataFrame:
    return read_engine_slices(project, figures) if isinstance(figures, EngineSlices) else figures


def _list_slices(figures: Figures) -> pl.DataFrame:
    """Return a table with the columns of SLICE_KEY for every slice: a row for each, or for each of its observations."""
    return figures.slices if isinstance(figures, EngineSlices) else figures


def _group_by_weights(reached: _Target, figures: Figures) -> Iterator[tuple[str, date, Figures]]:
    """Split slices by the population group that apportions them and the day of the nearest set of weights."""
    days = sorted({weight_set.day for areas in reached.load_place_data().areas for weight_set in areas.weights})
    rows = _list_slices(figures)
    starts = slice_starts(rows)
    weights = [
        (reached.project.catalogue.weight_group(measure), min(days, key=lambda day: abs((day - end).days), default=end))
        for measure, end in rows[starts].select("measure", "period_end").iter_rows()
    ]
    for pair in dict.fromkeys(weights):
        part = take_slices(rows, starts, np.array([weight == pair for weight in weights]))
        yield *pair, figures._replace(slices=part) if isinstance(figures, EngineSlices) else part


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
