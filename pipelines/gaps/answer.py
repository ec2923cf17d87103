"""Last steps of a build: from observations to the tables of a problem."""

from datetime import date

import polars as pl

from checks import cautioned_by, of_another_period
from pipelines.apportionment import (
    LOSS,
    PLACED,
    Way,
    averaged,
    list_losses,
    nowhere,
    of_problem,
    people_in,
    place_slices,
    roll,
    share_out,
    weights_for,
    whole_losses,
    withdrawn,
)
from pipelines.core.errors import CommongroundError, UnknownNameError
from pipelines.core.periods import say
from pipelines.core.schema import OBSERVATION, conformed, empty
from pipelines.core.slices import SLICE, newest
from pipelines.core.store import cached_tables
from pipelines.declarations.catalogue import Catalogue, Problem
from pipelines.declarations.fingerprints import ANSWERED, keys, rests_on
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.gaps.cells import typed_cells
from pipelines.gaps.discontinuities import cliffs, with_cliffs
from pipelines.gaps.proxies import stood_in
from pipelines.gaps.reference_periods import instants
from pipelines.gaps.refine import wider_gaps, withheld
from pipelines.gaps.verdicts import shown, verdicts
from pipelines.gaps.view import answer
from pipelines.geography import (
    Geography,
    Places,
    Reach,
    build_crosswalk,
    geography,
    links,
    neighbours_in,
    place_system,
    register_places,
)
from pipelines.observations import Observed, disagreements, observe_source


def answer_problem(project: Project, name: str) -> pl.DataFrame:
    """Build the cells, view, verdicts, losses and discontinuities of one problem; return its cells.

    Cells built earlier from the same inputs are read back. The ledger of gaps is updated later, once the cells have
    passed their checks (ledger_load.record).
    """
    key = keys(project.catalogue, project.home, project.as_of).answer[name]

    def make() -> tuple[pl.DataFrame, ...]:
        problem = project.catalogue.problems[name]
        places = register_places(project)
        system = place_system(project, problem.header.geography).places
        placed, aside, lost = placed_slices(project, problem, places, set(system["place_code"]))
        cells = stood_in(typed_cells(problem, project.catalogue, system, placed, aside, project.as_of), problem)
        beside = neighbours_in(project, problem.header.geography)
        breaks = cliffs(cells, beside, project.catalogue.measures)
        cells = with_cliffs(cells, breaks)
        judged = verdicts(cells, problem.header, people_in(project, problem)[0])
        refuse_other_periods(problem, project.catalogue, cells)
        view = shown(answer(problem, system, cells, placed), judged, problem)
        return cells, view, judged, of_problem([lost], name, problem.header.geography), breaks

    return cached_tables(project.home, ANSWERED, name, key, make, rests_on(project.catalogue, [name]))[0]


def refuse_other_periods(problem: Problem, catalogue: Catalogue, cells: pl.DataFrame) -> None:
    """Raise CommongroundError where a cell has a figure for another period than the one requested."""
    wrong = of_another_period(cells, problem.header.grain, instants(catalogue, problem.measures))
    if wrong.height:
        first = wrong.row(0, named=True)
        raise CommongroundError(
            f"{problem.name}: {first['measure']} of {first['place_code']}: found a figure for "
            f"{say(first['value_start'], first['value_end'])}, expected one for "
            f"{say(first['period_start'], first['period_end'])} (1 of {wrong.height:,} such cells); "
            "nothing was stored. This is a fault in Commonground: please report it"
        )


