"""Cost of placing a large source by engine: DuckDB, Sail and Apache Spark, on the same files by the same SQL.

python -m benchmarks.engines [--months 60] [--measures 10] [--spark HOME] [--kill]

Writes synthetic plain figures as a build does (observations.plain_files): two releases of 35,000 small areas by month
and measure, 3 % suppressed, of which one is in use. One area in twenty is split between two of 361 larger places. Each
engine then places them in a process of its own, by the code of a build (apportionment.place_on_engine). The cells must
be equal: numbers within one part in 10^12, and the other columns exactly.

`--spark` names the folder of an Apache Spark 4.1, for example of the Python package `pyspark` (it needs Java): its
Connect server then runs as local[2]. `--kill` runs it as local-cluster instead, with executors in processes of their
own, and kills one while the sums are computed. CPU and memory include the server. Prints one line for each engine.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl

from benchmarks.build_project import ROOT
from benchmarks.cost import run_command
from pipelines.apportionment import Crosswalk, EngineSlices, place_on_engine
from pipelines.core.sql_engine import SqlEngine
from pipelines.declarations.measure import Measure
from pipelines.fetch import open_engine
from tests.engines import sail_address
from tests.placed_by_engine import find_differences

SOURCE, KEY = "synthetic", ["measure", "period_start", "to_code"]
_CODE = "'A' || lpad(cast(area as varchar), 6, '0')"
_START_SECONDS = 120


class Size(NamedTuple):
    """Size of a synthetic source: months and measures of small areas, larger places, and releases of all of them."""

    months: int
    measures: int
    areas: int = 35_000
    places: int = 361
    releases: int = 2

    @property
    def rows_in_use(self) -> int:
        """Return the rows of one release."""
        return self.areas * self.months * self.measures

    @property
    def slices(self) -> int:
        """Return the slices of one release."""
        return self.months * self.measures


def write_figures(folder: Path, size: Size) -> int:
    """Write plain figures by release and measure, the slices in use and a crosswalk; return the number of rows."""
    with duckdb.connect() as con:
        con.execute("set preserve_insertion_order = true; set memory_limit = '2GB'; set threads = 2")
        known = "hash(area, month, {item}) % 100 >= 3"
        for release in range(size.releases):
            (folder / str(release)).mkdir()
            for item in range(size.measures):
                value = f"case when {known} then cast(hash(area, month, {{item}}, {release}) % 1000 as double) end"
                low = f"case when {known} then {value} else 1.0 end"
                high = f"case when {known} then {value} else 4.0 end"
                columns = (
                    f"cast({(release * size.measures + item) << 20} + month as bigint) as slice, "
                    f"{_CODE} as place_code, "
                    f"{value} as value, {low} as lower_bound, {high} as upper_bound, cast(null as double) as "
                    f"interval_lower, cast(null as double) as interval_upper, cast(case when {known} then 0 else 8 end "
                    f"as bigint) as status, not ({known}) as is_hidden, case when not ({known}) then 'c' end as "
                    "published_marker, cast(null as varchar) as caveats, cast(null as varchar) as caveat_evidence, "
                    "cast(area as bigint) as file_row"
                ).format(item=item)
                con.execute(
                    f"copy (select {columns} from range({size.months}) m(month), range({size.areas}) a(area) "
                    f"order by 1, 2) to '{folder}/{release}/{item}.parquet' (compression zstd)"
                )
    _list_slices(size).write_parquet(folder / "slices.parquet")
    _make_crosswalk(size).write_parquet(folder / "crosswalk.parquet")
    return size.rows_in_use * size.releases


def _list_slices(size: Size) -> pl.DataFrame:
    starts = pl.date_range(date(2010, 1, 1), date(2300, 1, 1), "1mo", eager=True)
    month = pl.DataFrame({"period_start": starts.head(size.months)}).with_row_index("month").with_columns(
        pl.col("period_start").dt.month_end().alias("period_end")
    )  # fmt: skip
    first = ((size.releases - 1) * size.measures + pl.col("item")) * (1 << 20)
    return pl.DataFrame({"item": range(size.measures)}).join(month, how="cross").with_columns(
        (first + pl.col("month")).cast(pl.Int64).alias("slice"),
        pl.format("measure_{}", "item").alias("measure"),
        *(pl.lit(text).alias(name) for name, text in (("source", SOURCE), ("release", "1"), ("geography", "lsoa_2021"),
                                                      ("unit", "people"), ("file", "1"), ("file_column", "figure"))),
        pl.lit(date(2026, 1, 1)).alias("released_at"), pl.lit(None, pl.Float64).alias("interval_level"),
    )  # fmt: skip


def _make_crosswalk(size: Size) -> pl.DataFrame:
    area = pl.int_range(size.areas, eager=True).alias("area")
    code = pl.format("A{}", area.cast(pl.String).str.zfill(6))
    people = (1000 + area % 700).cast(pl.Float64)
    whole = pl.DataFrame(
        {"from_code": pl.select(code).to_series(), "at": area % size.places, "weight": 1.0, "n": people}
    )
    split = area % 20 == 0
    parts = [
        whole.filter(~split),
        *(whole.filter(split).with_columns((pl.col("at") + move) % size.places, weight=pl.lit(share))
          for move, share in ((0, 0.6), (1, 0.4))),
    ]  # fmt: skip
    return pl.concat(parts).select(
        "from_code", pl.format("P{}", pl.col("at").cast(pl.String).str.zfill(5)).alias("to_code"), "weight",
        (pl.col("n") * pl.col("weight")).alias("weight_population"), pl.lit("lsoa_2021").alias("from_geography"),
        pl.lit("lad_2024").alias("to_geography"),
    )  # fmt: skip


def place_figures(folder: Path, engine: SqlEngine) -> pl.DataFrame:
    """Place the figures of the release in use by the code of a build."""
    slices = pl.read_parquet(folder / "slices.parquet")
    names = slices["measure"].unique()
    measures = {name: Measure(title=name, unit="people", kind="count") for name in names}
    newest = max(folder.glob("[0-9]*"), key=lambda path: int(path.name))
    files = sorted(newest.glob("*.parquet"))
    crosswalk = Crosswalk(pl.read_parquet(folder / "crosswalk.parquet"), "all_ages")
    return place_on_engine(EngineSlices(engine, slices, files, []), crosswalk, measures)[0]


@contextmanager
def spark_server(home: Path, master: str) -> Iterator[str]:
    """Start the Connect server of an Apache Spark; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(home / "bin" / "spark-submit"), "--master", master, "--driver-memory", "2g",
        "--conf", f"spark.connect.grpc.binding.port={port}", "--conf", "spark.sql.shuffle.partitions=8",
        "--conf", "spark.ui.enabled=false", "--class", "org.apache.spark.sql.connect.service.SparkConnectServer",
        "spark-internal",
    ]  # fmt: skip
    surroundings = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
    with tempfile.TemporaryDirectory() as work:
        server = subprocess.Popen(command, env=surroundings, cwd=work, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
        try:
            _wait_for_port(port)
            yield f"sc://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()


def _wait_for_port(port: int) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise SystemExit("the Connect server of Spark did not start")


def list_executors() -> list[int]:
    """List the executor processes of this user's local clusters that descend from this process."""
    executors = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"org.apache.spark.executor.CoarseGrainedExecutorBackend" in words and _descends(int(path.parent.name)):
            executors.append(int(path.parent.name))
    return sorted(executors)


def _descends(process: int) -> bool:
    while process > 1:
        if process == os.getpid():
            return True
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        process = int(fields[1])
    return False


class _KillingEngine:
    """An engine of which an executor is killed while the sums are computed."""

    def __init__(self, engine: SqlEngine) -> None:
        self.address, self._engine = engine.address, engine
        self.name_files, self.name_table = engine.name_files, engine.name_table

    def query(self, text: str) -> pl.DataFrame:
        """Run a query; kill an executor during the first that sums parts."""
        if "as whole_with_low" not in text:
            return self._engine.query(text)
        before, begun = list_executors(), time.monotonic()
        timer = threading.Timer(2, os.kill, (before[0], signal.SIGKILL))
        timer.start()
        table = self._engine.query(text)
        took, after = time.monotonic() - begun, list_executors()
        if timer.is_alive() or before[0] in after:
            raise SystemExit("the query ended before the executor was killed: use more months")
        sys.stdout.write(
            f"executors {before}; {before[0]} killed (SIGKILL) 2.0 s after the query of sums began; it ended after "
            f"{took:.1f} s; executors then {after}\n"
        )
        return table


def run_engine(engine: str, folder: Path, spark: str, kill: bool) -> None:
    """Place the figures with one engine, and store the cells."""
    contexts = {"duckdb": lambda: nullcontext("duckdb"), "sail": sail_address}
    master = "local-cluster[2,1,1024]" if kill else "local[2]"
    with contexts.get(engine, lambda: spark_server(Path(spark), master))() as address:
        opened = open_engine(address)
        if kill:
            opened.query("select count(*) from range(1000)")
            opened = _KillingEngine(opened)
        place_figures(folder, opened).write_parquet(folder / f"{engine}.parquet")


def main(words: Sequence[str] | None = None) -> None:
    """Compare the engines, or run one of them on a folder and store its cells."""
    parser = argparse.ArgumentParser(description="Cost of placing a large source by engine.")
    parser.add_argument("--months", type=int, default=60)
    parser.add_argument("--measures", type=int, default=10)
    parser.add_argument("--spark", default="")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--run", nargs=2, metavar=("ENGINE", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    if asked.run:
        run_engine(asked.run[0], Path(asked.run[1]), asked.spark, asked.kill)
        return
    more = ["--spark", asked.spark, *(["--kill"] if asked.kill else [])]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        size = Size(asked.months, asked.measures)
        rows = write_figures(folder, size)
        sys.stdout.write(f"{rows:,} rows in {size.releases} releases, {size.rows_in_use:,} in use\n")
        for engine in ["duckdb", *([] if asked.kill else ["sail"]), *(["spark"] if asked.spark else [])]:
            command = [sys.executable, "-m", "benchmarks.engines", "--run", engine, str(folder)]
            done = run_command([*command, *(more if engine == "spark" else [])], {}, ROOT)
            lines = [line for line in done.output.splitlines() if line.startswith("executors ")]
            cells, expected = (pl.read_parquet(folder / f"{name}.parquet") for name in (engine, "duckdb"))
            if differences := find_differences(expected, cells, KEY):
                raise SystemExit(f"{engine}: {differences}")
            cost = done.cost
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.write(f"{engine}: {cost.cpu:.1f} CPU s, {cost.wall:.1f} s, {cost.peak:,.0f} MB; "
                             f"{cells.height:,} cells, equal\n")  # fmt: skip
            sys.stdout.flush()


if __name__ == "__main__":
    main()
