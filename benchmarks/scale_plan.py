"""Cost of placing, towards ten billion rows: simulated from slopes by rows, slices and cells that this script measures.

python -m benchmarks.scale_plan [--engine duckdb]

Places synthetic figures (engines.write_figures) by the code of a build at five sizes. Four of them give the CPU time of
a placing as a constant and three slopes: by million rows in use, by slice, and by million cells (places times slices).
The fifth, with more of everything, tests the straight line. The cost of reading a new release is the slope of the
table of build.py in README.md. The table then gives stores up to ten billion rows in use. Prints two tables.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.build_project import ROOT
from benchmarks.engines import Size, place_figures, write_figures
from pipelines.fetch import open_engine

SIZES = {
    "base": Size(12, 2),
    "rows: four times the areas": Size(12, 2, areas=140_000),
    "slices: eight times, an eighth of the areas": Size(48, 4, areas=4_375),
    "places: twenty times": Size(12, 2, places=7_220),
    "more of everything": Size(24, 4, areas=70_000, places=1_444),
}
STORES = {
    "districts by month, 10 years, 40 measures": Size(120, 40, areas=361),
    "small areas by month, 5 years, 10 measures": Size(60, 10),
    "small areas by month, 10 years, 100 measures": Size(120, 100, releases=12),
    "the same, 24 releases of every figure": Size(120, 100, releases=24),
    "small areas by month, 10 years, 1,000 measures": Size(120, 1_000, releases=12),
    "small areas by day, 8 years, 100 measures": Size(2_922, 100),
    "the same, to 7,220 places": Size(2_922, 100, places=7_220),
}
_READING = re.compile(r"\| Parquet 1 M: each million rows beyond 35 k \| \d+ \| ([\d.]+) \|")


class Slopes(NamedTuple):
    """CPU seconds of a placing: constant, and by million rows in use, by slice, and by million cells."""

    constant: float
    rows: float
    slices: float
    cells: float

    def predict(self, size: Size) -> float:
        """Return the CPU seconds of a placing of a size."""
        return float(np.dot(self, list_amounts(size)))


def list_amounts(size: Size) -> list[float]:
    """Return the amounts of the slopes: 1, million rows in use, slices and million cells."""
    return [1, size.rows_in_use / 1e6, size.slices, size.slices * size.places / 1e6]


def measure_placing(size: Size, address: str, runs: int) -> float:
    """Return the least CPU seconds of this process for a placing; an engine in another process is not counted."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_figures(folder, size._replace(releases=1))
        engine, times = open_engine(address), []
        for _ in range(runs):
            begun = time.process_time()
            place_figures(folder, engine)
            times.append(time.process_time() - begun)
    return min(times)


def fit_slopes(measured: dict[str, float]) -> Slopes:
    """Solve the constant and the slopes from the first four sizes."""
    names = list(SIZES)[:4]
    amounts = [list_amounts(SIZES[name]) for name in names]
    return Slopes(*np.linalg.solve(amounts, [measured[name] for name in names]))


def read_reading_slope() -> float:
    """Return the CPU seconds of a build for each million rows that it reads anew."""
    slope = _READING.search((ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8"))
    if not slope:
        raise SystemExit("benchmarks/README.md has no row of a million rows of Parquet")
    return float(slope[1])


def format_stores(slopes: Slopes, reading: float) -> str:
    """Format the cost of stores: the first build, one new release of every measure, and a placing alone."""
    heads = ("store", "rows in use, M", "rows of all releases, M", "cells, M", "read all releases, CPU h",
             "read one release, CPU h", "place, CPU h")  # fmt: skip
    return "\n".join([
        f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1),
        *(f"| {name} | {' | '.join(_list_costs(size, slopes, reading))} |" for name, size in STORES.items()),
    ])  # fmt: skip


def _list_costs(size: Size, slopes: Slopes, reading: float) -> list[str]:
    now, cells = size.rows_in_use / 1e6, size.slices * size.places / 1e6
    every = now * size.releases
    hours = [every * reading / 3600, now * reading / 3600, slopes.predict(size) / 3600]
    return [f"{now:,.1f}", f"{every:,.1f}", f"{cells:,.1f}", *(f"{hour:,.2f}" for hour in hours)]


def main(words: Sequence[str] | None = None) -> None:
    """Measure the slopes, test them, and print the cost of stores."""
    parser = argparse.ArgumentParser(description="Cost of placing towards ten billion rows.")
    parser.add_argument("--engine", default="duckdb")
    parser.add_argument("--runs", type=int, default=2)
    asked = parser.parse_args(words)
    measured = {}
    for name, size in SIZES.items():
        measured[name] = measure_placing(size, asked.engine, asked.runs)
        sys.stdout.write(f"{name}: {size.rows_in_use:,} rows, {size.slices} slices: {measured[name]:.2f} CPU s\n")
        sys.stdout.flush()
    slopes, last = fit_slopes(measured), list(SIZES)[-1]
    sys.stdout.write(
        f"constant {slopes.constant:.2f} s; {slopes.rows:.2f} s a million rows; "
        f"{slopes.slices * 1000:.1f} s a thousand slices; {slopes.cells:.1f} s a million cells; "
        f"{last}: {slopes.predict(SIZES[last]):.2f} s predicted, {measured[last]:.2f} s measured\n\n"
        f"{format_stores(slopes, read_reading_slope())}\n"
    )


if __name__ == "__main__":
    main()
