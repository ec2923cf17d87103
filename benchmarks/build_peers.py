"""The work of a build in plain DuckDB and in plain Polars, as the peers of `build.py`.

python -m benchmarks.build_peers ROAD FOLDER

Each reads the files of the publisher and takes the newest release of each measure and month. It sums the small areas
of each district with bounds and coverage. Then it gives each cell of the grid a figure or a reason, and writes CELL to
<road>.parquet. The folder has work.json, parts.parquet and places.parquet, as `write_work` makes them.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CELL = (
    "measure",
    "place_code",
    "period_start",
    "value",
    "lower_bound",
    "upper_bound",
    "coverage",
    "obs_status",
    "reason",
)
"""Columns of the result, one row for each cell of the grid."""
COVERED = ("England", "Wales")
_SQL = """
with figures as (
    select item, month, code, try_cast(figure as double) as value, marker from read
),
moved as (
    select item, month, to_code,
        sum(value) as total, count(*) - count(value) as missing, count(*) as parts,
        sum(case when value is not null then value when marker = 'c' then 1 else 0 end) as lower_bound,
        sum(case when value is not null then value when marker = 'c' then 4 end) as high,
        count(*) filter (marker = 'x') as unknown,
        sum(residents) filter (value is not null) / sum(residents) as coverage
    from figures join parts on code = from_code
    group by all
)
select 'synthetic_' || substr(grid.item, 6) as measure, place_code, (grid.month || '-01')::date as period_start,
    case when missing = 0 then total end as value,
    moved.lower_bound,
    case when unknown = 0 then high end as upper_bound,
    case when parts is not null then coalesce(coverage, 0) end as coverage,
    case when unknown > 0 then 'not_available' when missing > 0 then 'confidential' when parts > 0 then 'normal' end
        as obs_status,
    case when nation not in ('England', 'Wales') then 'nation_not_covered'
        when parts = 1 and unknown = 1 then 'not_available'
        when parts = 1 and missing = 1 then 'suppressed'
        when missing > 0 then 'children_incomplete'
        when parts is null then 'not_returned' end as reason
from (from places, (select distinct item, month from moved)) as grid
left join moved on place_code = to_code and moved.item = grid.item and moved.month = grid.month
"""


def in_duckdb(folder: Path, work: dict[str, Any]) -> None:
    """Read, join, sum and type in DuckDB."""
    import duckdb

    parsed = [_duckdb_file(path, number) for number, path in enumerate(work["files"])]
    with duckdb.connect() as con:
        con.execute(f"create table parts as from '{folder}/parts.parquet'")
        con.execute(f"create table places as from '{folder}/places.parquet'")
        if len(parsed) == 1:
            con.execute(f"create view read as {parsed[0]}")
        else:
            con.execute(f"create table every as {' union all '.join(parsed)}")
            newest = "select item, month, max(release) from every group by all"
            con.execute(f"create view read as from every where (item, month, release) in ({newest})")
        con.execute(f"copy ({_SQL}) to '{folder}/in_duckdb.parquet' (format parquet)")


def _duckdb_file(path: str, number: int) -> str:
    if path.endswith(".parquet"):
        return f"select item, month, code, figure, status as marker, {number} as release from '{path}'"
    columns = "{'month': 'varchar', 'code': 'varchar', 'item': 'varchar', 'figure': 'varchar'}"
    read = f"read_csv('{path}', header = true, columns = {columns})"
    return f"select item, month, code, figure, figure as marker, {number} as release from {read}"


def in_polars(folder: Path, work: dict[str, Any]) -> None:
    """Read, join, sum and type in Polars' streaming engine."""
    import polars as pl

    every = pl.concat([_polars_file(path, number) for number, path in enumerate(work["files"])])
    if len(work["files"]) > 1:
        newest = every.group_by("item", "month").agg(pl.col("release").max())
        every = every.join(newest, on=["item", "month", "release"], how="semi")
    value, marker, residents = pl.col("value"), pl.col("marker"), pl.col("residents")
    bound = pl.when(marker == "c")
    moved = (
        every.join(pl.scan_parquet(folder / "parts.parquet"), left_on="code", right_on="from_code")
        .group_by("item", "month", "to_code")
        .agg(
            total=value.sum(), missing=value.null_count(), parts=pl.len(),
            lower_bound=pl.coalesce(value, bound.then(1.0), 0.0).sum(),
            high=pl.coalesce(value, bound.then(4.0)).sum(),
            unknown=(marker == "x").sum(),
            coverage=pl.when(value.is_not_null()).then(residents).sum() / residents.sum(),
        )
    )  # fmt: skip
    spans = pl.DataFrame(work["slices"], schema=["item", "month"], orient="row").lazy()
    grid = pl.scan_parquet(folder / "places.parquet").join(spans, how="cross")
    cells = grid.join(moved, left_on=["place_code", "item", "month"], right_on=["to_code", "item", "month"], how="left")
    missing, parts, unknown = pl.col("missing"), pl.col("parts"), pl.col("unknown")
    cells.select(
        pl.concat_str(pl.lit("synthetic_"), pl.col("item").str.slice(5)).alias("measure"),
        "place_code",
        pl.col("month").str.to_date("%Y-%m").alias("period_start"),
        pl.when(missing == 0).then("total").alias("value"),
        "lower_bound",
        pl.when(unknown == 0).then("high").alias("upper_bound"),
        "coverage",
        pl.when(unknown > 0).then(pl.lit("not_available"))
        .when(missing > 0).then(pl.lit("confidential"))
        .when(parts > 0).then(pl.lit("normal")).alias("obs_status"),
        pl.when(~pl.col("nation").is_in(COVERED)).then(pl.lit("nation_not_covered"))
        .when((parts == 1) & (unknown == 1)).then(pl.lit("not_available"))
        .when((parts == 1) & (missing == 1)).then(pl.lit("suppressed"))
        .when(missing > 0).then(pl.lit("children_incomplete"))
        .when(parts.is_null()).then(pl.lit("not_returned")).alias("reason"),
    ).sink_parquet(folder / "in_polars.parquet")  # fmt: skip


def _polars_file(path: str, number: int) -> Any:
    import polars as pl

    if path.endswith(".parquet"):
        read = pl.scan_parquet(path).with_columns(value=pl.col("figure").cast(pl.Float64), marker="status")
    else:
        text = pl.scan_csv(path, infer_schema=False)
        read = text.with_columns(value=pl.col("figure").cast(pl.Float64, strict=False), marker="figure")
    return read.select("item", "month", "code", "value", "marker", pl.lit(number).alias("release"))


ROADS: dict[str, Callable[[Path, dict[str, Any]], None]] = {road.__name__: road for road in (in_duckdb, in_polars)}


if __name__ == "__main__":
    where = Path(sys.argv[2])
    ROADS[sys.argv[1]](where, json.loads((where / "work.json").read_text(encoding="utf-8")))
