"""Rows of forces have no code of a partnership: the code of the force identifies them."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Return code, name and offences of each row, all text."""
    force, force_name, code, name = raw.columns[:4]
    is_force = pl.col(name).str.strip_chars() == ""
    is_unassigned = pl.col(name).str.starts_with("Unassigned")
    offences = next(column for column in raw.columns if column.startswith("Total recorded crime"))
    return raw.select(
        pl.when(is_force).then(force).when(is_unassigned).then(pl.lit("Unassigned")).otherwise(code).alias("code"),
        pl.when(is_force).then(force_name).otherwise(name).alias("name"),
        pl.col(offences).alias("offences"),
        "_row",
    )
