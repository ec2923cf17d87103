"""The file has a row for each place and year of age, and a column for each sex and mid-year."""

import polars as pl

_AGE_FIRST, _AGE_LAST = 16, 64


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Sum women and men aged 16 to 64: code, name, period (30 June), residents, all text."""
    figures = [name for name in raw.columns if name.startswith("Mid-")]
    long = raw.unpivot(on=figures, index=["Area code", "Area name", "Age", "_row"], value_name="people")
    age = pl.col("Age").cast(pl.Int64)
    of_age = long.filter(age.is_between(_AGE_FIRST, _AGE_LAST)).with_columns(
        (pl.col("variable").str.slice(4, 4) + "-06-30").alias("period"),
        pl.col("people").str.replace_all(",", "").cast(pl.Int64),
    )
    keys = [pl.col("Area code").alias("code"), pl.col("Area name").alias("name"), "period"]
    whole = (pl.len() == 2 * (_AGE_LAST - _AGE_FIRST + 1)) & (pl.col("people").null_count() == 0)
    summed = of_age.group_by(keys, maintain_order=True).agg(
        # A missing year of age gives a gap, not a smaller figure.
        pl.when(whole).then(pl.col("people").sum().cast(pl.String)).otherwise(pl.lit("")).alias("residents"),
        pl.col("_row").min(),
    )
    return summed.sort("_row", "period")
