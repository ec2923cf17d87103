"""The file has a row for each place and year of age, and a column for each sex and mid-year."""

import polars as pl

_AGES, _ADULT = 91, 18  # single years to 89, then 90 and over


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Sum women and men of all ages, and adults: code, name, period (30 June), all_ages, age_18_plus, all text."""
    figures = [name for name in raw.columns if name.startswith("Mid-")]
    long = raw.unpivot(on=figures, index=["Area code", "Area name", "Age", "_row"], value_name="people")
    rows = long.with_columns(
        (pl.col("variable").str.slice(4, 4) + "-06-30").alias("period"),
        pl.col("people").str.replace_all(",", "").cast(pl.Int64),
        pl.col("Age").cast(pl.Int64),
    )
    # A missing year of age gives a gap, not a smaller figure.
    whole = (pl.len() == 2 * _AGES) & (pl.col("people").null_count() == 0)
    summed = rows.group_by(
        pl.col("Area code").alias("code"), pl.col("Area name").alias("name"), "period", maintain_order=True
    ).agg(
        pl.when(whole).then(pl.col("people").sum()).alias("all_ages"),
        pl.when(whole).then(pl.col("people").filter(pl.col("Age") >= _ADULT).sum()).alias("age_18_plus"),
        pl.col("_row").min(),
    )
    return summed.with_columns(pl.col("all_ages", "age_18_plus").cast(pl.String).fill_null("")).sort("_row", "period")
