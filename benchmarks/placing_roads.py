"""Methods that `placing.py` compares, each in a separate process that imports only what it needs.

python benchmarks/placing_roads.py ROAD FOLDER TIMES

Each reads the figures of the folder, apportions the newest release of each slice to the districts, and writes RESULT
to <road>.parquet there. A method without its libraries exits with code 3 and a message.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULT = (
    "measure",
    "period_start",
    "place_code",
    "value",
    "partial",
    "lower_bound",
    "upper_bound",
    "coverage",
    "missing",
    "worst",
)
"""Columns that every method returns; `worst` is the number of the worst status, 0 the best."""
AT_ONCE = 400_000
"""Number of figures in one batch."""


def scan(folder: Path, times: int) -> None:
    """Read the two columns that matter, of both releases, as the lower limit for every method."""
    import duckdb

    with duckdb.connect() as con:
        con.sql(f"select sum(value), max(obs_status) from '{folder}/figures_{times}.parquet'").fetchall()


def commonground(folder: Path, times: int) -> None:
    """Apportion batches by sparse matrices: this project's method, from codes as text."""
    import polars as pl
    import pyarrow.parquet as pq

    from pipelines.apportionment.counts import apportion_batches

    every = pl.scan_parquet(folder / f"figures_{times}.parquet")
    newest = every.group_by("measure", "period_start").agg(pl.col("released_at").max())
    figures = every.join(newest, on=["measure", "period_start", "released_at"], how="semi", maintain_order="left")
    batches = figures.collect_batches(maintain_order=True, chunk_size=AT_ONCE)
    writer = None
    for moved in apportion_batches(batches, pl.read_parquet(folder / "crosswalk.parquet")):
        table = moved.to_arrow()
        writer = writer or pq.ParquetWriter(folder / "commonground.parquet", table.schema)
        writer.write_table(table)
    if writer:
        writer.close()


def duckdb_text(folder: Path, times: int) -> None:
    """Join and group in DuckDB, codes as text."""
    worst = "case status when 'normal' then 0 when 'confidential' then 1 else 2 end"
    _in_duckdb(
        folder, f"select *, {worst} as worst from '{folder}/figures_{times}.parquet'", "crosswalk", "duckdb_text"
    )


def duckdb_integers(folder: Path, times: int) -> None:
    """Join and group in DuckDB, codes as integers."""
    figures = f"select *, obs_status as worst from '{folder}/figures_{times}_integers.parquet'"
    _in_duckdb(folder, figures, "crosswalk_integers", "duckdb_integers")


def _in_duckdb(folder: Path, figures: str, crosswalk: str, road: str) -> None:
    import duckdb

    query = (Path(__file__).parent / "placing.sql").read_text(encoding="utf-8")
    newest = "select measure, period_start, max(released_at) from every group by all"
    with duckdb.connect() as con:
        con.execute(f"create view every as {figures}")
        con.execute(f"create view figures as from every where (measure, period_start, released_at) in ({newest})")
        con.execute(f"create table crosswalk as select * from '{folder}/{crosswalk}.parquet'")
        con.execute(f"copy ({query}) to '{folder}/{road}.parquet' (format parquet)")


def duckdb_footer(folder: Path, times: int) -> None:
    """Join and group in DuckDB as fast as SQL allows: integer codes, the release from the footer, gaps apart.

    The statistics of the row groups give the newest release of each slice, so the others are never read. Known
    figures need no bounds or status, and are summed apart from the few without a value.
    """
    import duckdb

    file = f"{folder}/figures_{times}_integers.parquet"
    with duckdb.connect() as con:
        con.execute(f"create view newest as {_FOOTER_RELEASES.format(file=file)}")
        days = [day for (day,) in con.sql("select distinct released_at from newest").fetchall()]
        parts = [_slices_of_day(con, file, day, len(days) == 1) for day in days]
        con.execute(f"create view figures as {' union all '.join(parts)}")
        con.execute(f"create table crosswalk as from '{folder}/crosswalk_integers.parquet'")
        query = (Path(__file__).parent / "placing_split.sql").read_text(encoding="utf-8")
        con.execute(f"copy ({query}) to '{folder}/duckdb_footer.parquet' (format parquet)")


