"""Two councils share a row in two cases, with both codes; notes follow the table."""

import polars as pl

CODES = "County and district / unitary authority Codes"
DISTRICT = r"^(E0[6-9]|W06|S12|N09)\d{6}$"


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Repeat a shared row under each of its codes, and keep the rows of districts: adds code, text."""
    rows = raw.with_columns(pl.col(CODES).str.split(",").alias("code")).explode("code")
    return rows.with_columns(pl.col("code").str.strip_chars()).filter(pl.col("code").str.contains(DISTRICT))
