"""Cost of a new month: writing and apportioning its slices as a separate file, compared with all months.

.venv/bin/python benchmarks/new_month.py [--runs 3]

The figures are synthetic (`placing_data.py`). Both tasks run in turn in one process, without the start of the program
and with one set of crosswalk matrices. A first round warms up and is not counted. On a shared machine, processor time
is the reliable measure.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import placing_data
import polars as pl

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from pipelines.apportionment.matrix import CrosswalkMatrix, build_matrix  # noqa: E402
from pipelines.apportionment.slice_file import apportion_slices, write_slices  # noqa: E402


def time_slices(figures: pl.LazyFrame, matrix: CrosswalkMatrix, path: Path) -> tuple[float, pl.DataFrame]:
    """Write some figures by slice and apportion them; return the processor seconds and the result."""
    begun = time.process_time()
    batches = figures.collect_batches(maintain_order=True, chunk_size=1_000_000)
    write_slices(batches, placing_data.AREA_CODES.to_list(), path)
    apportioned = pl.concat(apportion_slices(path, matrix))
    return time.process_time() - begun, apportioned


def compare_month(runs: int) -> None:
    """Write the figures, do both tasks in turn, check that the month is the same in both, and print the cost."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, str(HERE / "placing_data.py"), name, "1"], check=True)
        matrix = build_matrix(pl.read_parquet(folder / "crosswalk.parquet"))
        every = pl.scan_parquet(folder / "figures_1.parquet")
        start = placing_data.months()[-1][0]
        newest = folder / "month.parquet"
        every.filter(pl.col("period_start") == start).sink_parquet(newest, row_group_size=placing_data.AREAS)
        ratios = []
        for number in range(runs + 1):
            month, apportioned = time_slices(pl.scan_parquet(newest), matrix, folder / "month_slices.parquet")
            rebuilt, whole = time_slices(every, matrix, folder / "slices.parquet")
            if not whole.filter(pl.col("period_start") == start).equals(apportioned):
                raise SystemExit("the month apportioned alone differs from the month apportioned with all others")
            if not number:
                continue
            ratios.append(rebuilt / month)
            sys.stdout.write(f"one month {month:.2f} s, all {rebuilt:.1f} s: a ratio of 1/{rebuilt / month:.0f}\n")
    sys.stdout.write(f"median: 1/{statistics.median(ratios):.0f}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    compare_month(parser.parse_args().runs)
