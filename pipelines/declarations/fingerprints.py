"""Keys of state tables: a hash of each table's inputs, so that a build rebuilds exactly the stale tables."""

import hashlib
from collections.abc import Iterable
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from pipelines.core.geocodes import LISTED
from pipelines.core.store import Snapshot, history
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.source import Source

ANSWERED = ("cell", "view", "verdict", "loss", "discontinuity")
"""State tables that answer a problem."""
_PROVIDERS = ("place", "change")


class Keys(NamedTuple):
    """Current key of each state table."""

    places: str
    boundaries: str
    observation: dict[str, str]
    answer: dict[str, str]
    apportioning: dict[str, str]


def hashed(*parts: str) -> str:
    """Return one hash of several texts, in order."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


Room = Literal[
    "core", "declarations", "readers", "geography", "checks", "observations", "apportionment", "gaps", "outputs"
]
ROOMS: tuple[Room, ...] = get_args(Room)
"""Packages that state tables depend on, lowest first.

`fetch` is not among them, because the bytes that it stores are in every key. Nor is `app`, which only calls the others.
"""
LIBRARIES = ("polars", "duckdb", "numpy", "scipy")
"""Libraries that compute figures: a new version of one rebuilds every table."""
_SUFFIXES = (".py", ".html", ".css", ".csv", ".sql")


@cache
def code_key(room: Room) -> str:
    """Return the hash of the code of a package and the packages below it.

    It includes the versions of the libraries that compute figures.
    """
    below = ROOMS[: ROOMS.index(room) + 1]
    files = sorted(path for each in below for path in _folder(each).rglob("*") if path.suffix in _SUFFIXES)
    contents = (hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    return hashed(*contents, *(f"{library} {version(library)}" for library in LIBRARIES))


def _folder(room: Room) -> Path:
    package = Path(__file__).resolve().parents[1]
    return package.parent / "checks" if room == "checks" else package / room


def rests_on(catalogue: Catalogue, names: Iterable[str]) -> list[str]:
    """List the public sources of observations that problems depend on, in order of name."""
    found = {source for name in names for source in _rests_on(catalogue, name)}
    return sorted(found & set(catalogue.observing()))


def _rests_on(catalogue: Catalogue, name: str) -> list[str]:
    """List the sources that a problem depends on: of its measures, denominators, populations and comparisons."""
    problem = catalogue.problems[name]
    parts = [catalogue.measures[each].denominator for each in problem.measures]
    counting = [each for each, measure in catalogue.measures.items() if measure.population]
    beside = [other for source in catalogue.sources_of(problem) for other in catalogue.compared[source]]
    return sorted({catalogue.measure_source[each] for each in (*problem.measures, *parts, *counting, *beside) if each})


def _by_tables(source: Source) -> bool:
    """Return whether tables of areas or shares, rather than the register, may define a source's codes."""
    return any(each.rsplit("_", 1)[0] in LISTED for each in (source.geography or "", *source.earlier_systems))


def keys(catalogue: Catalogue, home: Path, as_of: date) -> Keys:
    """Compute the keys of all state tables from declarations, snapshots, the program and the day of the build."""
    held: dict[str, list[Snapshot]] = {}
    for entry in history(home):
        if entry.brings_file and entry.released <= as_of:
            held.setdefault(entry.source, []).append(entry)

    def read_from(name: str) -> str:
        files = (f"{entry.sha256} {entry.released} {entry.file}" for entry in held.get(name, []))
        return hashed(name, catalogue.said[name], *files)

    of_places, of_figures = code_key("geography"), code_key("observations")
    places = hashed(of_places, *(read_from(name) for table in _PROVIDERS for name in catalogue.providing(table)))
    apportioning = {name: hashed(of_places, places, read_from(name)) for name in catalogue.apportioning()}
    observation = {
        name: hashed(of_figures, places, read_from(name), *(apportioning.values() if _by_tables(source) else ()))
        for name, source in catalogue.observing().items()
    }
    boundaries = hashed(of_places, *(read_from(name) for name in catalogue.providing("boundary")))
    answer = {
        name: hashed(
            code_key("gaps"),
            problem.body,
            places,
            boundaries,
            *apportioning.values(),
            as_of.isoformat(),
            *(observation.get(source) or catalogue.said[source] for source in _rests_on(catalogue, name)),
        )
        for name, problem in catalogue.problems.items()
    }
    return Keys(places, boundaries, observation, answer, apportioning)
