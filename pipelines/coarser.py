"""Why a place has no row: its nation never has one, or only a larger place that it lies in is given.

Both are read off what is held: the rows of all places of a slice, and the totals that stand beside them. They say
more than that the place was not returned, and someone else can close such a gap.
"""

import polars as pl

from pipelines.placing import PLACED, SLICE, printed
from pipelines.schema import conformed
from pipelines.totals import ABOVE, members

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
