"""Bounds of a figure in a place made of several parts, of which some may be shared, hidden or missing.

Bounds of a count are sums over its parts. A whole part adds its own bounds; a part that other places share adds
between 0 and its most; a part without a figure adds at least 0, and leaves no upper bound. Where a count can be
below 0, a part that is shared or missing leaves no bound at all.
"""

import polars as pl

from pipelines.declarations.measure import Measure


def measures_below_zero(observation: pl.DataFrame, measures: dict[str, Measure]) -> list[str]:
    """Name the measures that can be below 0, as declared or as seen: no part of such a figure bounds the rest."""
    below = observation.filter(pl.any_horizontal(pl.col("value", "low") < 0))["measure"]
    declared = {name for name, definition in measures.items() if definition.range and definition.range[0] < 0}
    return sorted(declared | set(below))


def covers_several_places() -> pl.Expr:
    """Tell whether a figure is of several of the places asked about: published together, or split since."""
    return (pl.col("places_it_covers") > 1).fill_null(False)


def has_several_codes() -> pl.Expr:
    """Tell whether a figure is of several codes, published together."""
    return pl.col("place_code").str.contains("+", literal=True).fill_null(False)


def part_lower_bound() -> pl.Expr:
    """Give the least that one published figure adds to a place: 0 of a count that others may have all of."""
    lower = pl.when(~covers_several_places()).then("low")
    return pl.when("signed").then(lower).otherwise(lower.fill_null(0.0))


def part_upper_bound() -> pl.Expr:
    """Give the most that one published figure adds to a place: all of it, where it can't hide a part below 0."""
    return pl.when(~covers_several_places() | ~pl.col("signed")).then("high")


def complete_sum(bound: pl.Expr) -> pl.Expr:
    """Sum a bound where every part has one; a sum of some bounds is no bound."""
    return pl.when(bound.is_not_null().all()).then(bound.sum())


def cell_bound(side: str) -> pl.Expr:
    """Give the bound of a value, or what bound remains where there is none.

    A count lies between the sums of what its parts add; a part without a row has no most, and no least where the
    count can be below 0. An average of rates lies within the rates it came from, if none is missing; a rank does not.
    """
    total, parts = pl.col(f"{side}_total"), pl.col(f"parts_{side}")
    within = pl.coalesce("low_least", "least") if side == "low" else pl.coalesce("high_most", "most")
    every = pl.col("rows_n") == pl.col("parts_n")
    is_certain = every | ~pl.col("signed") if side == "low" else every
    return (
        pl.when(pl.col("reason").is_null()).then(total)
        .when(pl.col("additive") & pl.col("bounded") & is_certain).then(parts)
        .when(~pl.col("additive") & (pl.col("reason") == "suppressed")).then(total)
        .when((pl.col("reason") == "needs_parts") & ~pl.col("ranked")).then(within)
    )  # fmt: skip
