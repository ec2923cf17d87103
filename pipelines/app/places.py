"""The command `places`: look up a name, an area code of any geography and vintage, or a full or partial postcode."""

from collections.abc import Iterator

from pipelines.app.steps import prepare_store
from pipelines.core.store import lock_store
from pipelines.declarations.project import Project
from pipelines.geography import describe_area, load_place_data, load_places, load_postcode_tables


def describe_places(project: Project, names: list[str]) -> Iterator[tuple[str, str]]:
    """Describe places by name, code or postcode: identity, predecessors, successors and parents."""
    with lock_store(project.home):
        prepare_store(project)
        places_data, tables = load_place_data(project, load_places(project)), load_postcode_tables(project)
    for name in names:
        # Several tables of areas may have the place, and say the same about it.
        yield from dict.fromkeys(describe_area(places_data, tables, name, project.as_of))
