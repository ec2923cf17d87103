"""A release is read once: again only where an input has changed or its figures are gone."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.app import steps
from pipelines.core.store import Snapshot, list_release_tables
from pipelines.declarations.project import Project
from pipelines.observations import release_reading
from pipelines.observations.access import load_source_tables, scan_observations
from pipelines.observations.ingest import ReadingContext, open_release
from tests.gaps.test_cells import MERTON, Case, project_of, with_peers

SOURCE = "a_source"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of files that later steps read."""
    names: list[str] = []

    def note(context: ReadingContext, snapshot: Snapshot, content: bytes) -> object:
        names.append(snapshot.file)
        return open_release(context, snapshot, content)

    monkeypatch.setattr(release_reading, "open_release", note)
    return names


def tables_of(project: Project) -> list[pl.DataFrame]:
    steps.prepare_store(project)
    return [*load_source_tables(project, SOURCE), scan_observations(project, SOURCE).collect()]


def test_unchanged_release_is_not_read_again(tmp_path: Path, read: list[str]) -> None:
    project = project_of(Case(None, MERTON, with_peers(f"{MERTON},x,2023,7")), tmp_path)
    first = tables_of(project)
    again = tables_of(project)
    assert read == ["2024-05-01.csv"]
    for before, after in zip(first, again, strict=True):
        assert_frame_equal(before, after)


def test_lost_file_of_figures_is_read_again(tmp_path: Path, read: list[str]) -> None:
    project = project_of(Case(None, MERTON, with_peers(f"{MERTON},x,2023,7")), tmp_path)
    first = tables_of(project)
    for path in list_release_tables(project.home, SOURCE):
        if path.parent.parent.name == "values":
            path.unlink()
    again = tables_of(project)
    assert read == ["2024-05-01.csv"] * 2
    for before, after in zip(first, again, strict=True):
        assert_frame_equal(before, after)
