"""Reasons for a grid of 43 million cells: pandas, plain Polars and dense slices, each in a separate process.

.venv/bin/python benchmarks/gap_typing.py [MEASURES ...]

The first size is run with every method, further sizes only with the fast ones. The figures are synthetic, with a
fixed seed, for timing only. There are 35,672 small areas by 120 months by 10 measures, or as many as given. Of these
3 % are suppressed and 1 % have no row, and one measure in three does not cover Scotland. All methods read the same
files, one for each measure, ordered by slice, and must find the same gaps. The output is a Markdown table of
processor seconds, wall seconds and peak memory. Needs a POSIX system.
"""

import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.typing_dense import Grid, type_gaps
from pipelines.core.periods import whole_months
from pipelines.core.schema import OBSERVATION_STATUSES
from pipelines.core.slices import SLICE_KEY

PLACES, MONTHS, MEASURES = 35_672, 120, 10
CODES = [f"E01{n:06}" if n < 28_000 else f"S01{n:06}" for n in range(PLACES)]
NATIONS = ["England" if code[0] == "E" else "Scotland" for code in CODES]
Counts = dict[str, int]


def measure_names(measures: int) -> list[str]:
    """Return the names of the measures."""
    return [f"measure_{n:02}" for n in range(measures)]


def measure_coverage(measures: int) -> dict[str, list[str]]:
    """Return the nations covered by each measure that leaves Scotland out, one in three."""
    return {name: ["England"] for n, name in enumerate(measure_names(measures)) if n % 3 == 0}


