"""What `places` says: of a name, a code of any system and time, or the start of a postcode."""

from collections.abc import Iterator

from pipelines.app.steps import prepare_store
from pipelines.core.errors import UnknownNameError
from pipelines.core.store import lock_store
from pipelines.declarations.project import Project
from pipelines.geography import (
    Areas,
    PlaceData,
    PlaceFacts,
    describe_lineage,
    describe_membership,
    describe_postcodes,
    find_codes,
    is_postcode,
    load_place_data,
    load_places,
    load_postcode_tables,
)


def describe_places(project: Project, names: list[str]) -> Iterator[tuple[str, str]]:
    """Tell of places by name, code or postcode: what each is, was, became and belongs to."""
    with lock_store(project.home):
        prepare_store(project)
        places_data, tables = load_place_data(project, load_places(project)), load_postcode_tables(project)
    for name in names:
        yield from _describe_place(project, places_data, tables, name)


def _describe_place(project: Project, places_data: PlaceData, tables: list[Areas], name: str) -> PlaceFacts:
    names = dict(places_data.places.register.sort("valid_from").select("place_code", "place_name").iter_rows())
    code = name.strip().upper()
    try:
        codes = find_codes(places_data.places, name)
    except UnknownNameError:
        elsewhere = list(describe_membership(places_data.areas, places_data.shares, code, names))
        if not elsewhere and not is_postcode(name):
            raise
        yield from elsewhere or describe_postcodes(tables, name, names)
        return
    for place_code in codes:
        yield from describe_lineage(places_data.places, place_code, project.as_of)
        yield from describe_membership(places_data.areas, places_data.shares, place_code, names)
