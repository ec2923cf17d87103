"""Cost of apportioning figures from small areas to districts, by this project and by others, in one run.

.venv/bin/python benchmarks/placing.py [--runs 3] [--times 1] [--roads ROAD,ROAD] [--tobler PYTHON] [--write]

The figures are synthetic (`placing_data.py`), and the methods are in `placing_roads.py`. Each runs in a separate
process, one after the other, so that noise affects every method: compare the ratios. The results are checked to agree.
tobler is not in the environment. Name a Python with tobler, or its row says that it was not run. `--write` updates
the table in README.md. Peak memory needs a POSIX system.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import placing_data
import polars as pl
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"
TITLES = {
    "scan": "bare scan of two columns (DuckDB), the lower limit",
    "commonground": "**Commonground**, `apportion_batches` over any Parquet",
    "duckdb_footer": "tuned SQL in DuckDB, codes as integers, release by the footer, gaps apart",
    "duckdb_integers": "plain SQL in DuckDB, codes as integers",
    "duckdb_text": "plain SQL in DuckDB, codes as text",
    "polars_streaming": "Polars' streaming engine, codes as integers",
    "in_pandas": "pandas, a measure at a time",
    "in_tobler": "tobler with the same weights: sums only",
}
NUMBERS = ("value", "partial", "lower_bound", "upper_bound", "coverage", "missing", "worst")


class Taken(NamedTuple):
    """Cost of one run of one method: wall and processor seconds, and peak memory in MB."""

    wall: float
    cpu: float
    peak: float


def time_method(python: str, road: str, folder: Path, times: int) -> Taken | None:
    """Run one method in a separate process; None where a library is not installed."""
    command = [python, str(HERE / "placing_roads.py"), road, str(folder), str(times)]
    begun = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode == 3:
        return None
    if process.returncode:
        raise SystemExit(f"{road} ended with {process.returncode}")
    peak = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)
    return Taken(time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, peak)


def prepare_figures(folder: Path, times: int) -> int:
    """Write the figures in another process, so that this one stays small; return their number."""
    subprocess.run([sys.executable, str(HERE / "placing_data.py"), str(folder), str(times)], check=True)
    return int(pq.ParquetFile(folder / f"figures_{times}.parquet").metadata.num_rows)


def read_result(folder: Path, road: str) -> pl.DataFrame:
    """Read the result of a method, with codes as text and in one order."""
    figures = pl.read_parquet(folder / f"{road}.parquet")
    if road in ("duckdb_footer", "duckdb_integers", "polars_streaming"):
        codes = [pl.format(form, pl.col(name).cast(pl.String).str.zfill(3)).alias(name)
                 for name, form in (("measure", "made_up_{}"), ("place_code", "DIS{}"))]  # fmt: skip
        figures = figures.with_columns(codes)
    if road == "commonground":
        worst = {status: n for n, status in enumerate(placing_data.STATUSES)}
        figures = figures.with_columns(pl.col("obs_status").replace_strict(worst).alias("worst"))
    keys = [pl.col("measure", "place_code").cast(pl.String), pl.col("period_start").cast(pl.Date)]
    return figures.select(*keys, *(pl.col(n).cast(pl.Float64) for n in NUMBERS if n in figures.columns)).sort(
        "measure", "period_start", "place_code"
    )


def find_disagreement(one: pl.DataFrame, other: pl.DataFrame) -> str:
    """Describe the difference between two results; blank where they agree."""
    key = ["measure", "period_start", "place_code"]
    if not one.select(key).equals(other.select(key)):
        return f"{other.height} rows, expected {one.height} of the same measures, months and districts"
    for name in other.columns[3:]:
        pairs = pl.DataFrame({"one": one[name], "other": other[name]})
        near = (pl.col("one") - pl.col("other")).abs() <= 1e-6 * pl.col("one").abs() + 1e-9
        wrong = pairs.filter(~(near.fill_null(False) | pl.all_horizontal(pl.all().is_null())))
        if wrong.height:
            return f"{wrong.height} differ in {name}, {wrong.row(0)} among them"
    return ""


def method_row(road: str, runs: list[Taken | None], ours: list[Taken | None]) -> str:
    """Format one method: medians, and its processor time over ours, run by run."""
    taken = [run for run in runs if run]
    if not taken:
        return f"| {TITLES[road]} | not installed, not run | | | |"
    wall, cpu = (statistics.median(getattr(run, name) for run in taken) for name in ("wall", "cpu"))
    pairs = [run.cpu / own.cpu for run, own in zip(runs, ours, strict=False) if run and own]
    ratio = f"{statistics.median(pairs):.1f}" if pairs else ""
    return f"| {TITLES[road]} | {wall:.1f} | {cpu:.1f} | {ratio} | {max(run.peak for run in taken):,.0f} |"


def format_table(runs_by_method: dict[str, list[Taken | None]], figures: int, runs: int) -> str:
    """Format the cost of all methods."""
    head = (
        f"{figures:,} synthetic figures, half of them superseded, {runs} runs, medians:\n\n"
        "| method | wall s | processor s | ratio to ours | peak MB |\n|---|---|---|---|---|"
    )
    ours = runs_by_method.get("commonground", [])
    return "\n".join([head, *(method_row(road, taken, ours) for road, taken in runs_by_method.items())])


def write_table(text: str) -> None:
    """Write the table between its two marks in README.md."""
    page = README.read_text(encoding="utf-8")
    start, end = "<!-- placing -->\n", "<!-- /placing -->"
    before, rest = page.split(start)
    README.write_text(f"{before}{start}{text}\n{end}{rest.split(end)[1]}", encoding="utf-8")


def compare_methods(options: argparse.Namespace) -> None:
    """Write the figures, run every method in turn, check that they agree, and print the table."""
    roads = options.roads.split(",") if options.roads else list(TITLES)
    runs_by_method: dict[str, list[Taken | None]] = {road: [] for road in roads}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = prepare_figures(folder, options.times)
        for _ in range(options.runs):
            for road in roads:
                python = options.tobler if road == "in_tobler" else sys.executable
                runs_by_method[road].append(time_method(python, road, folder, options.times))
        ran = [road for road in roads if runs_by_method[road][0] and road != "scan"]
        expected = read_result(
            folder, ran[0]
        )  # read only now, because the peak memory of a process includes its parent's
        faults = {road: find_disagreement(expected, read_result(folder, road)) for road in ran[1:]}
    text = format_table(runs_by_method, figures, options.runs)
    sys.stdout.write(text + "\n")
    for road, fault in faults.items():
        sys.stdout.write(f"{road}: {fault or 'agrees with ' + ran[0]}\n")
    if any(faults.values()):
        raise SystemExit(1)
    if options.write and options.times == 1:
        write_table(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--times", type=int, default=1, help="Number of times ten measures are apportioned.")
    parser.add_argument("--roads", default="", help="Methods to run; all by default.")
    parser.add_argument("--tobler", default=sys.executable, help="A Python that has tobler.")
    parser.add_argument("--write", action="store_true", help="Put the table into README.md.")
    compare_methods(parser.parse_args())
