"""Bounds of a figure for a place with several parts, of which some are shared, suppressed or missing.

Bounds of a count are sums over its parts. A whole part adds its own bounds. A part shared with other places adds
between 0 and its upper bound. A part without a figure adds at least 0 and leaves no upper bound. Where a count can be
negative, a shared or missing part leaves no bound at all.
"""

import polars as pl

from pipelines.declarations.measure import Measure


def measures_below_zero(observation: pl.DataFrame, measures: dict[str, Measure]) -> list[str]:
    """List the measures that can be negative, as declared or as observed, because their parts do not bound a total."""
    below = observation.filter(pl.any_horizontal(pl.col("value", "lower_bound") < 0))["measure"]
    declared = {name for name, definition in measures.items() if definition.range and definition.range[0] < 0}
    return sorted(declared | set(below))


def covers_several_places() -> pl.Expr:
    """Return whether a figure covers several of the requested places: published together, or split since."""
    return (pl.col("places_it_covers") > 1).fill_null(False)


def has_several_codes() -> pl.Expr:
    """Return whether a figure covers several codes that are published together."""
    return pl.col("place_code").str.contains("+", literal=True).fill_null(False)


def part_lower_bound() -> pl.Expr:
    """Return the least that a published figure adds to a place: 0 for a count that other places can have in full."""
    lower = pl.when(~covers_several_places()).then("lower_bound")
    return pl.when("signed").then(lower).otherwise(lower.fill_null(0.0))


def part_upper_bound() -> pl.Expr:
    """Return the most that a published figure adds to a place: the whole figure, unless a part can be negative."""
    return pl.when(~covers_several_places() | ~pl.col("signed")).then("upper_bound")


def complete_sum(bound: pl.Expr) -> pl.Expr:
    """Sum a bound where every part has one; otherwise there is no bound."""
    return pl.when(bound.is_not_null().all()).then(bound.sum())


def cell_bound(side: str) -> pl.Expr:
    """Return the bound of a value, or the remaining bound where there is no value.

    A count lies between the sums of what its parts add. A part without a row has no upper bound, and no lower
    bound where the count can be negative. An average of rates lies within its rates where none is missing; a rank
    does not.
    """
    total, parts = pl.col(f"{side}_total"), pl.col(f"parts_{side}")
    within = (
        pl.coalesce("least_lower_bound", "least") if side == "lower_bound" else pl.coalesce("most_upper_bound", "most")
    )
    every = pl.col("rows_n") == pl.col("parts_n")
    is_certain = every | ~pl.col("signed") if side == "lower_bound" else every
    return (
        pl.when(pl.col("reason").is_null()).then(total)
        .when(pl.col("additive") & pl.col("bounded") & is_certain).then(parts)
        .when(~pl.col("additive") & (pl.col("reason") == "suppressed")).then(total)
        .when((pl.col("reason") == "needs_parts") & ~pl.col("ranked")).then(within)
    )  # fmt: skip
