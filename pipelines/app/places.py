"""The command `places`: look up a name, an area code of any geography and vintage, or a full or partial postcode."""

from collections.abc import Iterator, Mapping

from pipelines.app.steps import prepare_store
from pipelines.core.store import lock_store
from pipelines.declarations.catalogue import Catalogue
from pipelines.declarations.partnership import partnership_code
from pipelines.declarations.project import Project
from pipelines.geography import (
    describe_area,
    fold_name,
    is_postcode,
    load_place_data,
    load_places,
    load_postcode_tables,
)


def describe_places(project: Project, names: list[str]) -> Iterator[tuple[str, str]]:
    """Describe places by name, code or postcode: identity, predecessors, successors and parents.

    A partnership is described by its members, their reference, and the problems with an answer for it.
    """
    with lock_store(project.home):
        prepare_store(project)
        places_data = load_place_data(project, load_places(project))
        tables = load_postcode_tables(project) if any(map(is_postcode, names)) else ()
    for name in names:
        if partnership := _find_partnership(project.catalogue, name):
            yield from _describe_partnership(project.catalogue, partnership, places_data.places.names)
            continue
        # Several tables of areas may have the place, and say the same about it.
        yield from dict.fromkeys(describe_area(places_data, tables, name, project.as_of))


def _find_partnership(catalogue: Catalogue, text: str) -> str | None:
    """Return the name of the partnership with a title, a name or a code; None for another place."""
    meant = fold_name(text)
    return next(
        (
            name
            for name, partnership in catalogue.partnerships.items()
            if meant in (fold_name(partnership.title), name, partnership_code(name))
        ),
        None,
    )


def _describe_partnership(catalogue: Catalogue, name: str, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    partnership = catalogue.partnerships[name]
    code, kind = partnership_code(name), f"{partnership.kind}, places of {partnership.geography}"
    yield "place", f"{code} {partnership.title} ({kind})"
    for member in partnership.members:
        yield "member", f"{member} {names.get(member, '')}".rstrip()
    yield "reference", partnership.membership
    for problem in catalogue.problems.values():
        if name in problem.header.groups:
            yield "problem", problem.name
