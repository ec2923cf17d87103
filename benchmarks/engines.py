"""Cost of the queries of docs/scale.md by engine: DuckDB, and Sail, a Spark Connect server that needs no Java.

python -m benchmarks.engines [--months 60] [--measures 10] [--server sc://HOST:PORT]

Writes synthetic tables in the layout of that page: two releases of 35,000 small areas by month and measure, 3 %
suppressed. Each engine then runs the query `place` in a process of its own, to 361 larger places. The answers must be
equal: the values within one part in 10^12, and the other columns exactly. `--server` adds a server that runs already:
only its wall time is known. Prints one line for each engine.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb
import polars as pl

from benchmarks.build_project import ROOT
from benchmarks.cost import run_command
from tests.engines import SQL_BLOCKS, spark_connect

AREAS, PLACES, RELEASES = 35_000, 361, 2
KEY = ["measure", "period_start", "to_code"]
SOURCE = "synthetic"


def write_tables(folder: Path, months: int, measures: int) -> int:
    """Write the tables and a crosswalk; return the number of rows of both releases."""
    (folder / "observations" / SOURCE).mkdir(parents=True)
    (folder / "slices").mkdir()
    with duckdb.connect() as con:
        con.execute("set preserve_insertion_order = true; set memory_limit = '2GB'")
        con.execute(
            f"create table slice as select 'measure_' || m as measure, cast(date '2010-01-01' + to_months(p) as date) "
            f"as period_start, cast(date '2010-02-01' + to_months(p) - interval 1 day as date) as period_end, m, p "
            f"from range({measures}) a(m), range({months}) b(p)"
        )
        known = "hash(area, m, p) % 100 >= 3"
        code = "'A' || lpad(cast(area as varchar), 6, '0')"
        for release in range(RELEASES):
            con.execute(
                f"copy (select '{SOURCE}' as source, cast({release} as bigint) as release_order, measure, "
                f"period_start, period_end, {code} as place_code, "
                f"case when {known} then cast(hash(area, m, p, {release}) % 1000 as double) end as value, "
                f"case when {known} then 'normal' else 'confidential' end as obs_status "
                f"from slice, range({AREAS}) c(area) order by m, p, area) "
                f"to '{folder}/observations/{SOURCE}/{release}.parquet' (compression zstd)"
            )
        con.execute(
            f"copy (select '{SOURCE}' as source, cast(release as bigint) as release_order, measure, period_start, "
            f"period_end, release = {RELEASES - 1} as in_use from slice, range({RELEASES}) r(release)) "
            f"to '{folder}/slices/{SOURCE}.parquet'"
        )
        con.execute(
            f"copy (select {code} as from_code, "
            f"'P' || lpad(cast(area % {PLACES} as varchar), 3, '0') as to_code, 1.0::double as weight "
            f"from range({AREAS}) a(area)) to '{folder}/crosswalk.parquet'"
        )
    return AREAS * months * measures * RELEASES


def answer_with_duckdb(folder: Path) -> pl.DataFrame:
    """Run the query with DuckDB."""
    with duckdb.connect() as con:
        for view, files in (("observations", "observations/*/*"), ("slices", "slices/*"), ("crosswalk", "crosswalk")):
            con.execute(f"create view {view} as select * from read_parquet('{folder}/{files}.parquet')")
        return con.sql(SQL_BLOCKS["place"]).pl()


def answer_with_spark(folder: Path, server: str) -> pl.DataFrame:
    """Run the query on a Spark Connect server: Sail in this process, or a server by its address."""
    if server == "sail":
        with spark_connect() as session:
            return _query_spark(session, folder)
    from pyspark.sql import SparkSession

    return _query_spark(SparkSession.builder.remote(server).create(), folder)


def _query_spark(session, folder: Path) -> pl.DataFrame:  # type: ignore[no-untyped-def]
    for view, files in (("observations", "observations/*"), ("slices", "slices"), ("crosswalk", "crosswalk.parquet")):
        session.read.parquet(f"{folder}/{files}").createOrReplaceTempView(view)
    answer = pl.from_arrow(session.sql(SQL_BLOCKS["place"]).toArrow())
    assert isinstance(answer, pl.DataFrame)
    return answer


def require_equal(ours: pl.DataFrame, theirs: pl.DataFrame) -> None:
    """Stop where two answers differ."""
    one, other = ours.sort(KEY), theirs.cast(ours.schema).select(ours.columns).sort(KEY)
    difference = (one["value"] - other["value"]).abs() <= 1e-12 * one["value"].abs()
    if not one.drop("value").equals(other.drop("value")) or not difference.fill_null(True).all():
        raise SystemExit("the answers differ")
    if not one["value"].is_null().equals(other["value"].is_null()):
        raise SystemExit("the answers have other gaps")


def main(words: Sequence[str] | None = None) -> None:
    """Compare the engines, or run one of them on a folder and store its answer."""
    parser = argparse.ArgumentParser(description="Cost of the queries of docs/scale.md by engine.")
    parser.add_argument("--months", type=int, default=60)
    parser.add_argument("--measures", type=int, default=10)
    parser.add_argument("--server")
    parser.add_argument("--run", nargs=2, metavar=("ENGINE", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    if asked.run:
        engine, folder = asked.run[0], Path(asked.run[1])
        answer = answer_with_duckdb(folder) if engine == "duckdb" else answer_with_spark(folder, engine)
        answer.write_parquet(folder / "answer.parquet")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows, answers = write_tables(folder, asked.months, asked.measures), []
        sys.stdout.write(f"{rows:,} rows in {RELEASES} releases\n")
        for engine in ["duckdb", "sail", *([asked.server] if asked.server else [])]:
            done = run_command([sys.executable, "-m", "benchmarks.engines", "--run", engine, str(folder)], {}, ROOT)
            answers.append(pl.read_parquet(folder / "answer.parquet"))
            cost = done.cost
            sys.stdout.write(f"{engine}: {cost.cpu:.1f} CPU s, {cost.wall:.1f} s, {cost.peak:,.0f} MB\n")
            sys.stdout.flush()
            require_equal(answers[0], answers[-1])


if __name__ == "__main__":
    main()
