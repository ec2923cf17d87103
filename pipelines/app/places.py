"""What `places` says: of a name, a code of any system and time, or the start of a postcode."""

from collections.abc import Iterator

from pipelines.app.steps import prepare
from pipelines.core.errors import UnknownNameError
from pipelines.core.store import sole_builder
from pipelines.declarations.project import Project
from pipelines.geography import (
    Areas,
    Geography,
    Told,
    belongs,
    describe_lineage,
    find,
    geography,
    is_postcode,
    postcode_tables,
    postcodes,
    register_places,
)


def about_places(project: Project, names: list[str]) -> Iterator[tuple[str, str]]:
    """Tell of places by name, code or postcode: what each is, was, became and belongs to."""
    with sole_builder(project.home):
        prepare(project)
        held, tables = geography(project, register_places(project)), postcode_tables(project)
    for name in names:
        yield from _about(project, held, tables, name)


def _about(project: Project, held: Geography, tables: list[Areas], name: str) -> Told:
    named = dict(held.places.register.sort("valid_from").select("place_code", "place_name").iter_rows())
    code = name.strip().upper()
    try:
        codes = find(held.places, name)
    except UnknownNameError:
        elsewhere = list(belongs(held.areas, held.shares, code, named))
        if not elsewhere and not is_postcode(name):
            raise
        yield from elsewhere or postcodes(tables, name, named)
        return
    for each in codes:
        yield from describe_lineage(held.places, each, project.as_of)
        yield from belongs(held.areas, held.shares, each, named)
