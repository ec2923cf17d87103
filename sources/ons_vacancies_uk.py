"""The series has quarters, years and rolling periods of three months; the service adds rows about it."""

import polars as pl

QUARTER = r"^(\d{4}) Q([1-4])$"


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Keep the quarters: date (the first day of each) and value, both text."""
    if "Title" not in raw.columns:
        return raw.filter(pl.col("freq") == "q")
    value = next(name for name in raw.columns if name not in ("Title", "_row"))
    quarters = raw.filter(pl.col("Title").str.contains(QUARTER))
    year, quarter = (pl.col("Title").str.extract(QUARTER, group) for group in (1, 2))
    month = ((quarter.cast(pl.Int64) - 1) * 3 + 1).cast(pl.String).str.zfill(2)
    return quarters.select(pl.concat_str(year, pl.lit("-"), month, pl.lit("-01")).alias("date"),
                           pl.col(value).alias("value"), "_row")  # fmt: skip
