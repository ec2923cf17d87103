"""Predecessors and successors of areas, from the bundled register."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.core.errors import UnknownNameError
from pipelines.core.geocodes import KIND_PREFIXES
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.geography.lineage import describe_lineage, find_codes
from pipelines.geography.names import fold_name
from pipelines.geography.register import Places, require_places, trace_changes
from pipelines.observations.ingest import load_codes

ROOT = Path(__file__).resolve().parent.parent.parent
AS_OF = date(2026, 11, 24)


@pytest.fixture(scope="module")
def places(bundled: Project) -> Places:
    return load_places(bundled)


def lineage_text(places: Places, code: str) -> str:
    return "\n".join(f"{heading}: {text}" for heading, text in describe_lineage(places, code, AS_OF))


def test_successor_of_allerdale_is_described(places: Places) -> None:
    text = lineage_text(places, "E07000026")
    assert "in use from 2009-01-01 to 2023-03-31" in text
    assert "became: E06000063 Cumberland on 2023-04-01: merged, together with E07000028 Carlisle, E07000029" in text
    assert "The Cumbria (Structural Changes) Order 2022" in text


def test_predecessors_of_cumberland_are_described(places: Places) -> None:
    text = lineage_text(places, "E06000063")
    assert "was: E07000026 Allerdale, E07000028 Carlisle, E07000029 Copeland on 2023-04-01: merged" in text
    assert "geographies: lad_2023 to _2026, utla_2023 to _2026" in text


def test_boundary_change_of_barnsley_is_described_with_the_unknown(places: Places) -> None:
    text = lineage_text(places, "E08000016")
    assert "became: E08000038 Barnsley on 2025-04-01: new code after a boundary change" in text
    assert "the same day as E08000019 Sheffield; no stored table has the land and the dwellings that moved" in text
    reach = trace_changes(places.changes, ["E08000038"], {"E08000016"})["E08000038"]
    assert (reach.codes, reach.derivation) == (("E08000016",), "moved_land")


def test_split_trust_lists_both_successors_and_no_earlier_mergers(places: Places) -> None:
    text = lineage_text(places, "RW6")
    assert "R0A Manchester University NHS Foundation Trust, RM3 Northern Care Alliance" in text
    assert "on 2021-10-01: split among them" in text and "together with" not in text


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("RW6", "geographies: trust_2011 to _2020"),
        # Travel to work areas of 2011 came into use in 2015; those of 2001 were used before.
        ("E30000023", "geographies: ttwa_2012 to _2014"),
        ("E30000180", "geographies: ttwa_2011, ttwa_2015 to _2024"),
        ("TLC1", "within: TLC North East (England), England"),
        ("UKN10", "within: UKN0 Northern Ireland, UKN Northern Ireland, Northern Ireland"),
        ("E07000026", "within: E10000006 Cumbria, North West, England"),
        ("TLL", "contains: itl2: TLL3 TLL3, TLL4 TLL4, TLL5 TLL5"),
        # State on its last day of use.
        (
            "E10000006",
            "contains: lad: E07000026 Allerdale, E07000027 Barrow-in-Furness, E07000028 Carlisle, E07000029 Co",
        ),
        (
            "E92000001",
            "contains: region: E12000001 North East, E12000002 North West, E12000003 Yorkshire and The Humber",
        ),
        ("E92000001", "contains: trust: "),
    ],
)
def test_description_states_geographies_and_larger_areas(places: Places, code: str, line: str) -> None:
    assert line in lineage_text(places, code)


def test_boundary_changes_of_fife_and_perth_are_not_mergers(places: Places) -> None:
    target = set(require_places(places.register, "lad_2023")["place_code"])
    actual = trace_changes(places.changes, ["S12000015", "S12000024"], target)
    assert [actual[code].codes for code in ("S12000015", "S12000024")] == [("S12000047",), ("S12000048",)]
    assert {reach.derivation for reach in actual.values()} == {"moved_land"}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("allerdale", "E07000026"),
        ("Bristol", "E06000023"),
        ("Bristol, City of", "E06000023"),
        ("Ynys Môn", "W06000001"),
        ("ynys mon", "W06000001"),
        ("e06000063", "E06000063"),
        ("Shepway", "E07000112"),
        ("North Down & Ards", "N09000011"),
    ],
)
def test_areas_are_found_by_any_of_their_names(places: Places, name: str, code: str) -> None:
    assert code in find_codes(places, name)


def test_district_comes_before_a_parish_and_a_code_in_use_before_a_former_one(places: Places) -> None:
    merton = find_codes(places, "Merton")
    assert merton[0] == "E09000024" and merton[-1].startswith("E04") and len(merton) > 2
    bucks = find_codes(places, "Buckinghamshire")
    assert bucks[:2] == ["E06000060", "E10000002"] and len(bucks) == len(set(bucks))


def test_former_and_welsh_names_are_matched(places: Places) -> None:
    source = load_catalogue(ROOT).sources["dwp_uc_households"]
    names = load_codes(source, places, Path("none.csv")).names
    assert names[fold_name("Shepway")] == names[fold_name("Folkestone & Hythe")] == "E07000112"
    assert names[fold_name("Ynys Mon")] == names[fold_name("Isle of Anglesey UA")] == "W06000001"
    # Dorset was also a county: a district name of 2023 refers to that district only.
    assert names[fold_name("Dorset")] == "E06000059"


def test_unknown_name_is_refused_with_close_matches(places: Places) -> None:
    with pytest.raises(UnknownNameError, match="Cumberland"):
        find_codes(places, "Cumbrland")


@pytest.mark.parametrize(
    ("system", "count"),
    [
        ("utla_2023", 218),
        ("region_2023", 9),
        ("nation_2023", 4),
        ("icb_2023", 42),
        ("sub_icb_2023", 106),
        ("pfa_2023", 45),
        ("csp_2023", 314),
        ("fra_2023", 49),
        ("combined_authority_2023", 10),
        ("health_board_2023", 21),
    ],
)
def test_geographies_have_the_published_number_of_areas(places: Places, system: str, count: int) -> None:
    assert require_places(places.register, system).height == count
    assert system.rsplit("_", 1)[0] in KIND_PREFIXES
