"""Hospitals of Scotland as sites; special boards have separate codes and cover the whole nation."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Return each hospital in the layout of the register."""
    code, name, area = (
        ("HospitalCode", "HospitalName", "HealthBoard")
        if "HospitalCode" in raw.columns
        else ("scotland_hospital24_code", "scotland_hospital24_name", "hb19_code")
    )
    board = pl.col(area)
    return raw.select(
        pl.lit("site").alias("ENTITYCD"),
        pl.col(code).alias("GEOGCD"),
        pl.col(name).alias("GEOGNM"),
        pl.lit("").alias("GEOGNMW"),
        pl.when(board.str.starts_with("S08")).then(board).otherwise(pl.lit("S92000003")).alias("PARENTCD"),
        pl.lit("2024-01-01").alias("OPER_DATE"),
        pl.lit("").alias("TERM_DATE"),
    )
