"""The publisher gives the rank of each small area; those of the most deprived tenth are counted."""

import polars as pl

_LAST = 697  # a tenth of 6,976 data zones; a rank of 697.5 is shared by two


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Add areas (1 each), tenth and health_tenth (1 where the rank is of the most deprived tenth, else 0)."""
    of = {"tenth": "SIMD2020v2_Rank", "health_tenth": "SIMD2020_Health_Domain_Rank"}
    ranks = {column: pl.col(name).cast(pl.Float64, strict=False) for column, name in of.items()}
    # No rank is no answer.
    inside = {column: (rank <= _LAST).cast(pl.Int64).cast(pl.String).fill_null("") for column, rank in ranks.items()}
    return raw.with_columns(pl.lit("1").alias("areas"), **inside)
