"""Keys of state tables: a hash of each table's inputs, so that a build rebuilds exactly the stale tables."""

import hashlib
from collections.abc import Iterable
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from pipelines.core.geocodes import KINDS_OUTSIDE_REGISTER
from pipelines.core.snapshots import Snapshot, read_log
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.measure import counts_residents
from pipelines.declarations.source import Source

FIGURE_TABLES = ("cell", "verdict", "loss", "discontinuity", "history", "partnership_cell", "partnership_verdict")
"""State tables of a problem that no SELECT changes."""
VIEW_TABLES = ("view", "partnership_view")
"""State tables of a problem that its SELECT makes from those of figures."""
ANSWER_TABLES = (*FIGURE_TABLES, *VIEW_TABLES)
"""State tables that answer a problem."""
OPENING_TABLE = "opening"
"""State table with the opening day of each open gap of a problem."""
OBSERVATION_TABLES = ("slice", "set_aside", "finding", "contract", "release", "total", "doubt")
"""State tables with the observations of a source, in the order of `SourceTables`."""
REVISION_TABLES = ("revision", "revision_summary")
"""State tables with the differences between the releases of a source, by cell and in summary."""
_REGISTER_TABLES = ("place", "change")


class TableKeys(NamedTuple):
    """Current key of each state table, on a day.

    `figures` has the keys of FIGURE_TABLES, and `answer`, with the SELECT too, of VIEW_TABLES. Both leave out the day:
    the stored tables state the days on which they hold (gaps.validity).
    `last_release` has the day of the newest release behind each answer, up to that day.
    """

    places: str
    boundaries: str
    reading: dict[str, str]
    """For each source, the key of everything that its releases are read with, except their files."""
    observation: dict[str, str]
    figures: dict[str, str]
    answer: dict[str, str]
    apportioning: dict[str, str]
    day: date
    last_release: dict[str, date]


def hash_texts(*parts: str) -> str:
    """Return one hash of several texts, in order."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


Room = Literal[
    "core", "declarations", "readers", "geography", "checks", "observations", "apportionment", "gaps", "outputs"
]
ROOMS: tuple[Room, ...] = get_args(Room)
"""Packages that state tables depend on, lowest first.

`fetch` is not among them, because the bytes that it stores are in every key. Nor is `app`, which only calls the others.
"""
NUMERIC_LIBRARIES = ("polars", "duckdb", "numpy", "scipy")
"""Libraries that compute figures: a new version of one rebuilds every table."""
_PROGRAM_SUFFIXES = (".py", ".html", ".css", ".csv", ".sql")


@cache
def program_key(room: Room) -> str:
    """Return the hash of the code of a package and the packages below it.

    It includes the versions of the libraries that compute figures.
    """
    below = ROOMS[: ROOMS.index(room) + 1]
    files = sorted(path for name in below for path in _room_folder(name).rglob("*") if path.suffix in _PROGRAM_SUFFIXES)
    contents = (hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    return hash_texts(*contents, *(f"{library} {version(library)}" for library in NUMERIC_LIBRARIES))


def _room_folder(room: Room) -> Path:
    package = Path(__file__).resolve().parents[1]
    return package.parent / "checks" if room == "checks" else package / room


def public_input_sources(catalogue: Catalogue, names: Iterable[str]) -> list[str]:
    """List the public sources of observations that problems depend on, in order of name."""
    counting = population_measures(catalogue)
    sources = {source for name in names for source in _input_sources(catalogue, name, counting)}
    return sorted(sources & set(catalogue.observation_sources()))


def population_measures(catalogue: Catalogue) -> list[str]:
    """Return the measures that count residents, of all ages or of some."""
    return [name for name, measure in catalogue.measures.items() if counts_residents(name, measure)]


def _input_sources(catalogue: Catalogue, name: str, counting: list[str]) -> list[str]:
    """List the sources that a problem depends on: of its measures, denominators, populations and comparisons."""
    problem = catalogue.problems[name]
    parts = [catalogue.measures[measure_name].denominator for measure_name in problem.measures]
    beside = [other for source in catalogue.problem_sources(problem) for other in catalogue.comparable_measures[source]]
    return sorted(
        {
            catalogue.measure_source[measure_name]
            for measure_name in (*problem.measures, *parts, *counting, *beside)
            if measure_name
        }
    )


def _uses_area_tables(source: Source) -> bool:
    """Return whether tables of areas or shares, rather than the register, may define a source's codes."""
    return any(
        geography.rsplit("_", 1)[0] in KINDS_OUTSIDE_REGISTER
        for geography in (source.geography or "", *source.earlier_geographies)
    )


