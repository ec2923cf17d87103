"""The publisher gives a row for each day and a column for each health board."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Give one row for each day and board: Date, board, patients, all text."""
    return raw.unpivot(index=["Date", "_row"], variable_name="board", value_name="patients")
