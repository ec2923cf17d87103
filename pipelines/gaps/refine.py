"""Cells looked at again: filled from a coarser area, or withheld where the figure is in doubt."""

import polars as pl

from pipelines.apportionment import INTERVAL_COLUMNS, PLACED, signed_measures
from pipelines.core.reasons import PRECEDENCE, WITHHELD
from pipelines.core.schema import conformed
from pipelines.core.slices import SLICE
from pipelines.core.text import printed
from pipelines.declarations.measure import ADDITIVE, Measure
from pipelines.observations import ABOVE, members

NO_ROW, NOTHING_LEADS = "not_returned", "crosswalk_loss"


def wider_gaps(placed: pl.DataFrame, total: pl.DataFrame, system: pl.DataFrame, own: str) -> pl.DataFrame:
    """Give reasons that say more to places without a row, in placed slices (placing.PLACED).

    Takes the totals of the source (totals.TOTAL), the places of the problem's system (schema.PLACE) and the name of
    the source's own. A place to which nothing leads from there gets a row that says so (crosswalk_loss). Of a place
    that a larger one with a figure stands for, while no place of that one has a row, the reason is coarser_only;
    of one whose nation has no row in any slice held, while others have, nation_not_covered.
    """
    return _given_for_larger(_nation_left_out(_complete(placed, system, own), system), total, system)


def _complete(placed: pl.DataFrame, system: pl.DataFrame, own: str) -> pl.DataFrame:
    """Give every place of the problem's system a row in every slice."""
    of_slice = [*SLICE, "source", "release", "released_at", "file", "unit"]
    slices = placed.select(of_slice).unique(SLICE, keep="first", maintain_order=True)
    every = slices.join(system.select(pl.col("place_code").alias("to_code")), how="cross")
    lost = every.join(placed, on=[*SLICE, "to_code"], how="anti").with_columns(
        pl.lit(NOTHING_LEADS).alias("reason"), pl.lit(f"no place of {own} leads to it").alias("evidence")
    )
    return pl.concat([placed, conformed(lost, PLACED)])


def _nation_left_out(placed: pl.DataFrame, system: pl.DataFrame) -> pl.DataFrame:
    told = placed.join(system.select(pl.col("place_code").alias("to_code"), "nation"), on="to_code", how="left",
                       maintain_order="left")  # fmt: skip
    by_nation = ["measure", "nation"]
    rowless = pl.col("reason").is_in([NO_ROW, NOTHING_LEADS]).fill_null(False)
    empty, others = rowless.all().over(by_nation), ~rowless.all().over("measure")
    left_out = empty & others & pl.col("nation").is_not_null()
    periods = pl.struct("period_start", "period_end").n_unique().over("measure")
    evidence = pl.format(
        "no place of {} has a row in any of the {} periods held; those of others have", "nation", periods
    )
    return told.with_columns(
        pl.when(left_out).then(pl.lit("nation_not_covered")).otherwise("reason").alias("reason"),
        pl.when(left_out).then(evidence).otherwise("evidence").alias("evidence"),
    ).drop("nation")


def _given_for_larger(placed: pl.DataFrame, total: pl.DataFrame, system: pl.DataFrame) -> pl.DataFrame:
    """Tell places of which a larger one has a figure and no place of it has a row; the smallest such one is named."""
    inside = members(system).filter(~pl.col("total_code").is_in(list(ABOVE)))
    sized = inside.with_columns(pl.len().over("total_code").alias("size"), pl.col("place_code").alias("to_code"))
    given = total.filter(pl.col("role") == "total", pl.col("value").is_not_null()).select(
        *SLICE, "release", pl.col("place_code").alias("total_code"), pl.col("place_label").alias("larger"),
        pl.col("value").alias("larger_value"),
    )  # fmt: skip
    rowless = pl.col("reason").is_in([NO_ROW, NOTHING_LEADS, "nation_not_covered"])
    pairs = placed.select(*SLICE, "release", "to_code", rowless.fill_null(False).alias("rowless")).join(
        sized, on="to_code"
    )
    alone = pairs.with_columns(pl.col("rowless").all().over(*SLICE, "total_code").alias("alone")).filter("alone")
    found = alone.join(given, on=[*SLICE, "release", "total_code"]).sort("size", "total_code")
    first = found.unique([*SLICE, "to_code"], keep="first", maintain_order=True)
    told = placed.join(first.select(*SLICE, "to_code", "larger", "larger_value", "size"), on=[*SLICE, "to_code"],
                       how="left", maintain_order="left")  # fmt: skip
    here = pl.col("larger_value").is_not_null()
    evidence = pl.format(
        "given for {} as a whole ({}), for none of its {} places", "larger", printed("larger_value"), "size"
    )
    return told.with_columns(
        pl.when(here).then(pl.lit("coarser_only")).otherwise("reason").alias("reason"),
        pl.when(here).then(evidence).otherwise("evidence").alias("evidence"),
    ).drop("larger", "larger_value", "size")


SEEN = ["flagged", "corrected"]
"""Caveats that say that a person has looked at the figure and lets it stand."""
NOT_ALL_SENT = ["suspected_zero", "near_zero_leak", "partial_return", "low_reach"]
_GONE = ("value", "low", "high", *INTERVAL_COLUMNS, "partial")


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
