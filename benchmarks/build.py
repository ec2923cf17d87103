"""Cost of `commonground build` and of the other commands, with DuckDB and Polars doing equal work in the same run.

python -m benchmarks.build [--only NAME,NAME] [--runs N] [--checkout FOLDER] [--write]

Each measurement runs the real command in its own process, on a synthetic project (`build_project.py`) or on the
bundled edition, with a store in a temporary folder. The peers (`build_peers.py`) read the same files in the same run.
Their figures, bounds and coverage must agree within 1e-12, and their statuses and reasons must be equal. Processor
time and memory cover all processes of the command. The table has medians of five runs under 60 s, and of two beyond;
`--runs` sets a lower limit. `--only` selects measurements by the start of their names, and `--list` prints these.
`--write` replaces the measured rows in README.md. `--checkout` runs the command of another copy of the project.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import duckdb
import polars as pl

from benchmarks.build_edition import time_edition
from benchmarks.build_peers import CELL, ROADS
from benchmarks.build_project import (
    NATIONS,
    ROOT,
    Figures,
    list_districts,
    list_months,
    load_areas,
    make_figures_project,
    make_problems_project,
    make_sources_project,
)
from benchmarks.build_run import Command, Row, format_row, repeat
from benchmarks.cost import Cost, run_command

README = ROOT / "benchmarks" / "README.md"
START, END = "<!-- build -->\n", "<!-- /build -->"
HEADINGS = ("what", "runs", "CPU s", "wall s", "peak MB", "DuckDB CPU s / MB", "Polars CPU s / MB", "aim CPU s")
KEY = ["measure", "place_code", "period_start"]
NUMBERS = ["value", "lower_bound", "upper_bound", "coverage"]
TOLERANCE = 1e-12
CONSTANTS = {"rows": Figures(1), "Parquet": Figures(1, file_format="parquet")}
"""The smallest figures of each series: their cost is mostly the constant of a build."""
FIGURES = {
    "rows 35 k": CONSTANTS["rows"],
    "rows 1 M": Figures(28),
    "rows 4 M": Figures(56, 2),
    "rows 40 M, two releases": Figures(56, 10, 2),
    "Parquet 35 k": CONSTANTS["Parquet"],
    "Parquet 1 M": Figures(28, file_format="parquet"),
    "Parquet 4 M": Figures(56, 2, file_format="parquet"),
    "releases 1 of 214 k rows": Figures(6),
    "releases 12 of 214 k rows": Figures(6, releases=12),
}
"""Small areas to districts by month, by the name of the measurement."""
AIMS_PER_MILLION = {"rows": "2", "Parquet": "1.2"}
Measure = Callable[[int, Path], Iterator[Row]]


def list_measurements() -> dict[str, Measure]:
    """Return every measurement by its name, in the order of the table. Each takes a limit of runs and a checkout."""
    figures: dict[str, Measure] = {name: _figures_timer(name, one) for name, one in FIGURES.items()}
    sources: dict[str, Measure] = {f"sources {n:,} of 5,054 rows": _sources_timer(n) for n in (1, 100, 1000)}
    problems: dict[str, Measure] = {f"problems {n} of 722 cells": _problems_timer(n) for n in (1, 20, 200)}
    return {**figures, **sources, **problems, "areas 1 M cells": time_areas, "edition": time_edition}


def _figures_timer(name: str, figures: Figures) -> Measure:
    return lambda most, checkout: time_figures(name, figures, most, checkout)


def _sources_timer(count: int) -> Measure:
    return lambda most, checkout: time_sources(count, most, checkout)


def _problems_timer(count: int) -> Measure:
    return lambda most, checkout: time_problems(count, most, checkout)


def time_figures(name: str, figures: Figures, most: int, checkout: Path) -> Iterator[Row]:
    """Time small areas to districts by month: the command, then the peers, which must agree with it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_work(folder, make_figures_project(folder, figures), figures)
        command = Command(checkout, folder / "project", folder / "store")

        def take() -> dict[str, Cost]:
            costs = build_from_nothing(command) | {road: time_peer(road, folder) for road in ROADS}
            require_agreement(command.store / "out" / "commonground.duckdb", folder)
            return costs

        yield Row(name, repeat(take, most))


def build_from_nothing(command: Command) -> dict[str, Cost]:
    """Build on an empty store and return the cost."""
    shutil.rmtree(command.store, ignore_errors=True)
    return {"commonground": command.run("build")}


def time_peer(road: str, folder: Path) -> Cost:
    """Run a peer in its own process and return its cost."""
    return run_command([sys.executable, "-m", "benchmarks.build_peers", road, str(folder)], {}, ROOT).cost


def write_work(folder: Path, files: Sequence[Path], figures: Figures) -> None:
    """Write what the peers read beside the files: work.json, parts.parquet and places.parquet."""
    load_areas().write_parquet(folder / "parts.parquet")
    codes = list_districts()
    nations = [NATIONS[code[0]] for code in codes]
    pl.DataFrame({"place_code": codes, "nation": nations}).write_parquet(folder / "places.parquet")
    months = [f"{month:%Y-%m}" for month in list_months(figures.months)]
    slices = [(f"item_{item}", month) for item in range(figures.measures) for month in months]
    work = {"files": [str(path) for path in files], "slices": slices}
    (folder / "work.json").write_text(json.dumps(work), encoding="utf-8")


