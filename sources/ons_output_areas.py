"""Output areas: the columns have other geographies in Scotland, and the census of another year."""

import polars as pl


def tidy(raw: pl.DataFrame) -> pl.DataFrame:
    """Return separate columns for each nation: LSOAs and Census 2021, or data zones and Scotland's Census 2022."""
    scottish = pl.col("oa_code").str.starts_with("S")
    people = pl.col("population")
    return raw.select(
        pl.col("oa_code").alias("area_code"),
        pl.when(~scottish).then("lsoa_code").alias("lsoa_2021"),
        pl.when(~scottish).then("msoa_code").alias("msoa_2021"),
        pl.when(scottish).then("lsoa_code").alias("dz_2022"),
        pl.when(scottish).then("msoa_code").alias("iz_2022"),
        pl.col("la_code").alias("lad_2022"),
        pl.col("constituency_code").alias("pcon_2024"),
        pl.when(~scottish).then(people).alias("residents_census_2021__all_ages"),
        pl.when(scottish).then(people).alias("residents_census_2022__all_ages"),
    )
