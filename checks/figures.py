"""Every check of figures, by name: add a function and its name here, and it looks at every source."""

import polars as pl

from checks.doubt import DOUBT, KEY, first_doubts
from checks.expected import expected
from checks.plausible import implausible, near_zero_leak, partial_return, suspected_zero
from checks.repeats import repeated_values, rounded_unsaid
from checks.together import combined_area
from checks.units import unit_change, unit_change_between
from checks.upheld import Larger, with_kept_levels, without_agreeing
from pipelines.core.schema import empty
from pipelines.core.slices import newest
from pipelines.declarations.measure import ADDITIVE, Measure


def figure_doubts(
    observation: pl.DataFrame, measures: dict[str, Measure], larger: Larger | None = None
) -> pl.DataFrame:
    """Look at the figures in use of one source; give DOUBT.

    Takes observations of all releases (schema.OBSERVATION and `order`). Judged are those of the newest release
    that has the period, for no answer takes another; the release before is looked at for changes of unit. `larger` is
    what the source says of larger places: a low figure that agrees with its totals is not doubted for being low.
    """
    current = newest(observation)
    if current.is_empty():
        return empty(DOUBT)
    fitted = expected(current, measures)
    additive = [name for name, each in measures.items() if each.kind in ADDITIVE]
    kept = with_kept_levels(fitted, additive)
    low = first_doubts([suspected_zero(fitted, additive), near_zero_leak(fitted), partial_return(kept, additive)])
    if larger:
        low = without_agreeing(low, observation, current, larger, measures)
    copied = repeated_values(fitted)
    of_level = first_doubts(
        [
            combined_area(fitted),
            unit_change(fitted),
            unit_change_between(_before(observation, current), current),
            low,
            implausible(fitted),
        ]
    ).join(copied, on=KEY, how="anti")
    rounded = rounded_unsaid(fitted).join(of_level, on=KEY, how="anti")
    plain = [name for name, each in measures.items() if not each.rounding]
    return pl.concat([of_level, copied, rounded.filter(pl.col("measure").is_in(plain))])


def _before(observation: pl.DataFrame, current: pl.DataFrame) -> pl.DataFrame:
    """Give of each slice the release before the one in use."""
    used = current.select("measure", "period_start", "period_end", pl.col("order").alias("used")).unique()
    older = observation.join(used, on=["measure", "period_start", "period_end"]).filter(
        pl.col("order") < pl.col("used")
    )
    return newest(older.drop("used"))
