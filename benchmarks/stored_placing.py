"""Placing and typing alone: the engine of a build beside DuckDB, both on the stored slices of one built store.

python -m benchmarks.stored_placing [--months 56] [--measures 2] [--runs 5] [--folder FOLDER]

A build reads synthetic figures of small areas (`build_project.py`) into a store. Then each road places the newest
slices of that store in districts, in a process of its own: value, bounds, coverage, status and reason of each cell.
The time begins where the small areas of each district, the names of places and the libraries are in memory, and ends
with the cells in memory. Cells with evidence, source, caveats and remedies are also timed: no peer writes these. The
results must agree within 1e-12. Ratios are of processor time, run by run. `--folder` keeps the store for another run.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.build import describe_difference
from benchmarks.build_peers import CELL
from benchmarks.build_project import NATIONS, ROOT, Figures, list_districts, load_areas, make_figures_project
from benchmarks.build_run import AS_OF, Command
from benchmarks.cost import run_command

SOURCE, PROBLEM = "synthetic_areas", "synthetic"
_SQL = """
create table cells as
with newest as (
    select measure, period_start, period_end, max("order") as "order" from slices group by all
),
used as (
    select values_file, measure, period_start from slices join newest using (measure, period_start, period_end, "order")
),
figures as (
    select v.measure, v.period_start, place_code, value, lower_bound, upper_bound, obs_status
    from read_parquet('{files}', filename = 'path') as v
    join used on used.measure = v.measure::varchar and used.period_start = v.period_start
        and parse_filename(path) = values_file
),
moved as (
    select measure, period_start, to_code, count(*) as parts, count(value) as known, sum(value) as total,
        sum(coalesce(lower_bound, 0)) as low, sum(upper_bound) as high, count(upper_bound) as bounded,
        count(*) filter (obs_status = 'not_available') as unknown,
        coalesce(sum(residents) filter (value is not null), 0) / sum(residents) as coverage
    from figures join parts on place_code = from_code group by all
)
select grid.measure, grid.place_code, grid.period_start,
    case when known = parts then total end as value, low as lower_bound,
    case when bounded = parts then high end as upper_bound, coverage,
    case when unknown > 0 then 'not_available' when known < parts then 'confidential' when parts > 0 then 'normal' end
        as obs_status,
    case when nation not in ('England', 'Wales') then 'nation_not_covered'
        when parts = 1 and unknown = 1 then 'not_available'
        when parts = 1 and known = 0 then 'suppressed'
        when known < parts then 'children_incomplete'
        when parts is null then 'not_returned' end as reason
from (from places, (select distinct measure, period_start from used)) as grid
left join moved on grid.place_code = to_code and grid.measure = moved.measure::varchar
    and grid.period_start = moved.period_start
"""


def measure_steps(step: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Run a step; return its result and its processor and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = step()
    return result, {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def in_duckdb(folder: Path) -> dict[str, dict[str, float]]:
    """Place and type in DuckDB SQL, with the small areas and the places in tables."""
    import duckdb

    state = folder / "store" / "state"
    with duckdb.connect() as con:
        con.execute(f"create table parts as from '{folder}/parts.parquet'")
        con.execute(f"create table places as from '{folder}/places.parquet'")
        con.execute(f"create table slices as from '{state}/slice/{SOURCE}.parquet'")
        query = _SQL.format(files=f"{state}/values/{SOURCE}/*.parquet")
        _, taken = measure_steps(lambda: con.execute(query))
        con.execute(f"copy (select {', '.join(CELL)} from cells) to '{folder}/in_duckdb.parquet' (format parquet)")
    return {"place": taken}


def commonground(folder: Path) -> dict[str, dict[str, float]]:
    """Place and type as a build does, in the steps of `place_sources` and `build_cells`.

    The first time includes the crosswalk from small areas, which DuckDB has as a table. The second has it in memory.
    """
    from datetime import date

    import pipelines.apportionment.place
    from pipelines.declarations.catalogue import load_catalogue
    from pipelines.declarations.project import Project
    from pipelines.gaps.cells import Block, build_cells
    from pipelines.gaps.placing import _place_by_codes, _Target, place_sources, stack_sources
    from pipelines.geography import load_geography, load_place_data, load_places
    from pipelines.observations import load_source_tables

    day = date.fromisoformat(AS_OF)
    project = Project(load_catalogue(folder / "project"), folder / "store", day)
    problem, places = project.catalogue.problems[PROBLEM], load_places(project)
    data, system = load_place_data(project, places), load_geography(project, problem.header.geography).places
    target = set(system["place_code"])
    assert pipelines.apportionment.place

    (placed, aside, _), whole = measure_steps(
        lambda: stack_sources(*place_sources(project, problem, frozenset(target), data))
    )
    cells, typed = measure_steps(lambda: build_cells(Block(problem, system, placed), project.catalogue, aside, day))
    reached = _Target(project, problem.header.geography, places, target, data)
    reached, observed = reached.ask(problem.measures, frozenset()), load_source_tables(project, SOURCE)
    place = partial(_place_by_codes, reached, SOURCE, observed)
    place()
    alone = measure_steps(place)[1]
    cells.select(CELL).write_parquet(folder / "commonground.parquet")
    return {"place with crosswalk": whole, "place": alone, "type": typed}


ROADS: dict[str, Callable[[Path], dict[str, dict[str, float]]]] = {
    road.__name__: road for road in (commonground, in_duckdb)
}


def prepare_store(folder: Path, figures: Figures) -> None:
    """Build the store and write the tables of small areas and places beside it, unless the folder has them."""
    import polars as pl

    if (folder / "places.parquet").is_file():
        return
    make_figures_project(folder, figures)
    Command(ROOT, folder / "project", folder / "store").run("build")
    load_areas().write_parquet(folder / "parts.parquet")
    codes = list_districts()
    nations = [NATIONS[code[0]] for code in codes]
    pl.DataFrame({"place_code": codes, "nation": nations}).write_parquet(folder / "places.parquet")


def require_agreement(folder: Path) -> None:
    """Stop where two roads give a cell another number, status or reason."""
    import polars as pl

    key = ["measure", "place_code", "period_start"]
    ours, theirs = (pl.read_parquet(folder / f"{road}.parquet").sort(key) for road in ROADS)
    if message := describe_difference(ours, theirs):
        raise SystemExit(f"DuckDB differs: {message}")


def main() -> None:
    """Build the store, run every road in turn, and print the times of each run and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--months", type=int, default=56)
    parser.add_argument("--measures", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--road", choices=ROADS)
    given = parser.parse_args()
    if given.road:
        sys.stdout.write(json.dumps(ROADS[given.road](given.folder)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        prepare_store(folder, Figures(given.months, given.measures))
        ratios = []
        for _ in range(given.runs):
            taken = {road: _run_road(road, folder) for road in ROADS}
            require_agreement(folder)
            ours, theirs = taken["commonground"], taken["in_duckdb"]["place"]["cpu"]
            ratios.append((ours["place"]["cpu"] + ours["type"]["cpu"]) / theirs)
            sys.stdout.write(f"{json.dumps(taken)}\n{ratios[-1]:.2f}\n")
            sys.stdout.flush()
        sys.stdout.write(f"median ratio of processor time: {median(ratios):.2f}\n")


def _run_road(road: str, folder: Path) -> dict[str, dict[str, float]]:
    command = [sys.executable, "-m", "benchmarks.stored_placing", "--road", road, "--folder", str(folder)]
    result: dict[str, dict[str, float]] = json.loads(run_command(command, {}, ROOT).output.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
