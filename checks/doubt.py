"""Doubts: figures that are there, and may not be what they seem. A check of figures gives a table of them.

A doubt sets the figure beside what it was compared with. It never changes or drops a row: the publisher's figure
stays in the observations with the doubt as a caveat. Where the reason is one of WITHHELD, an answer does not take
the figure for the place's value; what it was is told in the evidence.
"""

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
    "period_start": Column(DATE, "First day of the period measured"),
    "period_end": Column(DATE, "Last day of the period measured"),
    "reason": Column(TEXT, "What is doubted: one of the closed set of reasons"),
    "value": Column(NUMBER, "The figure as published"),
    "expected": Column(NUMBER, "What it was compared with: what history, peers or another source make likely"),
    "compared_with": Column(TEXT, "Where the figure expected comes from"),
    "own_history": Column(NUMBER, "How many times its own usual spread the figure is away; null where not compared"),
    "peers": Column(NUMBER, "How many times its peers' spread in that period it is away; null where not compared"),
    "others": Column(WHOLE, "How many other periods or places it was compared with"),
    "evidence": Column(TEXT, "The comparison in words"),
    "file": OBSERVATION_COLUMNS["file"],
    "withheld": Column(pl.Boolean, "True where no answer takes the figure for the place's value"),
}
"""One figure doubted for one reason, with what was compared with what."""


def build_flags(reason: str, figures: pl.DataFrame) -> pl.DataFrame:
    """Make PLAUSIBILITY_FLAG rows of one reason from rows of figures that tell the comparison; refuse a reason
    not in the set."""
    if reason not in REASONS:
        raise KeyError(f"{reason} is no reason; the set is in pipelines/core/reasons.py")
    with_reason = figures.with_columns(
        pl.lit(reason).alias("reason"), pl.lit(reason in WITHHOLDING_REASONS).alias("withheld")
    )
    return conform_table(with_reason, PLAUSIBILITY_FLAG)


def keep_first_flags(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """Stack doubts, and keep for each figure those of its first reason only.

    A figure ten times too high is far from its history, too: what says more goes before.
    """
    order = pl.col("reason").replace_strict(REASON_PRECEDENCE, return_dtype=pl.Int64)
    stacked = pl.concat([empty_table(PLAUSIBILITY_FLAG), *tables])
    return stacked.filter(order == order.min().over(FIGURE_KEY)).unique([*FIGURE_KEY, "reason"], maintain_order=True)


def add_caveats(observation: pl.DataFrame, flags: pl.DataFrame) -> pl.DataFrame:
    """Add to observations the caveats that doubts give them, with their evidence; nothing else changes."""
    key = ["release", *FIGURE_KEY]
    by_figure = flags.group_by(key).agg(
        pl.col("reason").unique(maintain_order=True).str.join(",").alias("_reasons"),
        pl.col("evidence").unique(maintain_order=True).str.join(". ").alias("_evidence"),
    )
    with_flags = observation.join(by_figure, on=key, how="left", maintain_order="left")
    return with_flags.with_columns(
        pl.concat_str("caveats", "_reasons", separator=",", ignore_nulls=True).replace("", None).alias("caveats"),
        pl.concat_str("caveat_evidence", "_evidence", separator=". ", ignore_nulls=True).replace("", None)
        .alias("caveat_evidence"),
    ).drop("_reasons", "_evidence")  # fmt: skip


def convert_flags(flags: pl.DataFrame) -> pl.DataFrame:
    """Make a finding of every doubt (schema.FINDING_COLUMNS); all of them, with no cap."""
    definitions = {code: reason for code, reason in REASONS.items() if code in set(flags["reason"])}
    fixed = {
        name: pl.col("reason").replace_strict(
            {code: getattr(reason, name) for code, reason in definitions.items()}, default=None, return_dtype=pl.String
        )
        for name in ("severity", "holder", "remedy")
    }
    with_check = flags.with_columns(
        pl.concat_str(pl.col("reason"), pl.lit("_figures")).alias("check"), pl.col("value").alias("mass"),
        pl.lit(1, pl.Int64).alias("rows"), pl.lit(False).alias("set_aside"),
        *(text.alias(name) for name, text in fixed.items()),
    )  # fmt: skip
    return conform_table(with_check, FINDING_COLUMNS)
