"""The names of the search of places: own, Welsh, earlier and former ones, and postcode districts."""

import json
import re

import polars as pl
import pytest

from pipelines.core.store import output_path, read_table, state_path
from pipelines.declarations.project import Project
from pipelines.geography import load_nicknames, load_places
from pipelines.outputs.search import SearchPlace, group_order, list_search_places
from pipelines.outputs.site import publish_pages


@pytest.fixture(scope="module")
def built(starter: Project) -> Project:
    publish_pages(starter)
    return starter


@pytest.fixture(scope="module")
def search_places(built: Project) -> dict[str, SearchPlace]:
    pages = read_table(state_path(built.home, "pages", "commonground"))
    return {place.code: place for place in list_search_places(pages, load_places(built))}


def test_every_place_with_a_page_can_be_found(built: Project, search_places: dict[str, SearchPlace]) -> None:
    assert {path.stem for path in output_path(built.home, "places").glob("*.html")} == set(
        search_places
    ) and search_places


def test_merged_council_is_found_by_its_former_names_and_codes(search_places: dict[str, SearchPlace]) -> None:
    assert {"Allerdale", "E07000026", "Carlisle", "Copeland"} <= set(search_places["E06000063"].others)


def test_welsh_place_is_found_by_its_welsh_name(search_places: dict[str, SearchPlace]) -> None:
    assert "Caerdydd" in search_places["W06000015"].others
    assert search_places["W06000015"].kind != "place" and search_places["E09000024"].kind == "London borough"


def test_name_is_listed_once(search_places: dict[str, SearchPlace]) -> None:
    pages = pl.DataFrame([place[:2] for place in search_places.values()], schema=["code", "name"], orient="row")
    assert pages["code"].is_unique().all()
    for place in search_places.values():
        assert place.name not in place.others and len(set(place.others)) == len(place.others)


def test_script_has_all_districts_and_at_most_300_kilobytes(built: Project) -> None:
    text = output_path(built.home, "search.js").read_text(encoding="utf-8")
    assert len(text.encode("utf-8")) <= 300_000
    match = re.search(r"^const DATA = (.*);$", text, re.MULTILINE)
    assert match
    data = json.loads(match[1])
    districts, places = data["districts"], data["places"]
    merton = [share for at, share in zip(districts["SW19"][::2], districts["SW19"][1::2], strict=True)
              if places[at][0] == "E09000024"]  # fmt: skip
    assert len(districts) == 2997 and float(merton[0].removesuffix(" %")) > 50


def test_share_of_few_postcodes_is_not_shown_as_none(built: Project) -> None:
    text = output_path(built.home, "search.js").read_text(encoding="utf-8")
    match = re.search(r"^const DATA = (.*);$", text, re.MULTILINE)
    assert match
    data = json.loads(match[1])
    shares = dict(zip(data["districts"]["AB3"][::2], data["districts"]["AB3"][1::2], strict=True))
    names = {data["places"][at][1]: share for at, share in shares.items()}
    assert names["Highland"] == "under 0.1 %" and names["Moray"] == "7 %"


def test_nickname_has_its_source_and_a_place_with_a_page(built: Project, search_places: dict[str, SearchPlace]) -> None:
    table = load_nicknames()
    assert table.height and table["source"].str.starts_with("https://").all()
    for code, nickname, page in table.iter_rows():
        ((name, site),) = search_places[code].nicknames
        assert name == nickname and site in page
    assert load_places(built).names["E06000058"] == "Bournemouth, Christchurch and Poole"


def test_places_are_grouped_by_kind(search_places: dict[str, SearchPlace]) -> None:
    groups = {place.group for place in search_places.values()}
    assert groups <= set(group_order()) and search_places["E09000024"].group == "Councils"
    assert {"NHS trusts", "Westminster constituencies", "Police forces", "Health boards"} <= groups
