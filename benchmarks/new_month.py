"""What one new month costs: its slices written and moved as a file of its own, against all months from the start.

    .venv/bin/python benchmarks/new_month.py [--runs 3]

The figures are made up (`placing_data.py`). Both are done in one process, in turn, without the start of the program and
with the matrices of the crosswalk made once for both; a first round warms up and is not counted. Processor time is the
measure to trust on a shared machine.
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

from pipelines.apportionment.slice_file import apportion_slices, write_slices  # noqa: E402
from pipelines.apportionment.sparse import CrosswalkMatrix, build_matrix  # noqa: E402


def time_slices(figures: pl.LazyFrame, matrix: CrosswalkMatrix, path: Path) -> tuple[float, pl.DataFrame]:
    """Write some figures by slice and move them; give the processor seconds, and what was moved."""
    begun = time.process_time()
    batches = figures.collect_batches(maintain_order=True, chunk_size=1_000_000)
    write_slices(batches, placing_data.AREA_CODES.to_list(), path)
    apportioned = pl.concat(apportion_slices(path, matrix))
    return time.process_time() - begun, apportioned


def compare_month(runs: int) -> None:
    """Make the figures, do both in turn, check that the month is the same in both, and print what they took."""
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
                raise SystemExit("the month moved alone is not the month moved with all others")
            if not number:
                continue
            ratios.append(rebuilt / month)
            sys.stdout.write(f"one month {month:.2f} s, all {rebuilt:.1f} s: 1/{rebuilt / month:.0f} of it\n")
    sys.stdout.write(f"median: 1/{statistics.median(ratios):.0f}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    compare_month(parser.parse_args().runs)
