"""Synthetic figures for timing, for no real place, the same in each run.

python benchmarks/placing_data.py FOLDER TIMES

There are 35,672 small areas x 120 months x 10 measures, 43 million figures, 3 % suppressed (1 to 4) and 1 % without a
return. Each was released twice, and one in five was revised. A crosswalk maps the small areas to 361 districts; one
area in twenty is in two of them.
"""

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

AREAS, DISTRICTS, MONTHS, MEASURES = 35_672, 361, 120, 10
STATUSES = ("normal", "confidential", "not_available")
"""Statuses, best first; their numbers replace them where figures are coded as integers."""
SEED = 20261126
RELEASE_DAYS = (date(2025, 2, 15), date(2026, 2, 15))
AREA_CODES = pl.Series([f"SYN{n:06}" for n in range(AREAS)])
DISTRICT_CODES = pl.Series([f"DIS{n:03}" for n in range(DISTRICTS)])


def make_crosswalk() -> pl.DataFrame:
    """Build the crosswalk: from_code, to_code, weight, weight_population, for `pipelines.apportionment.matrix`."""
    chance = np.random.default_rng(SEED)
    people = chance.integers(1_000, 3_000, AREAS).astype(float)
    district = np.sort(np.concatenate([np.arange(DISTRICTS), chance.integers(0, DISTRICTS, AREAS - DISTRICTS)]))
    cut = chance.random(AREAS) < 0.05
    share = np.where(cut, chance.uniform(0.05, 0.95, AREAS), 1.0)
    there = pl.DataFrame({"area": np.arange(AREAS), "district": district, "weight": share})
    beyond = there.filter(cut).with_columns((pl.col("district") + 1) % DISTRICTS, weight=1 - pl.col("weight"))
    pairs = pl.concat([there, beyond]).sort("area", "district")
    return pairs.select(
        AREA_CODES.gather(pairs["area"]).alias("from_code"),
        DISTRICT_CODES.gather(pairs["district"]).alias("to_code"),
        "weight",
        (pl.col("weight") * pl.Series(people).gather(pairs["area"])).alias("weight_population"),
    )


def month_ends() -> list[tuple[date, date]]:
    """Return the first and last day of each month."""
    first = pl.date_range(date(2015, 1, 1), date(2024, 12, 1), "1mo", eager=True)
    return list(zip(first, first.dt.month_end(), strict=True))


def make_slices(times: int) -> Iterator[tuple[str, date, date, date, pl.DataFrame]]:
    """Yield both releases of each measure and month in the order of areas: value, lower_bound, upper_bound,
    obs_status."""
    chance = np.random.default_rng(SEED + 1)
    for measure in range(MEASURES * times):
        mean = chance.uniform(5, 300, AREAS)
        for start, end in month_ends():
            value = chance.poisson(mean).astype(float)
            luck = chance.random(AREAS)
            status = np.select([luck < 0.03, luck < 0.04], [1, 2], 0).astype(np.uint8)
            hidden = np.where(status == 1, 1.0, np.nan)
            before = np.where(chance.random(AREAS) < 0.2, chance.poisson(mean), value)
            for released, figures in zip(RELEASE_DAYS, (before, value), strict=True):
                columns = {
                    "value": np.where(status > 0, np.nan, figures),
                    "lower_bound": hidden,
                    "upper_bound": 4 * hidden,
                }
                frame = pl.DataFrame({**columns, "obs_status": status}).fill_nan(None)
                yield f"made_up_{measure:03}", start, end, released, frame


def write_crosswalks(folder: Path) -> None:
    """Write the crosswalk twice: with codes as text, and as integers."""
    pairs = make_crosswalk().with_columns((pl.len().over("from_code") == 1).alias("goes_whole"))
    pairs.write_parquet(folder / "crosswalk.parquet")
    numbers = (pl.col(name).str.slice(3).cast(pl.UInt16) for name in ("from_code", "to_code"))
    pairs.with_columns(*numbers).write_parquet(folder / "crosswalk_integers.parquet")


def write_figures(folder: Path, times: int) -> tuple[Path, Path]:
    """Write the figures twice, one row group a release of a slice: with codes as text, and as integers."""
    measures = [f"made_up_{n:03}" for n in range(MEASURES * times)]
    number, status = pl.int_range(AREAS, eager=True, dtype=pl.UInt16), dict(enumerate(STATUSES))
    paths = folder / f"figures_{times}.parquet", folder / f"figures_{times}_integers.parquet"
    writers: list[pq.ParquetWriter] = []
    for measure, start, end, released, figures in make_slices(times):
        day_columns = {"period_start": start, "period_end": end, "released_at": released}
        days = [pl.lit(day).alias(name) for name, day in day_columns.items()]
        name, place = pl.lit(measure, pl.Enum(measures)).alias("measure"), AREA_CODES.alias("place_code")
        status_text = pl.col("obs_status").replace_strict(status, return_dtype=pl.Enum(STATUSES))
        as_text = figures.select(name, *days, place, "value", "lower_bound", "upper_bound", status_text)
        as_integers = as_text.with_columns(
            pl.col("measure").to_physical(), number.alias("place_code"), figures["obs_status"]
        )
        tables = [frame.to_arrow() for frame in (as_text, as_integers)]
        writers = writers or [
            pq.ParquetWriter(path, table.schema, compression="zstd") for path, table in zip(paths, tables, strict=True)
        ]
        for writer, table in zip(writers, tables, strict=True):
            writer.write_table(table)
    for writer in writers:
        writer.close()
    return paths


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    write_crosswalks(Path(sys.argv[1]))
    write_figures(Path(sys.argv[1]), int(sys.argv[2]))
