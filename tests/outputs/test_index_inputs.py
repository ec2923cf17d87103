"""Files beside the index page: written again only where their inputs or the files have changed."""

from datetime import timedelta

import pytest

from pipelines.core.store import output_path, read_table
from pipelines.declarations.project import Project
from pipelines.outputs import site
from pipelines.outputs.freshness import SEARCH, index_record_path, pages_path
from pipelines.outputs.index_inputs import boundaries_key, list_same_files, search_key


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of files that were made."""
    kinds: list[str] = []
    for name in ("render_search", "boundary_contents"):
        make = getattr(site, name)
        monkeypatch.setattr(site, name, lambda *given, name=name, make=make: [kinds.append(name), make(*given)][1])
    return kinds


def on_day(project: Project, days: int) -> Project:
    return project._replace(as_of=project.as_of + timedelta(days=days))


def publish(project: Project) -> dict[str, bytes]:
    """Publish the index and return the content of each file that it records."""
    site.publish_index(project)
    names = read_table(index_record_path(project))["file"]
    return {name: output_path(project.home, name).read_bytes() for name in names}


def test_index_of_another_day_makes_no_search_and_no_boundaries(small: Project, made: list[str]) -> None:
    site.publish_pages(small)
    index_record_path(small).unlink()
    first = publish(small)
    assert made[-2:] == ["boundary_contents", "render_search"]
    made.clear()
    second = publish(on_day(small, 1))
    assert not made and list(second) == list(first) and SEARCH in first
    assert {name for name in first if second[name] != first[name]} == {"index.html"}


def test_file_that_someone_changed_or_removed_is_made_again(small: Project, made: list[str]) -> None:
    site.publish_pages(small)
    first = publish(small)
    output_path(small.home, SEARCH).write_bytes(b"of a person")
    made.clear()
    assert publish(on_day(small, 1))[SEARCH] == first[SEARCH] and made == ["render_search"]
    drawn = next((name for name in first if name.startswith("boundaries/")), None)
    if drawn:
        output_path(small.home, drawn).unlink()
        made.clear()
        assert publish(on_day(small, 2))[drawn] == first[drawn] and made == ["boundary_contents"]


def test_keys_change_with_the_places_and_the_program(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    site.publish_pages(small)
    pages = read_table(pages_path(small))
    before = search_key(small, pages), boundaries_key(small)
    assert list_same_files(small, "pages", before[0]) == [SEARCH]
    assert list_same_files(small, "pages", search_key(small, pages.head(3))) == []
    monkeypatch.setattr("pipelines.outputs.index_inputs.program_key", lambda _room: "another")
    assert search_key(small, pages) != before[0] and boundaries_key(small) != before[1]