def month_spans() -> list[tuple[date, date]]:
    """Return the first and last day of each month."""
    return [whole_months(2014 + n // 12, n % 12 + 1, 1) for n in range(MONTHS)]


def write_figures(folder: Path, measures: int) -> None:
    """Write the synthetic figures: a file for each measure, ordered by slice and place."""
    rng = np.random.default_rng(20261124)
    code, status = pl.Enum(CODES), pl.Enum(OBSERVATION_STATUSES)
    outside = np.array([nation == "Scotland" for nation in NATIONS])
    for name in measure_names(measures):
        there = rng.random((MONTHS, PLACES)) >= 0.01
        if name in measure_coverage(measures):
            there[:, outside] = False
        month, place = np.nonzero(there)
        hidden = rng.random(len(place)) < 0.03
        start, end = (pl.Series(days)[month] for days in zip(*month_spans(), strict=True))
        value = pl.Series(rng.integers(5, 500, len(place)).astype(np.float64))
        pl.DataFrame(
            {
                "measure": pl.Series([name], dtype=pl.Enum(measure_names(measures))).new_from_index(0, len(place)),
                "period_start": start,
                "period_end": end,
                "place_code": pl.Series(CODES, dtype=code).gather(place),
                "value": value.set(pl.Series(hidden), None),
                "obs_status": pl.Series(OBSERVATION_STATUSES, dtype=status).gather(
                    np.where(hidden, OBSERVATION_STATUSES.index("confidential"), 0)
                ),
            }
        ).write_parquet(folder / f"{name}.parquet", row_group_size=PLACES * 12)


def run_dense(folder: Path, measures: int) -> Counts:
    """Count the gaps by dense slices."""
    one = pl.DataFrame(month_spans(), schema=SLICE_KEY[1:], orient="row")
    due = pl.DataFrame({"measure": measure_names(measures)}, schema={"measure": pl.Enum(measure_names(measures))}).join(
        one, how="cross"
    )
    grid = Grid(CODES, NATIONS, due, measure_coverage(measures))
    batches = (pl.read_parquet(folder / f"{name}.parquet") for name in measure_names(measures))
    counts: Counter[str] = Counter()
    for batch in type_gaps(batches, grid):
        counts.update(dict(batch["reason"].cast(pl.String).value_counts().iter_rows()))
    return dict(counts)


def run_plain(folder: Path, measures: int) -> Counts:
    """Count the gaps by ordinary joins in Polars, a measure at a time."""
    places = pl.DataFrame({"place_code": pl.Series(CODES, dtype=pl.Enum(CODES)), "nation": NATIONS})
    grid = pl.DataFrame(month_spans(), schema=SLICE_KEY[1:], orient="row").join(places, how="cross")
    counts: Counter[str] = Counter()
    for name in measure_names(measures):
        gap_rows = join_plainly(grid, pl.read_parquet(folder / f"{name}.parquet"), measure_coverage(measures).get(name))
        counts.update(dict(gap_rows["reason"].value_counts().iter_rows()))
    return dict(counts)


def join_plainly(grid: pl.DataFrame, rows: pl.DataFrame, covered: list[str] | None) -> pl.DataFrame:
    """Add a reason to one measure's grid (period, place, nation) by a join; return the gaps."""
    joined = grid.join(rows, on=[*SLICE_KEY[1:], "place_code"], how="left")
    absent, status = pl.col("obs_status").is_null(), pl.col("obs_status").cast(pl.String)
    reason = (
        pl.when(pl.col("value").is_not_null()).then(None)
        .when(absent & ~pl.col("nation").is_in(covered or NATIONS[:: PLACES - 1])).then(pl.lit("nation_not_covered"))
        .when(absent).then(pl.lit("not_returned"))
        .when(status.is_in(["confidential", "low"])).then(pl.lit("suppressed"))
        .when(status == "not_applicable").then(pl.lit("not_applicable"))
        .otherwise(pl.lit("not_available"))
    )  # fmt: skip
    return joined.with_columns(reason.alias("reason")).filter(pl.col("reason").is_not_null())


def run_pandas(folder: Path, measures: int) -> Counts:
    """Count the gaps in pandas, a measure at a time."""
    import pandas as pd

    counts: Counter[str] = Counter()
    days = pd.DataFrame(month_spans(), columns=SLICE_KEY[1:])
    places = pd.DataFrame({"place_code": pd.Categorical(CODES, categories=CODES), "nation": NATIONS})
    grid = days.astype("datetime64[ms]").merge(places, how="cross")
    for name in measure_names(measures):
        rows = pd.read_parquet(folder / f"{name}.parquet").astype(dict.fromkeys(SLICE_KEY[1:], "datetime64[ms]"))
        rows["place_code"] = pd.Categorical(rows["place_code"], categories=CODES)
        joined = grid.merge(rows, on=[*SLICE_KEY[1:], "place_code"], how="left")
        empty = joined[joined["value"].isna()]
        absent = empty["obs_status"].isna()
        left_out = absent & ~empty["nation"].isin(measure_coverage(measures).get(name, ["England", "Scotland"]))
        counts["nation_not_covered"] += int(left_out.sum())
        counts["not_returned"] += int((absent & ~left_out).sum())
        counts["suppressed"] += int(empty["obs_status"].astype(str).isin(["confidential", "low"]).sum())
    return dict(counts)


def run_scan(folder: Path, measures: int) -> Counts:
    """Read only the two columns that matter, as the lower limit."""
    for name in measure_names(measures):
        pl.read_parquet(folder / f"{name}.parquet", columns=["value", "obs_status"])
    return {}


FLOOR = "bare scan of two columns"
ROADS: dict[str, Callable[[Path, int], Counts]] = {
    FLOOR: run_scan,
    "dense slices": run_dense,
    "plain Polars, a measure at a time": run_plain,
    "pandas, a measure at a time": run_pandas,
}
QUICK = (FLOOR, "dense slices")
"""Methods that also run at further sizes, to show how the cost grows."""


def run_method(road: str, folder: str, measures: int) -> None:
    """Run one method in this process and print its cost."""
    begun, used = time.perf_counter(), time.process_time()
    counts = ROADS[road](Path(folder), measures)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    measured = {"wall": time.perf_counter() - begun, "cpu": time.process_time() - used, "peak": peak, "counts": counts}
    sys.stdout.write(json.dumps(measured))


def time_method(road: str, folder: Path, measures: int) -> dict[str, Any]:
    """Run one method in a separate process."""
    command = [sys.executable, __file__, "--road", road, str(folder), str(measures)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def compare_methods(sizes: list[int]) -> None:
    """Write the figures, run every method at the first size and the fast ones at the others, and print the table."""
    lines = ["| cells | method | CPU s | wall s | peak MB | CPU against dense |", "|---|---|---|---|---|---|"]
    for number, measures in enumerate(sizes):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            maker = multiprocessing.get_context("spawn").Process(target=write_figures, args=(folder, measures))
            maker.start()
            maker.join()
            taken = {road: time_method(road, folder, measures) for road in (ROADS if number == 0 else QUICK)}
        lines += format_table(taken, PLACES * MONTHS * measures)
    sys.stdout.write("\n".join(lines) + "\n")


def format_table(taken: dict[str, Any], cells: int) -> list[str]:
    """Format the cost of each method; stop where two methods found different gaps."""
    counts = {
        road: {k: v for k, v in measured["counts"].items() if v} for road, measured in taken.items() if road != FLOOR
    }
    expected = counts["dense slices"]
    if any(measured != expected for measured in counts.values()):
        raise SystemExit(f"the methods disagree: {counts}")
    lines = [
        f"| {cells:,} | {road} | {measured['cpu']:.1f} | {measured['wall']:.1f} | {measured['peak']:,.0f} | "
        f"{measured['cpu'] / taken['dense slices']['cpu']:.1f} |"
        for road, measured in taken.items()
    ]
    return [*lines, f"| | gaps found: {', '.join(f'{k} {v:,}' for k, v in sorted(expected.items()))} | | | | |"]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--road"]:
        run_method(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        compare_methods([int(item) for item in sys.argv[1:]] or [MEASURES, 3 * MEASURES])
