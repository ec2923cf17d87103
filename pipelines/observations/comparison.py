"""Setting a source's figures beside what others say: which measures to compare, and what comes of it."""

from collections.abc import Collection

import polars as pl

from checks import DOUBT, conflict, inconsistent_rate, low_reach
from pipelines.core.schema import OBSERVATION, empty
from pipelines.core.slices import newest
from pipelines.core.store import state_path
from pipelines.declarations.project import Project
from pipelines.observations.access import observe_source


def disagreements(project: Project, name: str, observation: pl.DataFrame) -> pl.DataFrame:
    """Give the doubts (checks.doubt.DOUBT) of a source's figures that come of what others say.

    Only figures of one place system are compared, each of its newest release.
    """
    catalogue = project.catalogue
    wanted = catalogue.compared[name]
    held = _held(project, name, wanted) if wanted else empty(OBSERVATION)
    current = newest(observation)
    tables = [empty(DOUBT)]
    for measure, each in catalogue.sources[name].measures.items():
        mine = current.filter(pl.col("measure") == measure, pl.col("value").is_not_null())
        same = [other for other in wanted if other == each.same_as or catalogue.measures[other].same_as == measure]
        tables += [conflict(mine, _of(held, other)) for other in same]
        if each.numerator and each.denominator:
            tables.append(inconsistent_rate(mine, _of(held, each.numerator), _of(held, each.denominator)))
        if each.expected_population:
            tables.append(low_reach(mine, _of(held, each.expected_population)))
    return pl.concat(tables)


def _of(held: pl.DataFrame, measure: str) -> pl.DataFrame:
    return held.filter(pl.col("measure") == measure)


def _held(project: Project, name: str, wanted: tuple[str, ...]) -> pl.DataFrame:
    catalogue = project.catalogue
    owners = sorted({catalogue.measure_source[each] for each in wanted} & set(catalogue.observing()))
    system = catalogue.sources[name].geography
    tables = [
        observe_source(project, each).observation for each in owners if catalogue.sources[each].geography == system
    ]
    nothing = empty(OBSERVATION).with_columns(pl.lit(0, pl.Int64).alias("order"))
    return newest(pl.concat([nothing, *tables]).filter(pl.col("measure").is_in(wanted)))


def all_disagreements(project: Project, asked: Collection[str] | None = None) -> pl.DataFrame:
    """Give the doubts of the figures of some sources, or of every one read, that come of what others say."""
    named = [name for name in project.catalogue.observing() if asked is None or name in asked]
    read = (name for name in named if state_path(project.home, "observation", name).is_file())
    names = [name for name in read if project.catalogue.compared[name]]
    return pl.concat(
        [empty(DOUBT), *(disagreements(project, name, observe_source(project, name).observation) for name in names)]
    )
