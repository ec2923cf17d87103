"""Plans of new councils on a few drawn districts and small areas: refusals, new places, changes and shares."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.core.errors import DeclarationError, UnknownNameError
from pipelines.core.schema import CODE_CHANGE_COLUMNS, PLACE_COLUMNS, table_from_records
from pipelines.geography.crosswalk import PlaceData
from pipelines.geography.register import Places
from pipelines.geography.reorganisation import Scenario, add_scenario, read_scenario
from pipelines.geography.small_areas import Areas

COUNTY, ELM, OAK, ASH, FAR = "E10000030", "E07000001", "E07000002", "E07000003", "E07000004"
PATH = Path("plan.yaml")


def place(code: str, name: str, parent: str | None, first: str = "2009-04-01", kind: str = "lad") -> dict[str, Any]:
    return {
        "place_code": code, "place_name": name, "place_name_welsh": f"{name} in Welsh", "kind": kind,
        "nation": "England", "parent_code": parent, "region_code": f"region of {name}", "region": "South East",
        "valid_from": date.fromisoformat(first), "known_up_to": date(2024, 12, 31),
    }  # fmt: skip


GONE = place("E07000009", "Old", COUNTY) | {"valid_to": date(2015, 3, 31)}
REGISTER = table_from_records(
    [place(COUNTY, "Surrey", None, kind="county"), place(FAR, "Far", "E10000001"), place(ELM, "Elm", COUNTY),
     place(OAK, "Oak", COUNTY, "2012-04-01"), place(ASH, "Ash", COUNTY), GONE], PLACE_COLUMNS,
)  # fmt: skip
AREAS = Areas(
    "areas", date(2024, 1, 1), "", ("lad_2023", "ward_2024", "zone_2021"), frozenset(), (),
    pl.DataFrame(
        [*((f"a{n}", ELM, f"W{n}", f"Z{n // 2}") for n in range(1, 9)), ("b1", OAK, "WO1", "Z9"),
         ("b2", OAK, "WO2", "Z9"), ("c1", ASH, "WA", None), ("f1", FAR, "WF", "ZF"), ("n1", None, "WN", None)],
        {"area_code": pl.String, "lad_2023": pl.String, "ward_2024": pl.String, "zone_2021": pl.String}, orient="row",
    ),
)  # fmt: skip
OTHERS = AREAS._replace(source="others", systems=("lad_2023",), table=AREAS.table.select("area_code", "lad_2023"))
CHANGES = table_from_records([], CODE_CHANGE_COLUMNS)
DATA = PlaceData(Places(REGISTER, CHANGES), (OTHERS, AREAS))
WHOLE = (
    {"code": "PLAN-A", "name": "East", "districts": [ELM]}, {"code": "PLAN-B", "name": "West", "districts": [OAK, ASH]},
)  # fmt: skip


def plan(*councils: dict[str, Any], **said: Any) -> Scenario:
    about = {"title": "Two", "plan": "https://example.org/plan", "day": date(2027, 4, 1), "geography": "lad_2023",
             "replaces": COUNTY}  # fmt: skip
    return Scenario.model_validate({**about, "new": list(councils or WHOLE), **said}, strict=False)


def add(scenario: Scenario, data: PlaceData = DATA) -> PlaceData:
    return add_scenario(data, scenario, PATH)


def refusal(scenario: Scenario, data: PlaceData = DATA) -> str:
    with pytest.raises(DeclarationError) as raised:
        add(scenario, data)
    return str(raised.value)


def council(code: str, **said: Any) -> dict[str, Any]:
    return {"code": code, "name": code, **said}


def parts(first: list[str], second: list[str], system: str = "ward_2024") -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide Elm between two councils, with Oak to the first and Ash to the second."""
    return tuple(  # type: ignore[return-value]
        {"code": code, "name": code, "districts": [own], "parts": [{"geography": system, "codes": codes}]}
        for code, own, codes in (("PLAN-A", OAK, first), ("PLAN-B", ASH, second))
    )


WARDS = [f"W{n}" for n in range(1, 9)]


