"""The publisher gives the decile of each small area; those of the first are counted."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Add areas (1 each), tenth and health_tenth (1 where the decile is the most deprived, else 0; blank if none)."""
    of = {"tenth": "IMD_decile", "health_tenth": "Health_decile"}
    counted = [
        pl.when(pl.col(name).is_in(["", "NA"])).then(pl.lit("")).when(pl.col(name).cast(pl.Float64, strict=False) == 1)
        .then(pl.lit("1")).otherwise(pl.lit("0")).alias(column)
        for column, name in of.items()
    ]  # fmt: skip
    return raw.with_columns(pl.lit("1").alias("areas"), *counted)
