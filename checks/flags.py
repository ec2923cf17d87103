"""Plausibility flags: rows for figures that may be wrong, as the checks of figures return them.

A flag sets the figure beside its comparison. It never changes or drops a row: the published figure stays in the
observations, with the flag as a caveat. Where the reason is in WITHHOLDING_REASONS, a cell withholds the figure and
states it in the evidence.
"""

from functools import cache

import polars as pl

from pipelines.core.reasons import REASON_PRECEDENCE, REASONS, WITHHOLDING_REASONS
from pipelines.core.schema import (
    DATE,
    FINDING_COLUMNS,
    NUMBER,
    OBSERVATION_COLUMNS,
    TEXT,
    WHOLE,
    Column,
    conform_table,
    empty_table,
)

FIGURE_KEY = ["measure", "place_code", "period_start", "period_end"]

PLAUSIBILITY_FLAG: dict[str, Column] = {
    **{name: OBSERVATION_COLUMNS[name] for name in ("source", "release", "measure", "place_code", "place_label")},
    "period_start": Column(DATE, "First day of the reference period"),
    "period_end": Column(DATE, "Last day of the reference period"),
    "reason": Column(TEXT, "Reason of the flag, from the closed set of reasons"),
    "value": Column(NUMBER, "Figure as published"),
    "expected": Column(NUMBER, "Figure expected from the place's history, its peers or another source"),
    "compared_with": Column(TEXT, "Basis of the expected figure"),
    "own_history": Column(NUMBER, "Distance from the expected figure, in spreads of its history; null if not compared"),
    "peers": Column(NUMBER, "Distance from the expected figure, in spreads of its peers; null if not compared"),
    "others": Column(WHOLE, "Number of other periods or places in the comparison"),
    "evidence": Column(TEXT, "Comparison in words"),
    "file": OBSERVATION_COLUMNS["file"],
    "withheld": Column(pl.Boolean, "True where cells withhold the figure"),
}
"""One flag for one reason on one figure, with its comparison."""


@cache
def no_flags() -> pl.DataFrame:
    """Return PLAUSIBILITY_FLAG without a row."""
    return empty_table(PLAUSIBILITY_FLAG)


def build_flags(reason: str, figures: pl.DataFrame) -> pl.DataFrame:
    """Build PLAUSIBILITY_FLAG rows of one reason from compared figures; raise KeyError for an unknown reason."""
    if reason not in REASONS:
        raise KeyError(f"unknown reason {reason!r}; the closed set is in pipelines/core/reasons.py")
    with_reason = figures.with_columns(
        pl.lit(reason).alias("reason"), pl.lit(reason in WITHHOLDING_REASONS).alias("withheld")
    )
    return conform_table(with_reason, PLAUSIBILITY_FLAG)


def keep_first_flags(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """Stack flags, and keep for each figure only those of its first reason in order of precedence.

    A figure ten times too high is also far from its history: the more specific reason takes precedence.
    """
    order = pl.col("reason").replace_strict(REASON_PRECEDENCE, return_dtype=pl.Int64)
    stacked = pl.concat([no_flags(), *tables])
    return stacked.filter(order == order.min().over(FIGURE_KEY)).unique([*FIGURE_KEY, "reason"], maintain_order=True)


def add_caveats(observation: pl.DataFrame, flags: pl.DataFrame) -> pl.DataFrame:
    """Add the flags of observations to their caveats, with the evidence; other columns do not change."""
    if flags.is_empty():
        return observation
    key = ["release", *FIGURE_KEY]
    by_figure = flags.group_by(key).agg(
        pl.col("reason").unique(maintain_order=True).str.join(",").alias("_reasons"),
        pl.col("evidence").unique(maintain_order=True).str.join(". ").alias("_evidence"),
    )
    # Most rows have no flag: only rows of flagged places are joined.
    places = pl.Series(by_figure["place_code"].unique()).implode()
    rows = observation.select(*key, "caveats", "caveat_evidence").with_row_index("_row")
    flagged = rows.filter(pl.col("place_code").is_in(places)).join(by_figure, on=key)
    texts = flagged.select(
        "_row",
        pl.concat_str("caveats", "_reasons", separator=",", ignore_nulls=True).alias("caveats"),
        pl.concat_str("caveat_evidence", "_evidence", separator=". ", ignore_nulls=True).alias("caveat_evidence"),
    )  # fmt: skip
    columns = [observation[name].clone().scatter(texts["_row"], texts[name]) for name in texts.columns[1:]]
    return observation.with_columns(columns).with_columns(
        pl.when(pl.col(name) != "").then(name).alias(name) for name in ("caveats", "caveat_evidence")
    )


def convert_flags(flags: pl.DataFrame) -> pl.DataFrame:
    """Convert every flag to a finding (schema.FINDING_COLUMNS), without a limit on their number."""
    if flags.is_empty():
        return empty_table(FINDING_COLUMNS)
    definitions = {code: reason for code, reason in REASONS.items() if code in set(flags["reason"])}
    fixed = {
        name: pl.col("reason").replace_strict(
            {code: getattr(reason, name) for code, reason in definitions.items()}, default=None, return_dtype=pl.String
        )
        for name in ("severity", "data_owner", "remedy")
    }
    with_check = flags.with_columns(
        pl.concat_str(pl.col("reason"), pl.lit("_figures")).alias("check"), pl.col("value").alias("sum_of_values"),
        pl.lit(1, pl.Int64).alias("rows"), pl.lit(False).alias("set_aside"),
        *(text.alias(name) for name, text in fixed.items()),
    )  # fmt: skip
    return conform_table(with_check, FINDING_COLUMNS)
