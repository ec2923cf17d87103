"""The publisher gives the rank of each small area; those of the most deprived tenth are counted."""

import polars as pl

_LAST = 89  # a tenth of 890 super output areas


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Add areas (1 each), tenth and health_tenth (1 where the rank is of the most deprived tenth, else 0)."""
    of = {
        "tenth": "Multiple Deprivation Measure Rank (where 1 is most deprived)",
        "health_tenth": "Health Deprivation and Disability Domain Rank (where 1 is most deprived)",
    }
    ranks = {column: pl.col(name).cast(pl.Float64, strict=False) for column, name in of.items()}
    # No rank is no answer.
    inside = {column: (rank <= _LAST).cast(pl.Int64).cast(pl.String).fill_null("") for column, rank in ranks.items()}
    return raw.with_columns(pl.lit("1").alias("areas"), **inside)
