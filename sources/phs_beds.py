"""The publisher's file also has a row for each hospital, and for Scotland; a compiled copy has only the boards."""

import polars as pl

HEADINGS = {
    "HB": "hb19_code",
    "Quarter": "date",
    "SpecialtyName": "specialty",
    "AverageAvailableStaffedBeds": "average_number_available_staffed_beds",
    "AverageOccupiedBeds": "average_number_occupied_beds",
}


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows of boards, under the headings of the compiled copy, with quarters as 2024 Q1."""
    if "HB" not in raw.columns:
        return raw
    boards = raw.filter(pl.col("HB").str.starts_with("S08"), pl.col("HB") == pl.col("Location"))
    quarter = pl.col("Quarter").str.replace(r"^(\d{4})Q(\d)$", "$1 Q$2")
    return boards.with_columns(quarter).rename(HEADINGS)
