"""Small benchmark for CI: processor time of real builds as ratios, each with a ceiling.

python -m benchmarks.build_ratio

Builds 35 thousand and a million synthetic rows with the real command, builds the first again without a change, and
asks one query. DuckDB does the work of the large build on the same files. Ratios of processor times vary less than
seconds on a shared machine. A ratio above its ceiling ends with exit code 1. Each ceiling is two to three times the
measured ratio: three runs gave 10.5 to 11.5, 16 to 18.5, 2.6 to 2.8 and 1.5 to 1.6.
"""

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.build import build_from_nothing, require_agreement, time_peer, write_work
from benchmarks.build_project import ROOT, Figures, make_figures_project
from benchmarks.build_run import Command
from benchmarks.cost import run_command

LARGE = Figures(28)
TIMES = 3
"""Runs of the short commands, with their median."""
IMPORTS = "import duckdb, polars, pydantic, typer"
"""Libraries that every build needs: the unit of the constant of a build."""
CEILINGS = {
    "a million rows beyond the constant, over DuckDB for the whole": 28.0,
    "build of 35 thousand rows from nothing, over imports": 42.0,
    "build without a change, over imports": 6.0,
    "one query, over imports": 4.0,
}


class Costs(NamedTuple):
    """Processor seconds of the small and the large build, a build without a change, a query, DuckDB and imports."""

    small: float
    large: float
    unchanged: float
    query: float
    duckdb: float
    imports: float


def measure_costs(folder: Path) -> Costs:
    """Run every command once or several times in a temporary folder and return the processor seconds."""
    commands = {}
    for name, figures in (("small", Figures(1)), ("large", LARGE)):
        (folder / name).mkdir()
        write_work(folder / name, make_figures_project(folder / name, figures), figures)
        commands[name] = Command(ROOT, folder / name / "project", folder / name / "store")
    builds = {name: build_from_nothing(command)["commonground"].cpu for name, command in commands.items()}
    small = commands["small"]
    costs = Costs(
        builds["small"],
        builds["large"],
        median(small.run("build").cpu for _ in range(TIMES)),
        median(small.run("sql", "select count(*) from cells").cpu for _ in range(TIMES)),
        median(time_peer("in_duckdb", folder / "large").cpu for _ in range(TIMES)),
        median(run_command([sys.executable, "-c", IMPORTS], {}, ROOT).cost.cpu for _ in range(TIMES)),
    )
    time_peer("in_polars", folder / "large")
    require_agreement(commands["large"].store / "out" / "commonground.duckdb", folder / "large")
    return costs


def compute_ratios(costs: Costs) -> dict[str, float]:
    """Return each ratio by its name in CEILINGS."""
    values = (
        (costs.large - costs.small) / costs.duckdb,
        costs.small / costs.imports,
        costs.unchanged / costs.imports,
        costs.query / costs.imports,
    )
    return dict(zip(CEILINGS, values, strict=True))


def list_excesses(ratios: dict[str, float]) -> list[str]:
    """Return a sentence for each ratio above its ceiling."""
    return [
        f"{name}: {ratio:.1f}, and the ceiling is {CEILINGS[name]:.0f}"
        for name, ratio in ratios.items()
        if ratio > CEILINGS[name]
    ]


def main() -> None:
    """Measure, print every ratio with its ceiling, and exit with 1 where one is above it."""
    with tempfile.TemporaryDirectory() as folder:
        costs = measure_costs(Path(folder))
    sys.stdout.write(f"processor seconds: {', '.join(f'{k} {v:.2f}' for k, v in costs._asdict().items())}\n")
    ratios = compute_ratios(costs)
    sys.stdout.write("".join(f"{ratio:6.1f} of {CEILINGS[name]:4.0f}  {name}\n" for name, ratio in ratios.items()))
    excesses = list_excesses(ratios)
    if excesses:
        raise SystemExit("\n".join(["slower than before:", *excesses, "`commonground build --profile` shows where"]))


if __name__ == "__main__":
    main()