def test_new_councils_are_places_in_the_larger_areas_of_their_districts() -> None:
    added = add(plan())
    new = added.places.register.filter(pl.col("kind") == "lad", pl.col("place_code").str.starts_with("PLAN")).to_dicts()
    assert [row["place_name"] for row in new] == ["East", "West"]
    for row in new:
        own = {name: row[name] for name in ("nation", "region_code", "parent_code", "place_name_welsh", "valid_from")}
        # Regions are those of the first replaced district in the register, which is not the first of all.
        assert own == {"nation": "England", "region_code": "region of Elm", "parent_code": None,
                       "place_name_welsh": None, "valid_from": date(2027, 4, 1)}  # fmt: skip
        assert row["valid_to"] is None
    assert added.places.register.height == REGISTER.height + 2 and added.shares == ()
    assert [item.systems for item in added.areas] == [item.systems for item in DATA.areas]


def test_district_that_becomes_a_council_alone_is_recoded_and_others_are_merged() -> None:
    changes = add(plan()).places.changes
    assert changes.select("from_code", "to_code", "kind", "changed_on", "authority").rows() == [
        (ELM, "PLAN-A", "recoded", date(2027, 4, 1), "Scenario: Two"),
        (OAK, "PLAN-B", "merged", date(2027, 4, 1), "Scenario: Two"),
        (ASH, "PLAN-B", "merged", date(2027, 4, 1), "Scenario: Two"),
    ]  # fmt: skip
    shared = plan({**WHOLE[0], "shares": {ASH: 0.5}}, {"code": "PLAN-B", "name": "W", "districts": [OAK],
                                                       "shares": {ASH: 0.5}})  # fmt: skip
    assert add(shared).places.changes["kind"].to_list() == ["merged", "merged"]


def test_one_district_can_be_replaced_alone() -> None:
    added = add(plan({"code": "PLAN-A", "name": "New Elm", "districts": [ELM]}, replaces=ELM))
    assert added.places.changes.select("from_code", "to_code", "kind").rows() == [(ELM, "PLAN-A", "recoded")]
    assert "found no districts of E10000099" in refusal(plan(replaces="E10000099"))


def test_parts_give_each_small_area_its_council() -> None:
    added = add(plan(*parts(WARDS[:3], WARDS[3:])))
    areas = added.areas[1]
    assert areas.systems == (*AREAS.systems, "plan_2027") and added.areas[0] is OTHERS
    council = dict(areas.table.select("area_code", "plan_2027").iter_rows())
    assert council == {
        **{f"a{n}": "PLAN-A" if n <= 3 else "PLAN-B" for n in range(1, 9)}, "b1": "PLAN-A", "b2": "PLAN-A",
        "c1": "PLAN-B", "f1": None, "n1": None,
    }  # fmt: skip
    assert added.places.changes.select("from_code", "to_code", "kind").rows() == [
        (OAK, "PLAN-A", "merged"), (ASH, "PLAN-B", "merged")
    ]  # fmt: skip


def test_shares_are_added_as_declared() -> None:
    added = add(plan({**WHOLE[0], "shares": {OAK: 0.25}},
                     {"code": "PLAN-B", "name": "W", "districts": [ASH], "shares": {OAK: 0.75}}))  # fmt: skip
    (shares,) = added.shares
    assert shares.table.rows() == [(OAK, "PLAN-A", 0.25), (OAK, "PLAN-B", 0.75)]
    assert (shares.from_system, shares.to_system, shares.day) == ("lad_2023", "plan_2027", date(2027, 4, 1))
    assert shares.description == "shares declared by https://example.org/plan"


@pytest.mark.parametrize(
    ("shares", "fault"),
    [
        ((0.25, 0.75 + 0.9e-6), None), ((0.25, 0.75 + 1.1e-6), "E07000002 Oak sum to 1, expected 1"),
        ((0.25, 0.7), "the shares of E07000002 Oak sum to 0.95, expected 1"),
        ((0.0, 1.0), "E07000002 Oak has the share 0.0, expected more than 0 and less than 1"),
        ((1.0, 0.5), "E07000002 Oak has the share 1.0"), ((1e-9, 1 - 1e-9), None), ((-0.5, 1.5), "the share -0.5"),
    ],
)  # fmt: skip
def test_shares_are_of_a_part_and_sum_to_one(shares: tuple[float, float], fault: str | None) -> None:
    oaks = ({**WHOLE[0], "shares": {OAK: shares[0]}}, council("PLAN-B", shares={OAK: shares[1]}))
    scenario = plan(*oaks, council("PLAN-C", shares={ASH: 0.5}), council("PLAN-D", shares={ASH: 0.5}))
    if fault is None:
        assert add(scenario).shares[0].table.height == 4
    else:
        assert fault in refusal(scenario)


