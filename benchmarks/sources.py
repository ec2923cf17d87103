"""Cost of reading every source: all stored releases, from the store to checked observations.

.venv/bin/python benchmarks/sources.py [--each]

One process reads and checks every source on a fresh store, and then reads them again without a change. `--each`
prints the slowest sources by name. Aims: 40 sources under 30 s and 2 GB; no file is read a second time.
"""

import argparse
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from pipelines.app import steps
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.observations.access import load_source_tables

ROOT = Path(__file__).resolve().parent.parent


def read_all(project: Project) -> dict[str, tuple[float, int]]:
    """Read every source; return wall seconds and the number of observations of each."""
    taken: dict[str, tuple[float, int]] = {}
    for name in project.catalogue.observation_sources():
        begun = time.perf_counter()
        tables = load_source_tables(project, name)
        taken[name] = (time.perf_counter() - begun, int(tables.slice["rows"].sum()))
    return taken


def peak_memory() -> str:
    """Return the peak memory of this process in MB; a dash where the system gives none."""
    try:
        import resource
    except ImportError:
        return "–"
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{used / (1024 if sys.platform == 'linux' else 1024 * 1024):.0f}"


def time_sources(show_slowest: bool) -> None:
    """Read all sources twice and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project(load_catalogue(ROOT), Path(folder), date(2026, 11, 24))
        steps.prepare_store(project)
        load_places(project)
        first, second = read_all(project), read_all(project)
    lines = ["| what | sources | observations | wall s | peak MB |", "|---|---|---|---|---|"]
    for title, taken in (("read, conformed and checked", first), ("the same again, nothing changed", second)):
        seconds, rows = (sum(part) for part in zip(*taken.values(), strict=True))
        lines.append(f"| {title} | {len(taken)} | {rows:,} | {seconds:.1f} | {peak_memory()} |")
    if show_slowest:
        slowest = sorted(first.items(), key=lambda item: -item[1][0])[:15]
        lines += ["", *(f"{seconds:6.2f} s {rows:>9,} {name}" for name, (seconds, rows) in slowest)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", action="store_true")
    time_sources(parser.parse_args().each)
