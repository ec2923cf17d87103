"""The file has a row for each practice and small area; patients who live outside England are in few of its rows."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Sum the practices of each small area of England: LSOA_CODE, EXTRACT_DATE and patients, all text."""
    number = next(name for name in raw.columns if name.upper().replace(" ", "_") == "NUMBER_OF_PATIENTS")
    people = pl.col(number).cast(pl.Int64, strict=False)
    return (
        raw.filter(pl.col("LSOA_CODE").str.starts_with("E01"))
        .group_by("LSOA_CODE", "EXTRACT_DATE", maintain_order=True)
        .agg(pl.when(people.is_null().any()).then(pl.lit("")).otherwise(people.sum().cast(pl.String)).alias("patients"),
             pl.col("_row").min())
    )  # fmt: skip