def placed_slices(
    project: Project, problem: Problem, places: Places, target: set[str], held: Geography | None = None
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Map the observations of a problem's sources to some places; return PLACED, rows set aside, and LOSS.

    `held` replaces the stored geography, as for a scenario.
    """
    catalogue = project.catalogue
    placed, aside, lost = [empty(PLACED)], [pl.DataFrame(schema=_ASIDE)], [empty(LOSS)]
    system = places.register.filter(pl.col("place_code").is_in(sorted(target))).unique("place_code", keep="last")
    for name in catalogue.sources_of(problem):
        source = catalogue.sources[name]
        if name not in catalogue.observing() or not source.geography:
            continue
        seen = observe_source(project, name)
        asked = seen.observation.filter(pl.col("measure").is_in(list(problem.measures)))
        observation = cautioned_by(asked, disagreements(project, name, asked))
        for of, mine in _by_system(observation, source.geography):
            moved, gone = _moved(
                project, problem, source.model_copy(update={"geography": of}), mine, places, target, held
            )
            lost.append(gone)
            told = wider_gaps(conformed(moved, PLACED), seen.total, system, of)
            placed.append(withheld(told, catalogue.measures))
        aside.append(_aside(seen, places, target))
    return pl.concat(placed), pl.concat(aside), pl.concat(lost)


def _by_system(observation: pl.DataFrame, own: str) -> list[tuple[str, pl.DataFrame]]:
    """Split observations by the place system of the newest release of each slice."""
    systems = newest(observation).select(*SLICE, pl.col("place_system").alias("of")).unique(SLICE)
    told = observation.join(systems, on=SLICE, maintain_order="left")
    parts = told.partition_by("of", as_dict=True, include_key=False, maintain_order=True)
    return [(str(of), frame) for (of,), frame in parts.items()] or [(own, observation)]


def _moved(
    project: Project, problem: Problem, source: Source, observation: pl.DataFrame, places: Places, target: set[str],
    held: Geography | None,
) -> tuple[pl.DataFrame, pl.DataFrame]:  # fmt: skip
    """Map one source's observations in one place system to some places; return PLACED and LOSS."""
    measures = project.catalogue.measures
    found = links(places, place_system(project, source.geography or "").places["place_code"].to_list(), target)
    parts = roll(found)
    shared = _shared(project, problem, source, observation, places, found, target, held)
    if shared is None:
        current = newest(observation)
        weights = weights_for(current, denominators(project, source), measures)
        moved = averaged(place_slices(current, parts, measures), current, parts, weights)
        shared = moved, whole_losses(current, set(found), measures)
    return withdrawn(shared[0], observation, parts), shared[1]


def _shared(
    project: Project, problem: Problem, source: Source, observation: pl.DataFrame, places: Places,
    found: dict[str, Reach], target: set[str], held: Geography | None,
) -> tuple[pl.DataFrame, pl.DataFrame] | None:  # fmt: skip
    """Apportion observations where a boundary cuts areas or code changes alone do not suffice; else return None.

    Returns PLACED and LOSS.
    """
    system = source.geography or ""
    whole = [code for code, reach in found.items() if len(reach.codes) == 1]
    own = place_system(project, system).places["place_code"]
    if len(whole) == len(own) or observation.is_empty():
        return None
    held = held or geography(project, places)
    current = newest(observation)
    moved, lost = [], []
    for group, day, slices in _by_weights(current, held, project):
        try:
            drawn = build_crosswalk(held, system, problem.header.geography, group, day, frozenset(target))
        except UnknownNameError:
            gone = whole_losses(current, set(), project.catalogue.measures)
            return nowhere(current, sorted(target), system), gone
        led = set(drawn.drop_nulls(["from_code", "to_code"])["from_code"])
        if led <= set(found):
            return None
        allowed = frozenset(name for name, need in problem.header.needs.items() if need.downscale)
        moved.append(share_out(slices, Way(drawn, group), project.catalogue.measures,
                               denominators(project, source), allowed))  # fmt: skip
        lost.append(list_losses(slices, drawn, project.catalogue.measures))
    return pl.concat(moved), pl.concat(lost)


def _by_weights(observation: pl.DataFrame, held: Geography, project: Project) -> list[tuple[str, date, pl.DataFrame]]:
    """Split slices by the population group that apportions them and the day of the nearest set of weights."""
    days = sorted({each.day for areas in held.areas for each in areas.weights})
    groups = {name: project.catalogue.weighed_by(name) for name in observation["measure"].unique()}
    slices = observation.select(SLICE).unique(maintain_order=True).with_columns(
        pl.col("measure").replace_strict(groups, return_dtype=pl.String).alias("group"),
        pl.col("period_end").map_elements(
            lambda end: min(days, key=lambda day: abs((day - end).days), default=end), return_dtype=pl.Date
        ).alias("day"),
    )  # fmt: skip
    told = observation.join(slices, on=SLICE, maintain_order="left")
    parts = told.partition_by("group", "day", as_dict=True, include_key=False, maintain_order=True)
    return [(str(group), day, frame) for (group, day), frame in parts.items()]


def denominators(project: Project, source: Source) -> pl.DataFrame:
    """Read the observations of the denominators of a source's rates, where both use the same place system."""
    catalogue = project.catalogue
    wanted = sorted({measure.denominator for measure in source.measures.values() if measure.denominator})
    owners = sorted({catalogue.measure_source[each] for each in wanted} & set(catalogue.observing()))
    held = [
        observe_source(project, each).observation
        for each in owners
        if catalogue.sources[each].geography == source.geography
    ]
    found = pl.concat([empty(OBSERVATION).with_columns(pl.lit(0, pl.Int64).alias("order")), *held])
    return newest(found.filter(pl.col("measure").is_in(wanted)))


_ASIDE = {
    **{name: OBSERVATION[name].dtype for name in ("measure",)},
    "to_code": pl.String,
    "period_start": pl.Date,
    "reason": pl.String,
    "evidence": pl.String,
}


def _aside(seen: Observed, places: Places, target: set[str]) -> pl.DataFrame:
    """Map the rows set aside in the newest release to the places of the problem."""
    last = seen.set_aside.filter(pl.col("order") == pl.col("order").max())
    reach = links(places, last["place_code"].unique().to_list(), target)
    to = {code: found.codes[0] for code, found in reach.items()}
    return last.select(
        "measure",
        pl.col("place_code").replace_strict(to, default=None, return_dtype=pl.String).alias("to_code"),
        "period_start",
        pl.col("fault").alias("reason"),
        pl.col("fault_evidence").alias("evidence"),
    ).drop_nulls("to_code")