@pytest.mark.parametrize(
    ("councils", "fault"),
    [
        ([council("PLAN-A", districts=[ELM]), council("PLAN-A", districts=[OAK, ASH])],
         "found the code PLAN-A for two councils, expected different codes"),
        ([council("PLAN-A", districts=[ELM, OAK, ASH]), council("PLAN-B")],
         "PLAN-B has no districts; declare them under districts, parts or shares"),
        ([council("PLAN-A", districts=[ELM]), council("PLAN-B", districts=[OAK])],
         "E07000003 Ash is omitted; assign every district of E10000030"),
        ([council("PLAN-A", districts=[ELM, OAK]), council("PLAN-B", districts=[OAK, ASH])],
         "E07000002 Oak is in two councils; assign it to one, or divide it by one method"),
        ([council("PLAN-A", districts=[ELM, OAK]), council("PLAN-B", districts=[ASH], shares={OAK: 0.5}),
          council("PLAN-C", shares={OAK: 0.5})], "E07000002 Oak is in two councils"),
        ([council("PLAN-A", districts=[ELM, FAR]), council("PLAN-B", districts=[OAK, ASH])],
         "E07000004 Far is not a district of E10000030"),
        ([council("PLAN-A", districts=[ELM, "E07000009"]), council("PLAN-B", districts=[OAK, ASH])],
         "E07000009 is not in lad_2023; it is E07000009 (Old, a lad code in use from"),
        ([council("PLAN-A", districts=[ELM, "E07000019"]), council("PLAN-B", districts=[OAK, ASH])],
         "E07000019 is not in lad_2023; did you mean E0700000"),
        ([council("PLAN-A", districts=[ELM, OAK, ASH]), council("PLAN-B", districts=["PLAN-A"])],
         "PLAN-B takes over PLAN-A, which is a new council; declare its districts"),
        ([council("PLAN-A", districts=["PLAN-B"]), council("PLAN-B", shares={"PLAN-A": 0.5})],
         "PLAN-A takes over PLAN-B takes over PLAN-A: found a cycle, expected districts"),
        ([council("PLAN-A", districts=["PLAN-A"])], "PLAN-A takes over PLAN-A: found a cycle"),
        ([council("PLAN-A", districts=["PLAN-B"]), council("PLAN-B", districts=["PLAN-C"]),
          council("PLAN-C", districts=["PLAN-B"])],
         "PLAN-A takes over PLAN-B takes over PLAN-C takes over PLAN-B: found a cycle"),
        ([council("PLAN-A", districts=[ELM], shares={OAK: 0.5, ASH: 0.5}),
          council("PLAN-C", shares={OAK: 0.5, ASH: 0.5}),
          council("PLAN-B", parts=[{"geography": "ward_2024", "codes": ["WO1"]}])],
         "found districts divided by parts and by shares, expected one method for all districts"),
    ],
)  # fmt: skip
def test_districts_go_to_one_council_each(councils: list[dict[str, Any]], fault: str) -> None:
    message = refusal(plan(*councils))
    assert fault in message and message.startswith("plan.yaml: "), message


@pytest.mark.parametrize(
    ("councils", "fault"),
    [
        (parts(WARDS[:3], WARDS[4:]), "W4 of E07000001 Elm omitted; assign every part of a divided district"),
        (parts(WARDS[:1], WARDS[6:]), "W2, W3, W4, W5, W6 of E07000001 Elm omitted"),
        (parts(WARDS[:1], WARDS[7:]), "W2, W3, W4, W5, W6 and 1 more of E07000001 Elm omitted"),
        (parts(WARDS[:3], WARDS[2:]), "found W3 twice, expected each part of a district in one council"),
        (parts(["W1", "W2", "W2", "W3", "W3", "W3"], WARDS[3:]), "found W2 twice"),
        (parts(WARDS[:3], [*WARDS[3:], "W99"]), "W99 is not in ward_2024; choices: W1, W2"),
        (parts(WARDS[:3], [*WARDS[3:], "Z1", "W98"]), "Z1 is not in ward_2024; it is a code of zone_2021"),
        (parts(WARDS[:3], [*WARDS[3:], "WF"]), "WF is in E07000004 Far, expected a part of E10000030"),
        (parts(WARDS[:3], [*WARDS[3:], "WN"]), "WN is in no district, expected a part of E10000030"),
        (parts(WARDS[:3], WARDS[3:], "ward_1999"),
         "parts: found no stored small areas by ward_1999; did you mean ward_2024"),
        (parts(WARDS, ["WO1", "WO2"]), "E07000002 Oak is in two councils"),
    ],
)  # fmt: skip
def test_every_part_of_a_divided_district_goes_to_one_council(councils: tuple[dict[str, Any], ...], fault: str) -> None:
    message = refusal(plan(*councils))
    assert fault in message, message