_FOOTER_RELEASES = """
    select measure, period_start, max(released_at) as released_at from (
        pivot (select row_group_id, path_in_schema, stats_min_value from parquet_metadata('{file}'))
        on path_in_schema in ('measure', 'period_start', 'released_at') using any_value(stats_min_value)
    ) group by all
"""


def _slices_of_day(con: Any, file: str, day: str, is_only: bool) -> str:
    """Return the query of the slices with this newest release; row groups of other releases are skipped."""
    read = f"from '{file}' where released_at = date '{day}'"
    if is_only:
        return read
    con.execute(f"create table day_{day.replace('-', '_')} as from newest where released_at = '{day}'")
    slices = f"select measure::utinyint, period_start::date from day_{day.replace('-', '_')}"
    return f"{read} and (measure, period_start) in ({slices})"


def polars_streaming(folder: Path, times: int) -> None:
    """Join and group in Polars' streaming engine, codes as integers."""
    import polars as pl

    slice_key = ["measure", "period_start"]
    every = pl.scan_parquet(folder / f"figures_{times}_integers.parquet")
    newest = every.group_by(slice_key).agg(pl.col("released_at").max()).collect(engine="streaming")
    if newest["released_at"].n_unique() == 1:
        figures = every.filter(pl.col("released_at") == newest["released_at"][0])
    else:
        figures = every.join(newest.lazy(), on=[*slice_key, "released_at"], how="semi")
    value, population = pl.col("value"), pl.col("weight_population")
    low, high = pl.coalesce("lower_bound", "value"), pl.coalesce("upper_bound", "value")
    sums = (
        figures.join(pl.scan_parquet(folder / "crosswalk_integers.parquet"), left_on="place_code", right_on="from_code")
        .group_by(*slice_key, "to_code")
        .agg(
            partial=(value * pl.col("weight")).sum(), missing=value.null_count(),
            lower_bound=pl.when("goes_whole").then(low).otherwise(0.0).sum(), high=high.sum(), open=high.null_count(),
            coverage=pl.when(value.is_not_null()).then(population).otherwise(0.0).sum() / population.sum(),
            worst=pl.col("obs_status").max(),
        )
    )  # fmt: skip
    sums.select(
        *slice_key, pl.col("to_code").alias("place_code"), "partial", "lower_bound", "coverage", "missing", "worst",
        value=pl.when(pl.col("missing") == 0).then("partial"), upper_bound=pl.when(pl.col("open") == 0).then("high"),
    ).select(RESULT).sink_parquet(folder / "polars_streaming.parquet", engine="streaming")  # fmt: skip


