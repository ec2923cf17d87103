"""Small projects: the two problems about jobs with their sources, and one question with two sources."""

import shutil
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.app import steps
from pipelines.core.store import TEMPORARY_PREFIX, hash_file
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.fingerprints import ANSWER_TABLES
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.geography.access import load_places
from pipelines.geography.load import load_place_data

ROOT = Path(__file__).resolve().parent.parent
PROBLEMS = ("jobs_recovery", "jobs_south_london")
FIXED = ("html", "csv", "json", "parquet", "xlsx")
"""Endings of outputs with the same bytes in each build of the same figures."""


def small_project(folder: Path) -> Path:
    """Copy the problems, the sources of their measures and denominators, residents, and all sources about places."""
    catalogue = load_catalogue(ROOT)
    measures = {name for problem in PROBLEMS for name in catalogue.problems[problem].measures}
    declared = [catalogue.measures[name] for name in measures]
    parts = {part for item in declared for part in (item.numerator, item.denominator) if part}
    sources = {catalogue.measure_source[name] for name in measures | parts}
    sources |= {name for name, source in catalogue.sources.items() if source.provides != "observation"}
    residents = catalogue.measures["residents"]
    sources |= {catalogue.measure_source[name] for name in ("residents", residents.same_as) if name}
    root = folder / "project"
    (root / "sources" / "starter").mkdir(parents=True)
    (root / "pipelines" / "problems").mkdir(parents=True)
    shutil.copytree(ROOT / "sources" / "shared", root / "sources" / "shared")
    for name in sorted(sources):
        _copy_source(name, catalogue.sources[name], root)
    shutil.copy(ROOT / "pipelines" / "partnerships.yaml", root / "pipelines")
    for problem in PROBLEMS:
        shutil.copy(ROOT / "pipelines" / "problems" / f"{problem}.sql", root / "pipelines" / "problems")
    return root


def copied(store: Path, home: Path, *left_out: str) -> Path:
    """Copy a store for a test that changes it, except files that another worker is writing and the named folders."""
    shutil.copytree(store, home, ignore=shutil.ignore_patterns(f"{TEMPORARY_PREFIX}*", *left_out))
    return home


def copied_unanswered(store: Path, home: Path) -> Path:
    """Copy a store with its sources read, without answers, ledgers and outputs: a build makes these again."""
    return copied(store, home, "out", "outputs.json", "ledger", "engine", *ANSWER_TABLES)


def hash_outputs(home: Path) -> dict[str, str]:
    """Return the hashes of ledgers, and of outputs with the same bytes in each build of the same figures."""
    paths = [
        *(home / "ledger").glob("*.parquet"),
        *(path for end in FIXED for path in (home / "out").rglob(f"*.{end}")),
    ]
    return {path.relative_to(home).as_posix(): hash_file(path) for path in paths if path.name != "profile.json"}


def places_only(folder: Path, *figures: str) -> Path:
    """Copy all sources about places and the named sources of observations, without problems: a test adds its own."""
    catalogue = load_catalogue(ROOT)
    root = folder / "project"
    (root / "sources" / "starter").mkdir(parents=True)
    (root / "pipelines" / "problems").mkdir(parents=True)
    shutil.copytree(ROOT / "sources" / "shared", root / "sources" / "shared")
    for name, source in catalogue.sources.items():
        if source.provides != "observation" or name in figures:
            _copy_source(name, source, root)
    return root


@cache
def stored_places(write: Callable[[Path], object], as_of: date) -> TemporaryDirectory[str]:
    """Return a store with the tables of places of the project that `write` writes to a folder, made once a process.

    A test that copies it reads no register of its own: a tenth to a half of the cost of one answer.
    """
    folder, store = TemporaryDirectory(), TemporaryDirectory()
    write(Path(folder.name))
    project = Project(load_catalogue(Path(folder.name) / "project"), Path(store.name), as_of)
    steps.prepare_store(project)
    load_place_data(project, load_places(project))
    return store


DISTRICTS = ("ons_lad_register", "ons_lad_changes")
FURLOUGH = """/*
question: How many employments were furloughed in our boroughs?
decision: How many advisers each borough pays for.
owner: Programme lead
geography: lad_2023
place_codes: [E09000024, E09000029, E09000008]
grain: latest
needs:
  residents_16_64: {max_age: 6 years}
  furloughed_employments: {from: 2020-03, until: 2021-09}
unknowns: [vacancies]
*/
select place.place_code, place.place_name, residents_16_64.value as residents_16_64,
  furloughed_employments.value as furloughed_employments, vacancies.value as vacancies
from lad_2023.place
join lad_2023.residents_16_64 using (place_code)
join lad_2023.furloughed_employments using (place_code)
join lad_2023.vacancies using (place_code)
"""


def districts_only(folder: Path, *figures: str) -> Path:
    """Copy the two sources about districts, without boundaries, postcodes and small areas, which a build lists.

    The named sources of observations are copied too.
    """
    catalogue = load_catalogue(ROOT)
    root = folder / "project"
    (root / "sources" / "starter").mkdir(parents=True)
    (root / "pipelines" / "problems").mkdir(parents=True)
    shutil.copytree(ROOT / "sources" / "shared", root / "sources" / "shared")
    for name in (*DISTRICTS, *figures):
        _copy_source(name, catalogue.sources[name], root)
    return root


def furlough_project(folder: Path) -> Path:
    """Write a project with one problem about three boroughs and its three sources, which builds in two seconds."""
    root = districts_only(folder, "ons_residents_16_64", "hmrc_furlough", "hmrc_furlough_eligible", "ons_vacancies")
    (root / "pipelines" / "problems" / "furlough.sql").write_text(FURLOUGH)
    return root


def _copy_source(name: str, source: Source, root: Path) -> None:
    for path in (ROOT / "sources").glob(f"{name}.*"):
        shutil.copy(path, root / "sources")
    for release in source.releases:
        shutil.copy(ROOT / "sources" / release.file, root / "sources" / release.file)
