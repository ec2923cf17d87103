"""Every check of figures, by name: add a function and its name here, and it looks at every source."""

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
    """Look at the figures in use of one source; give DOUBT.

    Takes observations of all releases (schema.OBSERVATION_COLUMNS and `order`). Judged are those of the newest release
    that has the period, for no answer takes another; the release before is looked at for changes of unit. `larger` is
    what the source says of larger places: a low figure that agrees with its totals is not doubted for being low.
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
    """Give of each slice the release before the one in use."""
    used = current.select("measure", "period_start", "period_end", pl.col("order").alias("used")).unique()
    older = observation.join(used, on=["measure", "period_start", "period_end"]).filter(
        pl.col("order") < pl.col("used")
    )
    return newest_slices(older.drop("used"))