def in_pandas(folder: Path, times: int) -> None:
    """Merge and group in pandas, a measure at a time."""
    import pandas as pd
    import pyarrow.parquet as pq

    pairs = pd.read_parquet(folder / "crosswalk.parquet")
    file = pq.ParquetFile(folder / f"figures_{times}.parquet")
    groups = file.num_row_groups // (10 * times)
    columns = [
        "measure",
        "period_start",
        "released_at",
        "place_code",
        "value",
        "lower_bound",
        "upper_bound",
        "obs_status",
    ]
    frames = []
    for start in range(0, file.num_row_groups, groups):
        figures = file.read_row_groups(list(range(start, start + groups)), columns=columns).to_pandas()
        measure = str(figures.pop("measure").iloc[0])
        released = figures.pop("released_at")
        figures = figures[released == released.groupby(figures["period_start"]).transform("max")]
        moved = figures.merge(pairs, left_on="place_code", right_on="from_code")
        known = moved["value"].notna()
        worst = moved["obs_status"].map({"normal": 0, "confidential": 1, "not_available": 2}).astype("int8")
        high = moved["upper_bound"].fillna(moved["value"])
        parts = pd.DataFrame({
            "period_start": moved["period_start"], "place_code": moved["to_code"],
            "partial": moved["value"].fillna(0) * moved["weight"],
            "lower_bound": moved["lower_bound"].fillna(moved["value"]).where(moved["goes_whole"], 0),
            "upper_bound": high, "open": high.isna(), "missing": ~known,
            "known": moved["weight_population"].where(known, 0), "weight_population": moved["weight_population"],
        })  # fmt: skip
        key = ["period_start", "place_code"]
        sums = parts.groupby(key, observed=True).sum()
        sums["worst"] = worst.groupby([parts[name] for name in key], observed=True).max()
        sums["value"] = sums["partial"].where(sums["missing"] == 0)
        sums["upper_bound"] = sums["upper_bound"].where(sums["open"] == 0)
        sums["coverage"] = sums["known"] / sums["weight_population"]
        frames.append(sums.reset_index().assign(measure=measure)[list(RESULT)])
    pd.concat(frames).to_parquet(folder / "in_pandas.parquet", index=False)


def in_tobler(folder: Path, times: int) -> None:
    """Interpolate with tobler and the given weights: sums only, because it has no coverage, bounds or status.

    It counts missing figures as zero. The geometry is synthetic, and the weights replace areas of land.
    """
    import geopandas as gpd
    import numpy as np
    import pandas as pd
    import pyarrow.parquet as pq
    from scipy import sparse
    from shapely.geometry import box
    from tobler.area_weighted import area_interpolate

    pairs = pd.read_parquet(folder / "crosswalk.parquet")
    areas, districts = (sorted(pairs[name].unique()) for name in ("from_code", "to_code"))
    at = [pd.Categorical(pairs[name], order).codes for name, order in (("from_code", areas), ("to_code", districts))]
    table = sparse.csr_matrix((pairs["weight"], at), shape=(len(areas), len(districts)))
    source, target = (
        gpd.GeoDataFrame(geometry=[box(n, 0, n + 1, 1) for n in range(len(codes))], crs=27700)
        for codes in (areas, districts)
    )
    file = pq.ParquetFile(folder / f"figures_{times}.parquet")
    groups = file.num_row_groups // (10 * times)
    frames = []
    for start in range(0, file.num_row_groups, groups):
        columns = ["measure", "period_start", "released_at", "place_code", "value"]
        figures = file.read_row_groups(list(range(start, start + groups)), columns=columns).to_pandas()
        newest = figures.groupby("period_start")["released_at"].transform("max")
        figures = figures[figures["released_at"] == newest]
        wide = figures.pivot(index="place_code", columns="period_start", values="value").loc[areas].fillna(0)
        wide.columns = [str(name) for name in wide.columns]
        frame = gpd.GeoDataFrame(wide.reset_index(drop=True), geometry=source.geometry)
        moved = area_interpolate(frame, target, extensive_variables=list(wide.columns), table=table)
        long = pd.DataFrame(moved.drop(columns="geometry")).assign(place_code=districts).melt("place_code")
        long.columns = ["place_code", "period_start", "partial"]
        long["period_start"] = pd.to_datetime(long["period_start"]).astype("datetime64[ms]").dt.date
        frames.append(long.assign(measure=str(figures["measure"].iloc[0])))
    everything = pd.concat(frames)
    everything["partial"] = np.asarray(everything["partial"], float)
    everything.to_parquet(folder / "in_tobler.parquet", index=False)


ROADS: dict[str, Callable[[Path, int], None]] = {
    item.__name__: item
    for item in (
        scan,
        commonground,
        duckdb_footer,
        duckdb_integers,
        duckdb_text,
        polars_streaming,
        in_pandas,
        in_tobler,
    )
}


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    try:
        ROADS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
    except ImportError as missing:
        sys.stderr.write(f"{sys.argv[1]}: {missing}\n")
        raise SystemExit(3) from None
