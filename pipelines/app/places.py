"""The command `places`: look up a name, an area code of any geography and vintage, or a full or partial postcode."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path

from pipelines.app.place_lookup import (
    DescribedPartnership,
    PlaceLookup,
    describe_in_lookup,
    is_lookup_current,
    store_lookup,
)
from pipelines.app.steps import prepare_store
from pipelines.core.errors import CommongroundError
from pipelines.core.snapshots import source_snapshots
from pipelines.core.store import lock_store
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.partnership import partnership_code
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.geography import (
    PLACE_TABLES,
    dump_places,
    fold_name,
    load_place_data,
    load_places,
    load_postcode_tables,
)


def describe_places(project: Project, names: list[str]) -> Iterator[tuple[str, str]]:
    """Describe places as `describe_in_lookup` does, from the declarations, and store the lookup for other commands."""
    with lock_store(project.home):
        prepare_store(project)
        lookup = _collect_lookup(project)
    yield from describe_in_lookup(lookup, names)


def keep_lookup(project: Project) -> None:
    """Store the lookup of places of a prepared store, where none is current.

    A table of places that cannot be read leaves none: the command `places` reports it, and a build goes on.
    """
    if not is_lookup_current(project.home, project.catalogue.contents, project.as_of):
        with lock_store(project.home), suppress(CommongroundError):
            _collect_lookup(project)


def _collect_lookup(project: Project) -> PlaceLookup:
    """Collect what places are described from, and store it."""
    catalogue, home = project.catalogue, project.home
    places_data = load_place_data(project, load_places(project))
    partnerships = [_describe_partnership(catalogue, name, places_data.places.names) for name in catalogue.partnerships]
    sources = {name: catalogue.sources[name] for kind in PLACE_TABLES for name in catalogue.sources_providing(kind)}
    files = _list_bundled_files(catalogue.sources_dir, sources)
    store_lookup(home, catalogue.contents, dump_places(project), partnerships, files, _find_days(project, sources))
    return PlaceLookup(places_data, lambda: load_postcode_tables(project), partnerships, project.as_of)


def _list_bundled_files(folder: Path, sources: Mapping[str, Source]) -> list[Path]:
    return [folder / release.file for source in sources.values() for release in source.releases]


def _find_days(project: Project, sources: Mapping[str, Source]) -> tuple[date, date]:
    """Return the day of the newest release of some sources by the day of the project, and the day of the next."""
    days = {entry.released for name in sources for entry in source_snapshots(project.home, name)}
    return (
        max((day for day in days if day <= project.as_of), default=date.min),
        min((day for day in days if day > project.as_of), default=date.max),
    )


def _describe_partnership(catalogue: Catalogue, name: str, names: Mapping[str, str]) -> DescribedPartnership:
    partnership, code = catalogue.partnerships[name], partnership_code(name)
    kind = f"{partnership.kind}, places of {partnership.geography}"
    return DescribedPartnership(
        (fold_name(partnership.title), name, code),
        (
            ("place", f"{code} {partnership.title} ({kind})"),
            *(("member", f"{member} {names.get(member, '')}".rstrip()) for member in partnership.members),
            ("reference", partnership.membership),
            *(("problem", item.name) for item in catalogue.problems.values() if name in item.header.groups),
        ),
    )
