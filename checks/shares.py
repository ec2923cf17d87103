"""Shares that Great Expectations judges: cells of a file, residents in a problem, or parts of a total.

All counting is done here in one pass over the frame; Great Expectations judges one small row.
"""

import polars as pl

from pipelines.core.schema import OBSERVATION_STATUSES
from pipelines.declarations.source import Source

CELL_TOLERANCE = 0.95
"""Least share of a release's cells that must meet an expectation for the release to be used."""
TOTALS_TOLERANCE = 0.99
"""Least share of a total that known figures must explain."""
CODES_TOLERANCE = 0.9
"""Tolerance for codes of another vintage: time series keep rows of councils that have merged since."""
EXPECTATION_FAULTS = {
    "places_known": "unmatched_place",
    "readable": "unreadable",
    "given_once": "duplicate",
    "no_retired_codes": "retired_code",
}
"""Fault of the cells that fail each expectation."""


def all_reach(shares: pl.Series, least: float) -> bool:
    """Return whether the smallest share is at least `least`: the verdict that Great Expectations gives.

    To import Great Expectations for one comparison would take seconds. Unknown shares are passed over; where no
    share is known, the verdict is no.
    """
    smallest = shares.cast(pl.Float64).fill_nan(None).min()
    return isinstance(smallest, float) and smallest >= least


def failure_expressions(source: Source) -> dict[str, pl.Expr]:
    """Return for each expectation of a source's cells (conform.CELLS) the expression for those that fail it."""
    fault = pl.col("fault").fill_null("none")
    ranges = {
        f"in_range__{name}": pl.when(pl.col("measure") == name).then(~pl.col("value").is_between(*measure.range))
        for name, measure in source.measures.items()
        if measure.range
    }
    return {
        "measures_declared": ~pl.col("measure").is_in(sorted(source.measures)),
        "statuses_known": ~pl.col("obs_status").is_in(list(OBSERVATION_STATUSES)),
        "dated": pl.col("period_start").is_null(),
        **{name: fault == code for name, code in EXPECTATION_FAULTS.items()},
        **ranges,
    }


def cell_shares(cells: pl.DataFrame, fails: dict[str, pl.Expr]) -> pl.DataFrame:
    """Return one row: for each expectation the share of cells that meet it; null where there are no cells."""
    return cells.select(pl.len().alias("cells"), *((1 - expression.mean()).fill_null(1.0).alias(name)
                                                   for name, expression in fails.items()))  # fmt: skip


def count_failures(cells: pl.DataFrame, fails: dict[str, pl.Expr]) -> dict[str, int]:
    """Count for each expectation the cells that fail it."""
    return cells.select(expression.sum().cast(pl.Int64).alias(name) for name, expression in fails.items()).row(
        0, named=True
    )


def problem_shares(cells: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Return `coverage_by_population` and `places_complete` of a problem's needs, as one row.

    Takes schema.CELL_COLUMNS and the residents of each place (place_code, people). Coverage is the share of
    residents in cells with a figure. A place with unknown residents is left out of coverage, but counts in
    `places_complete`.
    """
    needed = cells.filter(pl.col("need") == "needed")
    known = pl.col("value").is_not_null()
    weighed = needed.join(people, on="place_code").filter(pl.col("people") > 0)
    places = needed["place_code"].n_unique()
    due_places = needed.group_by("measure", "period_start").agg(pl.col("place_code").n_unique().alias("places"))
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
