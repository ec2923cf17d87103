"""The search of places on every page: names, former and Welsh names, codes, and postcode districts."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.geocodes import ENTITY_NAMES
from pipelines.geography import Places, fold_name, load_postcode_districts
from pipelines.outputs.page_templates import render_page

SEARCH = "search.js"
"""File with the search and its names; a page without the file has its links only."""

_KIND_TITLES = {
    "trust": "NHS trust", "site": "NHS site", "stp": "sustainability and transformation partnership",
    "icb": "integrated care board", "ccg": "clinical commissioning group", "sub_icb": "sub-ICB location",
}  # fmt: skip
"""Titles of kinds without a code prefix of their own."""


class SearchPlace(NamedTuple):
    """A place with a page: its code, name and kind, its region or nation, and other names and codes it is known by."""

    code: str
    name: str
    kind: str
    where: str
    others: tuple[str, ...]


def render_search(pages: pl.DataFrame, places: Places) -> str:
    """Return the script of the search, with its names, for the places with a page (place_code, place_name, where)."""
    listed = list_search_places(pages, places)
    kinds, wheres = sorted({place.kind for place in listed}), sorted({place.where for place in listed})
    names = [
        [place.code, place.name, kinds.index(place.kind), wheres.index(place.where), list(place.others)]
        for place in listed
    ]
    data = {"kinds": kinds, "wheres": wheres, "places": names, "districts": _index_districts(listed, places)}
    return render_page(SEARCH, data=json.dumps(data, ensure_ascii=False, separators=(",", ":")))


def list_search_places(pages: pl.DataFrame, places: Places) -> list[SearchPlace]:
    """Return the places with a page, in order of name.

    The other names are the Welsh and earlier names of the code, and the names and codes of all places that it followed.
    """
    spellings = _spellings_by_code(places.register)
    codes = set(pages["place_code"])
    earlier: dict[str, list[str]] = {}
    for code in spellings:
        for successor in _follow_changes(code, _successors(places)) & codes:
            earlier.setdefault(successor, []).append(code)
    return [
        SearchPlace(code, name, _kind_title(code, places), where, _other_names(code, name, earlier, spellings))
        for code, name, where in pages.select("place_code", "place_name", "where")
        .sort("place_name", "place_code")
        .iter_rows()
    ]


def _spellings_by_code(register: pl.DataFrame) -> dict[str, list[str]]:
    """Return the English and Welsh names that each code has had, newest first."""
    spellings: dict[str, list[str]] = {}
    newest = register.sort("valid_from", descending=True)
    for code, name, welsh in newest.select("place_code", "place_name", "place_name_welsh").iter_rows():
        spellings.setdefault(code, []).extend(text for text in (name, welsh) if text)
    return spellings


def _other_names(
    code: str, name: str, earlier: dict[str, list[str]], spellings: dict[str, list[str]]
) -> tuple[str, ...]:
    others = [*spellings.get(code, ())]
    for former in sorted(earlier.get(code, ())):
        others += [*spellings[former], former]
    once = {fold_name(text): text for text in reversed(others)}
    once.pop(fold_name(name), None)
    return tuple(reversed(once.values()))


def _successors(places: Places) -> dict[str, set[str]]:
    after: dict[str, set[str]] = {}
    for before, to_code in places.changes.select("from_code", "to_code").iter_rows():
        after.setdefault(before, set()).add(to_code)
    return after


def _predecessors(places: Places) -> dict[str, set[str]]:
    before: dict[str, set[str]] = {}
    for from_code, after in places.changes.select("from_code", "to_code").iter_rows():
        before.setdefault(after, set()).add(from_code)
    return before


def _follow_changes(code: str, changes: dict[str, set[str]]) -> set[str]:
    """Return every code that follows a code by one change or several, without the code itself."""
    reached: set[str] = set()
    waiting = [code]
    while waiting:
        new = changes.get(waiting.pop(), set()) - reached
        reached |= new
        waiting += new
    return reached - {code}


def _kind_title(code: str, places: Places) -> str:
    kind = places.kinds.get(code, "")
    return _KIND_TITLES.get(kind) or ENTITY_NAMES.get(code[:3]) or kind.replace("_", " ") or "place"


def _index_districts(listed: list[SearchPlace], places: Places) -> dict[str, list[Any]]:
    """Return for each postcode district the positions of its councils, each followed by its per cent of postcodes."""
    positions, before = {place.code: at for at, place in enumerate(listed)}, _predecessors(places)
    districts: dict[str, list[Any]] = {}
    for district, code, percent in load_postcode_districts().iter_rows():
        for page in _codes_with_pages(code, positions, before):
            districts.setdefault(district, []).extend([positions[page], f"{percent:g}"])
    return districts


def _codes_with_pages(code: str, positions: dict[str, int], before: dict[str, set[str]]) -> Iterator[str]:
    """Yield the code, or where it has no page and followed one code only, that code."""
    if code in positions:
        yield code
    elif len(earlier := _follow_changes(code, before) & set(positions)) == 1:
        yield from earlier
