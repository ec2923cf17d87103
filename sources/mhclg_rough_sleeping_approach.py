"""Each council describes its snapshot in words: a count, an estimate, or an estimate with a count in some spots."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Return 1 for a count and 0 for either kind of estimate in the columns of years; other words stay as they are."""
    codes = {"Count": "1", "Estimate": "0", "Estimate including spotlight": "0"}
    return raw.with_columns(pl.col(name).replace(codes) for name in raw.columns if name.isdigit())
