"""A council has a row for each day on which a case was found, and for the newest day of the file."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Add the days without a case: cases so far stay the same. The row is the row of the last case before the day."""
    key = ["Area type", "Area code"]
    rows = raw.with_columns(pl.col("Specimen date").str.to_date()).sort(*key, "Specimen date")
    return rows.upsample("Specimen date", every="1d", group_by=key).with_columns(
        pl.all().exclude("Specimen date").forward_fill(), pl.col("Specimen date").cast(pl.String)
    )
