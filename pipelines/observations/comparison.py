"""Comparison of a source's figures with those of other sources: which measures, and which plausibility flags result."""

from collections.abc import Collection

import polars as pl

from checks import PLAUSIBILITY_FLAG, find_conflicts, find_inconsistent_rates, find_low_reach
from pipelines.core.schema import OBSERVATION_COLUMNS, empty_table
from pipelines.declarations.project import Project
from pipelines.observations.access import has_observations, read_current
from pipelines.observations.providers import flag_provider_shortfalls


def flag_disagreements(project: Project, name: str, measures: Collection[str] | None = None) -> pl.DataFrame:
    """Return plausibility flags (checks.flags.PLAUSIBILITY_FLAG) where a source's figures disagree with other sources.

    `measures` selects some of the source's measures; by default all are compared. Only figures in the same geography
    are compared, each from its newest release. Also flags places of which the provider's sum falls short.
    """
    catalogue = project.catalogue
    compared = catalogue.comparable_measures[name]
    others = _other_observations(project, name, compared) if compared else empty_table(OBSERVATION_COLUMNS)
    current = read_current(project, name, measures) if compared else empty_table(OBSERVATION_COLUMNS)
    tables = [flag_provider_shortfalls(project, name, measures)]
    for measure, definition in catalogue.sources[name].measures.items():
        mine = current.filter(pl.col("measure") == measure, pl.col("value").is_not_null())
        same = [
            other for other in compared if other == definition.same_as or catalogue.measures[other].same_as == measure
        ]
        tables += [find_conflicts(mine, _rows_of_measure(others, other)) for other in same]
        if definition.numerator and definition.denominator:
            tables.append(
                find_inconsistent_rates(
                    mine,
                    _rows_of_measure(others, definition.numerator),
                    _rows_of_measure(others, definition.denominator),
                )
            )
        if definition.expected_population:
            tables.append(find_low_reach(mine, _rows_of_measure(others, definition.expected_population)))
    return pl.concat(tables)


def _rows_of_measure(observation: pl.DataFrame, measure: str) -> pl.DataFrame:
    return observation.filter(pl.col("measure") == measure)


def _other_observations(project: Project, name: str, measures: tuple[str, ...]) -> pl.DataFrame:
    catalogue = project.catalogue
    owners = sorted({catalogue.measure_source[item] for item in measures} & set(catalogue.observation_sources()))
    system = catalogue.sources[name].geography
    tables = [read_current(project, item, measures) for item in owners if catalogue.sources[item].geography == system]
    return pl.concat([empty_table(OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order")), *tables])


def all_disagreement_flags(project: Project, selection: Collection[str] | None = None) -> pl.DataFrame:
    """Return the disagreement flags of the selected sources, or of all, that have stored observations."""
    selected = [name for name in project.catalogue.observation_sources() if selection is None or name in selection]
    available = (name for name in selected if has_observations(project.home, name))
    names = [name for name in available if _is_compared(project, name)]
    return pl.concat(
        [
            empty_table(PLAUSIBILITY_FLAG),
            *(flag_disagreements(project, name) for name in names),
        ]
    )


def _is_compared(project: Project, name: str) -> bool:
    returns = project.catalogue.sources[name].returns
    return bool(project.catalogue.comparable_measures[name] or (returns and returns.geography))
