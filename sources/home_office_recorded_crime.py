"""The file has a row for each offence, with the financial year and its quarter in two columns."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Sum the offences of each force and quarter: Force Name, quarter (2025-26 Q1) and offences, all text.

    Where one number can't be read, the sum of its force and quarter is blank.
    """
    year = pl.col("Financial Year").str.replace("/", "-", literal=True)
    quarter = pl.concat_str(year, pl.lit(" Q"), pl.col("Financial Quarter").str.slice(0, 1))
    number = pl.col("Number of Offences").cast(pl.Float64, strict=False)
    sums = raw.group_by("Force Name", quarter.alias("quarter"), maintain_order=True).agg(
        pl.when(number.is_null().any()).then(None).otherwise(number.sum()).alias("offences"), pl.col("_row").min()
    )
    return sums.with_columns(pl.col("offences").round(0).cast(pl.Int64).cast(pl.String).fill_null(""))