def test_part_that_is_found_twice_is_the_first_of_its_own_list() -> None:
    """An area that an earlier council has is named by the part of the later one."""
    zones = council("PLAN-B", districts=[ASH], parts=[{"geography": "zone_2021", "codes": ["Z2", "Z3", "Z4"]}])
    assert "found Z2 twice" in refusal(plan(parts(WARDS[:5], WARDS)[0], zones))


def test_parts_of_two_geographies_need_a_table_with_both() -> None:
    east = council("PLAN-A", districts=[OAK], parts=[{"geography": "zone_2021", "codes": ["Z0", "Z1"]}])
    west = council("PLAN-B", districts=[ASH], parts=[{"geography": "ward_2024", "codes": WARDS[3:]}])
    council_of = dict(add(plan(east, west)).areas[1].table.select("area_code", "plan_2027").iter_rows())
    assert [council_of[f"a{n}"] for n in range(1, 9)] == ["PLAN-A"] * 3 + ["PLAN-B"] * 5
    narrow = AREAS._replace(systems=("lad_2023", "ward_2024"))
    assert "found no stored small areas by ward_2024 and zone_2021" in refusal(
        plan(east, west), DATA._replace(areas=(narrow,))
    )
    apart = AREAS._replace(systems=("ward_2024", "zone_2021"))
    assert "found no stored small areas by" in refusal(plan(east, west), DATA._replace(areas=(apart,)))


@pytest.mark.parametrize(("day", "is_refused"), [("2012-04-02", True), ("2012-04-01", True), ("2012-04-03", False)])
def test_plan_starts_after_every_district_has_been_in_use_for_a_day(day: str, is_refused: bool) -> None:
    """Oak, which is not the last of the register, starts on 1 April 2012."""
    register = REGISTER.filter(pl.col("place_code") != "E07000009")
    data = PlaceData(Places(register, CHANGES))
    scenario = plan(day=date.fromisoformat(day))
    if is_refused:
        assert f"day {day} is not after the start of the districts of lad_2023" in refusal(scenario, data)
    else:
        assert add(scenario, data).places.changes.height == 3


@pytest.mark.parametrize("code", ["E06000063", "PLAN-", "PLAN-a", "PLAN-" + "A" * 41, "xPLAN-A"])
def test_code_of_a_new_council_says_that_it_is_a_plan(code: str) -> None:
    with pytest.raises(ValueError, match="the code of a new council starts with PLAN-"):
        plan(council(code, districts=[ELM]))
    assert plan(council("PLAN-" + "A" * 40, districts=[ELM])).new[0].code == "PLAN-" + "A" * 40


def test_plan_needs_a_council_and_parts_need_a_code() -> None:
    with pytest.raises(ValueError, match="new"):
        plan(new=[])
    with pytest.raises(ValueError, match="codes"):
        plan(*parts([], WARDS))
    assert plan(council("PLAN-A", districts=[ELM])).new[0].districts == (ELM,)


def test_plan_is_read_by_name_or_path(tmp_path: Path) -> None:
    folder = tmp_path / "pipelines" / "scenarios"
    folder.mkdir(parents=True)
    text = (
        "title: One\nplan: https://example.org\nday: 2027-04-01\ngeography: lad_2023\nreplaces: E10000030\n"
        "new:\n  - {code: PLAN-A, name: A, districts: [E07000001], parts: [{geography: ward_2024, codes: [W1]}]}\n"
    )
    for path in (folder / "mine.yaml", tmp_path / "own.yml"):
        path.write_text(text)
    by_name, path = read_scenario(tmp_path, "mine")
    assert path == folder / "mine.yaml"
    assert by_name.new[0].parts[0].codes == ("W1",) and by_name.system == "plan_2027"
    assert read_scenario(tmp_path, str(tmp_path / "own.yml")) == (by_name, tmp_path / "own.yml")
    for name in ("min", str(tmp_path / "none.yaml")):
        with pytest.raises(UnknownNameError, match=r"unknown scenario .*; give the path of a \.yaml file, or a name"):
            read_scenario(tmp_path, name)
