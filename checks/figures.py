"""All checks of figures: a function added here runs on every source."""

import polars as pl

from checks.doubt import FIGURE_KEY, PLAUSIBILITY_FLAG, keep_first_flags
from checks.expected import fit_expected
from checks.plausible import find_implausible_figures, find_near_zero_leaks, find_partial_returns, find_suspected_zeros
from checks.repeats import find_repeated_values, find_undeclared_rounding
from checks.together import flag_combined_areas
from checks.units import find_changes_between_releases, find_unit_changes
from checks.upheld import LargerAreas, add_kept_levels, drop_confirmed_flags
from pipelines.core.schema import empty_table
from pipelines.core.slices import newest_slices
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure


def flag_figures(
    observation: pl.DataFrame, measures: dict[str, Measure], larger: LargerAreas | None = None
) -> pl.DataFrame:
    """Flag implausible figures of one source; return PLAUSIBILITY_FLAG.

    Takes observations of all releases (schema.OBSERVATION_COLUMNS and `order`). It judges the newest release of each
    period, which cells use, and compares it with the release before for changes of unit. `larger` has
    the source's figures for larger areas: a low figure that agrees with its totals is not flagged as low.
    """
    current = newest_slices(observation)
    if current.is_empty():
        return empty_table(PLAUSIBILITY_FLAG)
    fitted = fit_expected(current, measures)
    additive = [name for name, measure in measures.items() if measure.kind in ADDITIVE_KINDS]
    with_levels = add_kept_levels(fitted, additive)
    low = keep_first_flags(
        [
            find_suspected_zeros(fitted, additive),
            find_near_zero_leaks(fitted),
            find_partial_returns(with_levels, additive),
        ]
    )
    if larger:
        low = drop_confirmed_flags(low, observation, current, larger, measures)
    repeats = find_repeated_values(fitted)
    level_flags = keep_first_flags(
        [
            flag_combined_areas(fitted),
            find_unit_changes(fitted),
            find_changes_between_releases(_previous_release(observation, current), current),
            low,
            find_implausible_figures(fitted),
        ]
    ).join(repeats, on=FIGURE_KEY, how="anti")
    rounding_flags = find_undeclared_rounding(fitted).join(level_flags, on=FIGURE_KEY, how="anti")
    plain = [name for name, measure in measures.items() if not measure.rounding]
    return pl.concat([level_flags, repeats, rounding_flags.filter(pl.col("measure").is_in(plain))])


def _previous_release(observation: pl.DataFrame, current: pl.DataFrame) -> pl.DataFrame:
    """Return the release before the one in use, for each slice."""
    used = current.select("measure", "period_start", "period_end", pl.col("order").alias("used")).unique()
    older = observation.join(used, on=["measure", "period_start", "period_end"]).filter(
        pl.col("order") < pl.col("used")
    )
    return newest_slices(older.drop("used"))
