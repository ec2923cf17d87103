"""What became of a place, and what was it: asked of the register that travels with the project."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.core.errors import UnknownNameError
from pipelines.core.geocodes import KINDS
from pipelines.declarations.catalogue import load
from pipelines.declarations.project import Project
from pipelines.geography.access import register_places
from pipelines.geography.lineage import describe_lineage, find
from pipelines.geography.names import folded
from pipelines.geography.register import Places, reaches, system_places
from pipelines.observations.ingest import codes_for

ROOT = Path(__file__).resolve().parent.parent.parent
AS_OF = date(2026, 11, 24)


@pytest.fixture(scope="module")
def places(edition: Project) -> Places:
    return register_places(edition)


def told(places: Places, code: str) -> str:
    return "\n".join(f"{heading}: {text}" for heading, text in describe_lineage(places, code, AS_OF))


def test_what_became_of_allerdale(places: Places) -> None:
    text = told(places, "E07000026")
    assert "in use from 2009-01-01 to 2023-03-31" in text
    assert "became: E06000063 Cumberland on 2023-04-01: merged, together with E07000028 Carlisle, E07000029" in text
    assert "The Cumbria (Structural Changes) Order 2022" in text


def test_what_was_cumberland(places: Places) -> None:
    text = told(places, "E06000063")
    assert "was: E07000026 Allerdale, E07000028 Carlisle, E07000029 Copeland on 2023-04-01: merged" in text
    assert "systems: lad_2023 to _2026, utla_2023 to _2026" in text


def test_barnsleys_new_code_says_that_its_boundary_moved_with_whose_and_what_is_not_known(places: Places) -> None:
    text = told(places, "E08000016")
    assert "became: E08000038 Barnsley on 2025-04-01: new code, because its boundary moved" in text
    assert "the same day as E08000019 Sheffield; what land and whose homes moved is in no table held" in text
    reach = reaches(places.changes, ["E08000038"], {"E08000016"})["E08000038"]
    assert (reach.codes, reach.basis) == (("E08000016",), "moved_land")


def test_a_trust_that_was_split_names_both_and_not_what_merged_into_them_before(places: Places) -> None:
    text = told(places, "RW6")
    assert "R0A Manchester University NHS Foundation Trust, RM3 Northern Care Alliance" in text
    assert "on 2021-10-01: split among them" in text and "together with" not in text


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("RW6", "systems: trust_2011 to _2020"),
        # Travel to work areas of 2011 came into use in 2015: until then those of 2001 were.
        ("E30000023", "systems: ttwa_2012 to _2014"),
        ("E30000180", "systems: ttwa_2011, ttwa_2015 to _2026"),
        ("TLC1", "lies in: TLC North East (England), England"),
        ("UKN10", "lies in: UKN0 Northern Ireland, UKN Northern Ireland, Northern Ireland"),
        ("E07000026", "lies in: E10000006 Cumbria, North West, England"),
        ("TLL", "holds: itl2: TLL1 West Wales and The Valleys, TLL2 East Wales"),
        # As it was on its last day.
        ("E10000006", "holds: lad: E07000026 Allerdale, E07000027 Barrow-in-Furness, E07000028 Carlisle, E07000029 Co"),
        ("E92000001", "holds: region: E12000001 North East, E12000002 North West, E12000003 Yorkshire and The Humber"),
        ("E92000001", "holds: trust: "),
    ],
)
def test_a_place_tells_its_systems_and_what_it_lies_in(places: Places, code: str, line: str) -> None:
    assert line in told(places, code)


def test_fife_and_perth_did_not_merge(places: Places) -> None:
    target = set(system_places(places.register, "lad_2023")["place_code"])
    found = reaches(places.changes, ["S12000015", "S12000024"], target)
    assert [found[code].codes for code in ("S12000015", "S12000024")] == [("S12000047",), ("S12000048",)]
    assert {reach.basis for reach in found.values()} == {"moved_land"}


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
def test_places_are_found_by_any_of_their_names(places: Places, name: str, code: str) -> None:
    assert code in find(places, name)


def test_a_source_may_use_a_councils_former_name_or_welsh_name(places: Places) -> None:
    source = load(ROOT).sources["dwp_uc_households"]
    names = codes_for(source, places, Path("none.csv")).names
    assert names[folded("Shepway")] == names[folded("Folkestone & Hythe")] == "E07000112"
    assert names[folded("Ynys Mon")] == names[folded("Isle of Anglesey UA")] == "W06000001"
    # Dorset was a county too: the name of a district of 2023 stands for that district only.
    assert names[folded("Dorset")] == "E06000059"


def test_a_name_that_is_none_is_met_with_the_near_ones(places: Places) -> None:
    with pytest.raises(UnknownNameError, match="Cumberland"):
        find(places, "Cumbrland")


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
def test_other_place_systems_have_as_many_places_as_there_were(places: Places, system: str, count: int) -> None:
    assert system_places(places.register, system).height == count
    assert system.rsplit("_", 1)[0] in KINDS
