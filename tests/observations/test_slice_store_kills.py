"""A build killed while it writes figures, readings or slices: the next build reads what an undisturbed one reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal
from pyarrow import parquet

from pipelines.app import steps
from pipelines.core import store
from pipelines.core.store import remove_temporary_files, state_path, table_key
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.fingerprints import compute_table_keys
from pipelines.declarations.project import Project
from pipelines.geography import load_places
from pipelines.observations.access import load_source_tables, scan_observations
from pipelines.observations.current import has_current_tables
from pipelines.observations.source_tables import SourceTables
from tests.breadth import cases
from tests.small import copied, districts_only

NAME = "mhclg_rough_sleeping"


class Killed(BaseException):
    """The end of a process: nothing after it runs, and no file is tidied away."""


@contextmanager
def killed_at(event: int, *, in_file: bool = False) -> Iterator[list[str]]:
    """End the build before one of its renames, or in a file of figures; yield the events before that."""
    seen: list[str] = []
    rename, unlink, write, write_bytes = Path.replace, Path.unlink, parquet.ParquetWriter.write_table, Path.write_bytes

    def count(what: str) -> None:
        if len(seen) >= event:
            raise Killed
        seen.append(what)

    def end_before_rename(path: Path, target: Any) -> Any:
        if not in_file:
            count(str(target))
        return rename(path, target)

    def end_before_unlink(path: Path, missing_ok: bool = False) -> None:
        if len(seen) >= event:
            raise Killed
        unlink(path, missing_ok=missing_ok)

    def end_in_file(writer: Any, *arguments: Any, **options: Any) -> None:
        write(writer, *arguments, **options)
        if in_file:
            count("figures")

    def end_in_small_file(path: Path, content: Any) -> int:
        written = write_bytes(path, content)
        if in_file and path.parent.parent.name == "values":
            count("figures")
        return written

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", end_before_rename)
        patch.setattr(Path, "unlink", end_before_unlink)
        patch.setattr(parquet.ParquetWriter, "write_table", end_in_file)
        patch.setattr(Path, "write_bytes", end_in_small_file)
        yield seen


def open_store(home: Path) -> Project:
    """Return the project beside a store, without reading any source."""
    return Project(load_catalogue(home.parent / "project"), home, date(2026, 11, 24))


def copy_beside(unread: Path, folder: Path, *left_out: str) -> Project:
    """Copy the project and its store, except the named folders."""
    copied(unread.parent / "project", folder / "project")
    return open_store(copied(unread, folder / "store", *left_out))


@pytest.fixture(scope="module")
def unread(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with snapshots and the register, of which no source of figures is read yet."""
    folder = tmp_path_factory.mktemp("unread")
    districts_only(folder, NAME)
    home: Path = folder / "store"
    project = open_store(home)
    steps.prepare_store(project)
    load_places(project)
    return home


@pytest.fixture(scope="module")
def expected(unread: Path, tmp_path_factory: pytest.TempPathFactory) -> SourceTables:
    """Return the tables of an undisturbed build."""
    return load_source_tables(copy_beside(unread, tmp_path_factory.mktemp("whole")), NAME)


@pytest.fixture(scope="module")
def renames(unread: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return the number of renames of an undisturbed build."""
    with killed_at(10**6) as every:
        load_source_tables(copy_beside(unread, tmp_path_factory.mktemp("counted")), NAME)
    assert len(every) > 15
    return len(every)


def require_recovery(project: Project, expected: SourceTables) -> None:
    """Build again, and compare all tables and figures with those of an undisturbed build."""
    keys = compute_table_keys(project.catalogue, project.home, project.as_of)
    if has_current_tables(project.home, NAME, keys):
        assert table_key(state_path(project.home, "slice", NAME)) == keys.observation[NAME]
    remove_temporary_files(project.home)
    tables = load_source_tables(project, NAME)
    for name in SourceTables._fields:
        assert_frame_equal(getattr(tables, name), getattr(expected, name))
    figures = scan_observations(project, NAME).collect()
    assert figures.height == expected.slice["rows"].sum()
    assert figures["value"].sum() == pytest.approx(expected.slice["sum"].sum(), rel=1e-12)
    assert not list(project.home.rglob(".making-*"))


@pytest.mark.parametrize("event", cases([0, 3, -1], wide=[1, 2, -7, -6, -4]))
def test_build_killed_before_a_rename_is_completed_by_the_next(
    event: int, unread: Path, renames: int, expected: SourceTables, tmp_path: Path
) -> None:
    project = copy_beside(unread, tmp_path)
    with killed_at(event % renames), pytest.raises(Killed):
        load_source_tables(project, NAME)
    require_recovery(project, expected)


@pytest.mark.parametrize("event", cases([0], wide=[1]))
def test_build_killed_while_it_registers_places_is_completed_by_the_next(
    event: int, unread: Path, expected: SourceTables, tmp_path: Path
) -> None:
    project = copy_beside(unread, tmp_path, "register", "change")
    with killed_at(event) as seen, pytest.raises(Killed):
        load_source_tables(project, NAME)
    assert len(seen) == event and not state_path(project.home, "change", "places").exists()
    require_recovery(project, expected)


@pytest.mark.parametrize("most", [store.LARGEST_TABLE, 0])
@pytest.mark.parametrize("event", cases([0], wide=[1]))
def test_build_killed_in_a_file_of_figures_is_completed_by_the_next(
    event: int, most: int, unread: Path, expected: SourceTables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LARGEST_TABLE", most)
    project = copy_beside(unread, tmp_path)
    with killed_at(event, in_file=True), pytest.raises(Killed):
        load_source_tables(project, NAME)
    require_recovery(project, expected)


def test_lost_file_of_figures_is_written_again(unread: Path, expected: SourceTables, tmp_path: Path) -> None:
    project = copy_beside(unread, tmp_path)
    load_source_tables(project, NAME)
    next((project.home / "state" / "values" / NAME).glob("*.parquet")).unlink()
    require_recovery(project, expected)
