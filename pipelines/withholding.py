"""Figures so doubtful that an answer does not take them: the place becomes a gap that says what was published."""

import polars as pl

from checks.reasons import PRECEDENCE, WITHHELD
from pipelines.model import ADDITIVE, Measure
from pipelines.part_bounds import signed_measures
from pipelines.placing import LIKELY, printed

SEEN = ["flagged", "corrected"]
"""Caveats that say that a person has looked at the figure and lets it stand."""
NOT_ALL_SENT = ["suspected_zero", "near_zero_leak", "partial_return", "low_reach"]
_GONE = ("value", "low", "high", *LIKELY, "partial")


def withheld(placed: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Take out of placed figures (placing.PLACED, in and out) those that rest on one that is withheld.

    The reason is the gravest of the doubts, and the evidence has the figure as published. Of a count that was
    not sent in full the figure stays as the least it can be. A figure that a correction flags or changes stays:
    a person has looked at it.
    """
    codes = pl.col("caveats").fill_null("").str.split(",")
    order = sorted(WITHHELD, key=lambda code: PRECEDENCE[code])
    grave = pl.coalesce(*(pl.when(codes.list.contains(code)).then(pl.lit(code)) for code in order))
    seen = pl.any_horizontal(codes.list.contains(code) for code in SEEN)
    told = placed.with_columns(pl.when(~seen & pl.col("value").is_not_null()).then(grave).alias("_doubt"))
    doubted = pl.col("_doubt").is_not_null()
    bounds = _bounds(measures, signed_measures(placed, measures))
    evidence = pl.format("{} is not taken: {}", printed("value"), pl.col("caveat_evidence").fill_null("doubted"))
    return told.with_columns(
        pl.when(doubted).then("_doubt").otherwise("reason").alias("reason"),
        pl.when(doubted).then(evidence).otherwise("evidence").alias("evidence"),
        *(pl.when(~doubted).then(name).otherwise(bounds.get(name)).alias(name) for name in _GONE),
    ).drop("_doubt")  # fmt: skip


def _bounds(measures: dict[str, Measure], signed: list[str]) -> dict[str, pl.Expr]:
    """A count not sent in full is at least what was sent; one of several places is at most all of theirs.

    Neither is sure of a count that can be below 0: what was not sent, or is of the others, may be.
    """
    counts = sorted(name for name, each in measures.items() if each.kind in ADDITIVE and name not in signed)
    count, doubt = pl.col("measure").is_in(counts), pl.col("_doubt")
    return {
        "low": pl.when(count & doubt.is_in(NOT_ALL_SENT)).then("value"),
        "high": pl.when(count & (doubt == "combined_area")).then("value"),
    }