class _Computed(NamedTuple):
    """The keys computed last, and what they were computed from."""

    catalogue: Catalogue
    log: list[Snapshot]
    day: date
    keys: TableKeys


_COMPUTED: dict[Path, _Computed] = {}
"""The keys computed last by store: every step of a build needs the same ones."""


def compute_table_keys(catalogue: Catalogue, home: Path, as_of: date) -> TableKeys:
    """Compute the keys of all state tables from declarations, the program and the snapshots released by a day."""
    log, last = read_log(home), _COMPUTED.get(home)
    if last is None or last.catalogue is not catalogue or last.log is not log or last.day != as_of:
        last = _COMPUTED[home] = _Computed(catalogue, log, as_of, _compute_keys(catalogue, log, as_of))
    return last.keys


def _compute_keys(catalogue: Catalogue, log: list[Snapshot], as_of: date) -> TableKeys:
    snapshots: dict[str, list[Snapshot]] = {}
    for entry in log:
        if entry.is_new_release and entry.released <= as_of:
            snapshots.setdefault(entry.source, []).append(entry)
    key_by_source = {
        name: hash_texts(
            name, declared, *(f"{entry.sha256} {entry.released} {entry.file}" for entry in snapshots.get(name, []))
        )
        for name, declared in catalogue.declaration_hashes.items()
    }
    geography_key, observations_key, answers_key = (program_key(room) for room in ("geography", "observations", "gaps"))
    register_sources = [name for table in _REGISTER_TABLES for name in catalogue.sources_providing(table)]
    boundary_sources = list(catalogue.sources_providing("boundary"))
    places = hash_texts(geography_key, *(key_by_source[name] for name in register_sources))
    apportioning = {
        name: hash_texts(geography_key, places, key_by_source[name]) for name in catalogue.apportionment_sources()
    }
    areas = hash_texts(*apportioning.values())
    reading = {
        name: hash_texts(
            observations_key, places, catalogue.declaration_hashes[name], areas if _uses_area_tables(source) else ""
        )
        for name, source in catalogue.observation_sources().items()
    }
    observation = {name: hash_texts(key, key_by_source[name]) for name, key in reading.items()}
    boundaries = hash_texts(geography_key, *(key_by_source[name] for name in boundary_sources))
    counting = population_measures(catalogue)
    inputs = {name: _input_sources(catalogue, name, counting) for name in catalogue.problems}
    figures = {
        name: hash_texts(
            answers_key,
            problem.header_text,
            *(catalogue.partnerships[group].model_dump_json() for group in problem.header.groups),
            places,
            boundaries,
            areas,
            *(observation.get(source) or catalogue.declaration_hashes[source] for source in inputs[name]),
        )
        for name, problem in catalogue.problems.items()
    }
    answer = {name: hash_texts(figures[name], problem.select.sql) for name, problem in catalogue.problems.items()}
    newest = {name: max(entry.released for entry in entries) for name, entries in snapshots.items()}
    shared = [*register_sources, *boundary_sources, *apportioning]
    last_release = {
        name: max((newest[source] for source in (*shared, *inputs[name]) if source in newest), default=date.min)
        for name in catalogue.problems
    }
    return TableKeys(places, boundaries, reading, observation, figures, answer, apportioning, as_of, last_release)
