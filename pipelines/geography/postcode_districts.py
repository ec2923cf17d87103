"""Postcode districts of Great Britain, such as SW19, with the councils in which their postcodes lie.

The table was counted from the ONS Postcode Directory of November 2025 (Office for National Statistics, Open Government
Licence v3.0; contains OS data © Crown copyright and database right, and Royal Mail data © Royal Mail copyright and
database right). Northern Ireland's postcodes have other terms and are not in the table. A share is of postcodes, live
and terminated, and not of people. `python -m benchmarks.postcode_districts` makes the table.
"""

from functools import cache
from pathlib import Path

import polars as pl

DISTRICTS_PATH = Path(__file__).parent / "postcode_districts.csv"
POSTCODE_DISTRICT = pl.Schema({"district": pl.String, "place_code": pl.String, "percent": pl.Float64})
"""A postcode district, the code of a council of 2025, and the per cent of the district's postcodes there."""


@cache
def load_postcode_districts() -> pl.DataFrame:
    """Return POSTCODE_DISTRICT, the council with most postcodes first."""
    return pl.read_csv(DISTRICTS_PATH, schema=POSTCODE_DISTRICT)


def summarise_postcode_districts(counts: pl.DataFrame) -> pl.DataFrame:
    """Return POSTCODE_DISTRICT from counts of postcodes: postcode_district, LAD25CD, postcodes.

    A per cent has one decimal, and is 100 only where the council has every postcode of the district.
    """
    total = pl.col("postcodes").sum().over("postcode_district")
    return counts.select(
        pl.col("postcode_district").alias("district"),
        pl.col("LAD25CD").alias("place_code"),
        pl.when(pl.col("postcodes") == total)
        .then(100.0)
        .otherwise((pl.col("postcodes") * 100 / total).round(1).clip(0.0, 99.9))
        .alias("percent"),
    ).sort("district", "percent", "place_code", descending=[False, True, False])
