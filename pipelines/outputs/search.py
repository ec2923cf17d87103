"""The search of places on every page: names, former and Welsh names, codes, and postcode districts."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import polars as pl

from pipelines.core.geocodes import ENTITY_NAMES
from pipelines.declarations.partnership import PARTNERSHIP_KIND, is_partnership_code
from pipelines.geography import (
    Places,
    fold_name,
    follow_changes,
    load_nicknames,
    load_postcode_districts,
    trace_graph,
)
from pipelines.outputs.freshness import SEARCH
from pipelines.outputs.page_templates import render_page

_KIND_TITLES = {
    "trust": "NHS trust", "site": "NHS site", "stp": "sustainability and transformation partnership",
    "icb": "integrated care board", "ccg": "clinical commissioning group", "sub_icb": "sub-ICB location",
}  # fmt: skip
"""Titles of kinds without a code prefix of their own."""


_GROUPS = {
    "lad": "Councils", "utla": "Councils", "county": "Councils", "pcon": "Westminster constituencies",
    "trust": "NHS trusts", "health_board": "Health boards", "pfa": "Police forces", "nation": "Nations",
    "region": "Regions", "icb": "Integrated care boards", "site": "NHS sites", PARTNERSHIP_KIND: "Partnerships",
}  # fmt: skip
"""Groups in which places are listed, in order, by their kind in the register."""
OTHER_PLACES = "Other places"


class SearchPlace(NamedTuple):
    """A place with a page: its code, name and kind, its region or nation, and other names and codes it is known by.

    `nicknames` has short names with the web site that uses each. `group` is the group in which it is listed.
    """

    code: str
    name: str
    kind: str
    where: str
    others: tuple[str, ...]
    group: str
    nicknames: tuple[tuple[str, str], ...]


def render_search(pages: pl.DataFrame, places: Places) -> str:
    """Return the script of the search, with its names, for the places with a page (place_code, place_name, where)."""
    listed = list_search_places(pages, places)
    kinds, wheres = sorted({place.kind for place in listed}), sorted({place.where for place in listed})
    names = [
        [place.code, place.name, kinds.index(place.kind), wheres.index(place.where), list(place.others)]
        for place in listed
    ]
    groups = {place.kind: place.group for place in listed}
    data = {
        "kinds": kinds, "groups": [groups[kind] for kind in kinds], "order": group_order(),
        "wheres": wheres, "places": names,
        "nicknames": [[at, *nickname] for at, place in enumerate(listed) for nickname in place.nicknames],
        "districts": _index_districts(listed, places),
    }  # fmt: skip
    return render_page(SEARCH, data=json.dumps(data, ensure_ascii=False, separators=(",", ":")))


def list_search_places(pages: pl.DataFrame, places: Places) -> list[SearchPlace]:
    """Return the places with a page, in order of name.

    The other names are the Welsh and earlier names of the code, and the names and codes of all places that it followed.
    """
    spellings = _spellings_by_code(places.register)
    codes = set(pages["place_code"])
    earlier: dict[str, list[str]] = {}
    for code in spellings:
        for successor in codes.intersection(follow_changes(code, places.graph.forward)) - {code}:
            earlier.setdefault(successor, []).append(code)
    nicknames: dict[str, list[tuple[str, str]]] = {}
    for code, nickname, page in load_nicknames().iter_rows():
        nicknames.setdefault(code, []).append((nickname, urlsplit(page).netloc.removeprefix("www.")))
    return [
        SearchPlace(
            code,
            name,
            describe_kind(code, find_kind(code, places.kinds)),
            where,
            _other_names(code, name, earlier, spellings),
            describe_group(find_kind(code, places.kinds)),
            tuple(nicknames.get(code, ())),
        )
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


def find_kind(code: str, kinds: Mapping[str, str]) -> str:
    """Return the kind of a place: of a partnership by its code, else its kind in the register."""
    return PARTNERSHIP_KIND if is_partnership_code(code) else kinds.get(code, "")


def describe_kind(code: str, kind: str) -> str:
    """Describe the kind of a place by its code and its kind in the register, such as London borough."""
    return _KIND_TITLES.get(kind) or ENTITY_NAMES.get(code[:3]) or kind.replace("_", " ") or "place"


def describe_group(kind: str) -> str:
    """Return the group in which places of a kind are listed."""
    return _GROUPS.get(kind, OTHER_PLACES)


def group_order() -> list[str]:
    """Return the groups in the order of pages and of the search."""
    return [*dict.fromkeys(_GROUPS.values()), OTHER_PLACES]


def _index_districts(listed: list[SearchPlace], places: Places) -> dict[str, list[Any]]:
    """Return for each postcode district the positions of its councils, each followed by its share of the postcodes.

    A council of 2025 without a page is found as the one council with a page to which code changes connect it.
    """
    positions = {place.code: at for at, place in enumerate(listed)}
    table = load_postcode_districts()
    pages = trace_graph(places.graph, table["place_code"].unique().to_list(), set(positions))
    districts: dict[str, list[Any]] = {}
    for district, code, percent in table.iter_rows():
        if code in pages and len(pages[code].codes) == 1:
            districts.setdefault(district, []).extend([positions[pages[code].codes[0]], _describe_share(percent)])
    return districts


def _describe_share(percent: float) -> str:
    """Describe a share that is more than 0 %, and less than 100 % unless it is the only one of its district."""
    return f"{percent:g} %" if percent else "under 0.1 %"