def require_agreement(built: Path, folder: Path) -> None:
    """Stop where the cells of the command and of a peer differ in a number, a status or a reason."""
    with duckdb.connect(str(built), read_only=True) as con:
        ours = con.sql(f"select {', '.join(CELL)} from cells").pl().sort(KEY)
    for road in ROADS:
        theirs = pl.read_parquet(folder / f"{road}.parquet").select(CELL).sort(KEY)
        if message := describe_difference(ours, theirs):
            raise SystemExit(f"{road} differs from the command: {message}")


def describe_difference(ours: pl.DataFrame, theirs: pl.DataFrame) -> str:
    """Describe the first difference of two tables of cells in the same order; empty where they are equal."""
    if ours.height != theirs.height or not ours.select(KEY).equals(theirs.select(KEY)):
        return f"{ours.height:,} and {theirs.height:,} cells, or other keys"
    for name in CELL:
        one, other = ours[name], theirs[name]
        near = (one - other).abs() <= TOLERANCE * other.abs() if name in NUMBERS else one == other
        wrong = ~(near.fill_null(False) | (one.is_null() & other.is_null()))
        if wrong.any():
            row = wrong.arg_true()[0]
            key = " ".join(str(part) for part in ours.select(KEY).row(row))
            return f"{name} of {key}: {one[row]!r} and {other[row]!r}, and {wrong.sum() - 1:,} more"
    return ""


def time_sources(count: int, most: int, checkout: Path) -> Iterator[Row]:
    """Time many small sources from nothing, and again with nothing changed."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_sources_project(folder, count)
        command = Command(checkout, folder / "project", folder / "store")
        name = f"sources {count:,} of 5,054 rows"
        aims = {1: ("5", "1"), 1000: ("150", "3")}.get(count, ("", ""))
        yield Row(f"{name}, from nothing", repeat(lambda: build_from_nothing(command), most), aims[0])
        yield Row(f"{name}, nothing changed", repeat(lambda: {"commonground": command.run("build")}, most), aims[1])


def time_problems(count: int, most: int, checkout: Path) -> Iterator[Row]:
    """Time many problems of one source, from nothing."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_problems_project(folder, count)
        command = Command(checkout, folder / "project", folder / "store")
        aim = "60" if count == 200 else ""
        yield Row(f"problems {count} of 722 cells", repeat(lambda: build_from_nothing(command), most), aim)


def time_areas(most: int, checkout: Path) -> Iterator[Row]:
    """Time a grid of small areas by month, a million cells typed and published."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_figures_project(folder, Figures(28), "lsoa_2021")
        command = Command(checkout, folder / "project", folder / "store")
        yield Row("areas 1 M cells", repeat(lambda: build_from_nothing(command), most), "15")


def rows_per_million(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield the cost of a million rows beyond the constant, for each series with its constant and a larger one.

    The peak is the additional memory of a million rows.
    """
    measured = {row.name: row for row in rows}
    for series, constant in CONSTANTS.items():
        base = measured.get(f"{series} 35 k")
        for name, figures in FIGURES.items():
            if base and name in measured and name.startswith(series) and figures != constant:
                more = (figures.rows - constant.rows) / 1e6
                costs = {road: [_spread(measured[name], base, road, more)] for road in base.costs}
                yield Row(f"{name}: each million rows beyond 35 k", costs, AIMS_PER_MILLION[series])


def _spread(large: Row, small: Row, road: str, millions: float) -> Cost:
    high, low = large.median(road), small.median(road)
    assert high and low
    return Cost(*((one - other) / millions for one, other in zip(high, low, strict=True)))


def update_table(text: str, rows: Iterable[Row]) -> str:
    """Return the page with the measured rows replaced or added; other rows of the table stay."""
    before, rest = text.split(START)
    table, after = rest.split(END)
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines()[2:]}
    lines |= {row.name: format_row(row) for row in rows}
    head = [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
    return before + START + "\n".join([*head, *lines.values(), ""]) + END + after


def run_measurements(names: Sequence[str], most: int, checkout: Path) -> list[Row]:
    """Run the measurements with these starts of names, or all; print each measured row at once."""
    taken = []
    for name, measure in list_measurements().items():
        if not names or any(name.startswith(start) for start in names):
            for row in measure(most, checkout):
                taken.append(row)
                sys.stdout.write(format_row(row) + "\n")
                sys.stdout.flush()
    return taken


def main() -> None:
    """Measure what the options select, print the rows, and update the page if requested."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="starts of names of measurements, separated by commas")
    parser.add_argument("--list", action="store_true", help="print the names of the measurements")
    parser.add_argument("--runs", type=int, default=5, help="most runs of one measurement")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="copy of the project with the command to time")
    parser.add_argument("--write", action="store_true", help="replace the measured rows in README.md")
    given = parser.parse_args()
    if given.list:
        sys.stdout.write("\n".join([*list_measurements(), ""]))
        return
    rows = run_measurements([name for name in given.only.split(",") if name], given.runs, given.checkout.resolve())
    derived = list(rows_per_million(rows))
    sys.stdout.write("".join(f"{format_row(row)}\n" for row in derived))
    if given.write:
        README.write_text(update_table(README.read_text(encoding="utf-8"), [*rows, *derived]), encoding="utf-8")


if __name__ == "__main__":
    main()
