"""Shares with a minimum: residents in a problem, returns by volume, or parts of a total.

All counting is done here in one pass over the frame. A build compares the shares in Polars, and
`checks.expectations.judge_shares` with Great Expectations.
"""

import polars as pl

TOTALS_TOLERANCE = 0.99
"""Least share of a total that known figures must explain."""


def all_reach(shares: pl.Series, least: float) -> bool:
    """Return whether the smallest share is at least `least`: the verdict that Great Expectations gives.

    Unknown shares are passed over; where no share is known, the verdict is no.
    """
    smallest = shares.cast(pl.Float64).fill_nan(None).min()
    return isinstance(smallest, float) and smallest >= least


def problem_shares(cells: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Return `coverage_by_population` and `places_complete` of a problem's needs, as one row.

    Takes schema.CELL_COLUMNS and the residents of each place (place_code, people). Coverage is the share of
    residents in cells with a figure. A place with unknown residents is left out of coverage, but counts in
    `places_complete`.
    """
    needed = cells.select("need", "place_code", "value").filter(pl.col("need") == "needed")
    known = pl.col("value").is_not_null()
    weighed = needed.join(people, on="place_code").filter(pl.col("people") > 0)
    places = needed["place_code"].n_unique()
    due_places = (
        cells.lazy()
        .filter(pl.col("need") != "wanted")
        .group_by("measure", "period_start")
        .agg(pl.col("place_code").n_unique().alias("places"))
        .collect()
    )
    coverage = weighed.select(pl.when(pl.len() > 0).then((pl.col("people") * known).sum() / pl.col("people").sum()))
    complete = due_places.select((pl.col("places") / max(places, 1)).min()).item() if due_places.height else 1.0
    return pl.DataFrame({"coverage_by_population": [coverage.item()], "places_complete": [complete]},
                        schema={"coverage_by_population": pl.Float64, "places_complete": pl.Float64})  # fmt: skip


def return_shares(reporting: pl.DataFrame) -> pl.DataFrame:
    """Return for each measure's newest period (returns.COMPLETENESS) the returned share of the due volume."""
    periods = reporting.filter(pl.col("scope") == "period", pl.col("reporting_rate").is_not_null())
    newest = periods.filter((pl.col("period_end") == pl.col("period_end").max()).over("measure"))
    return newest.select(pl.col("reporting_rate").alias("returns_complete"))


def total_shares(reconciliation: pl.DataFrame) -> pl.DataFrame:
    """Return for each total (reconciliation.RECONCILIATION) the share that known figures explain."""
    nonzero = reconciliation.filter(pl.col("total") != 0)
    return nonzero.select(
        (1 - pl.col("remainder").fill_null(0.0).abs() / pl.col("total").abs()).clip(0.0).alias("totals_reconcile")
    )
