"""Figures with known truths at both ends, from published files, and the family of each."""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import polars as pl

from pipelines.geography.small_areas import Areas

AGES = {f"aged {low} to {low + 4}": range(low, low + 5) for low in range(0, 85, 5)} | {
    "aged 85 and over": range(85, 91)
}
SINGLE = {f"aged {age}": range(age, age + 1) for age in range(90)} | {"aged 90 and over": range(90, 91)}
HARDSHIP = ("income deprived", "employment deprived")
CREDIT = ("Universal Credit, December 2017", "Universal Credit, December 2019", "Universal Credit, December 2022")
CENSUS = ("all_ages", "age_0_15", "age_16_24", "age_25_34", "age_35_49", "age_50_64", "age_65_plus")
FAMILY = dict.fromkeys(HARDSHIP, "deprived people") | dict.fromkeys(CREDIT, "Universal Credit")
"""Figures of the same people, or of one series at several times, which are left out together."""


def figure_family(figure: str) -> str:
    """Return the family of a figure, which is left out as one; most figures have their own."""
    return FAMILY.get(figure, figure)


class Truth(NamedTuple):
    """Figures for every place of a fine geography: place_code and one column for each figure."""

    system: str
    table: pl.DataFrame


def read_ages(folder: Path) -> Truth:
    """Read residents of each LSOA and data zone of 2011 in mid-2020, by five years and by single year of age.

    Covers England, Wales and Scotland.
    """
    files = {"lsoa11_mid2020_syoa_ew": "LSOA Code", "dz11_mid2020_syoa_scotland": "DataZone"}
    read = [_age_bands(folder / f"geo/population/{file}.csv.gz", code) for file, code in files.items()]
    return Truth("lsoa_2011", pl.concat(read))


def _age_bands(path: Path, code: str) -> pl.DataFrame:
    raw = pl.read_csv(path, infer_schema=False)
    years = {name: int(name.rstrip("+")) for name in raw.columns if name.rstrip("+").isdigit()}
    typed = raw.with_columns(pl.col(list(years)).cast(pl.Float64))
    bands = {
        name: pl.sum_horizontal(column for column, age in years.items() if age in ages)
        for name, ages in (AGES | SINGLE).items()
    }
    return typed.select(pl.col(code).alias("place_code"), **bands)


def read_hardship(folder: Path, areas: Areas) -> Truth:
    """Read deprived people of each LSOA 2021 of England: the scores of the 2025 indices times Census residents."""
    raw = pl.read_csv(folder / "indicators/deprivation_health/imd2025_england_lsoa21.csv.gz", infer_schema=False)
    people = _sum_areas(areas, "lsoa_2021", ["residents_census_2021__all_ages"])
    scores = raw.select(
        pl.col("lsoa21_code").alias("place_code"),
        *(pl.col(f"{name.split()[0].capitalize()}_score").cast(pl.Float64).alias(name) for name in HARDSHIP),
    ).join(people, on="place_code")
    return Truth(
        "lsoa_2021", scores.select("place_code", *(pl.col(name) * pl.col(people.columns[1]) for name in HARDSHIP))
    )


def read_census(areas: Areas) -> Truth:
    """Return Census 2021 residents of each LSOA 2021 by the stored age bands."""
    columns = [f"residents_census_2021__{name}" for name in CENSUS]
    return Truth("lsoa_2021", _sum_areas(areas, "lsoa_2021", columns).rename(dict(zip(columns, CENSUS, strict=True))))


def read_credit(folder: Path) -> Truth:
    """Read households on Universal Credit of each MSOA 2011 of England and Wales, from the export by name."""
    path = folder / "indicators/universal_credit/statxplore_households_on_uc_msoa_2015_2022.csv"
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    head = next(row for row in rows if row[:1] == ["Month"])
    at = {name: next(n for n, text in enumerate(head) if text.startswith(name.split(", ")[1])) for name in CREDIT}
    rows_by_name = [
        (row[0], *(float(row[n]) if row[n].isdigit() else None for n in at.values()))
        for row in rows[rows.index(head) + 1 :]
        if len(row) > max(at.values())
    ]
    table = pl.DataFrame(rows_by_name, schema={"name": pl.String, **dict.fromkeys(CREDIT, pl.Float64)}, orient="row")
    names = pl.read_csv(folder / "geo/lookups/lsoa11_msoa11_ew_scot.csv.gz", infer_schema=False)
    codes = names.select(pl.col("MSOA11NM").alias("name"), pl.col("MSOA11CD").alias("place_code")).unique()
    codes = codes.filter(pl.col("place_code").str.contains("^[EW]"), pl.col("name").is_unique())
    return Truth("msoa_2011", table.join(codes, on="name").select("place_code", *CREDIT).unique("place_code"))


def _sum_areas(areas: Areas, system: str, columns: list[str]) -> pl.DataFrame:
    return areas.table.drop_nulls(system).group_by(pl.col(system).alias("place_code")).agg(pl.col(columns).sum())


def read_truths(folder: Path, areas: Areas) -> list[Truth]:
    """Read the true figures of every file."""
    return [
        read_ages(folder),
        read_hardship(folder, areas),
        read_census(areas),
        read_credit(folder),
    ]
