"""Geographies of every kind: from the register or from tables, for sources and for problems."""

import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import yaml

from pipelines.app import steps
from pipelines.core.errors import UnknownNameError
from pipelines.core.geocodes import KIND_PREFIXES, geography_date, gss_code_kind, is_pseudo_code, nation_letter
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.gaps import answer as answering
from pipelines.geography.access import load_geography, load_places
from pipelines.geography.register import find_successors, trace_changes
from pipelines.observations.conform import conform_release
from pipelines.observations.ingest import load_codes
from pipelines.readers.read import read_sheet
from tests.breadth import cases

ROOT = Path(__file__).resolve().parent.parent.parent

PLACES_IN = {
    "lad_2011": 406, "lad_2023": 361, "utla_2021": 217, "county_2020": 33, "region_2023": 9, "nation_2023": 4,
    "combined_authority_2024": 11, "pfa_2023": 45, "csp_2023": 314, "fra_2023": 49, "ccg_2021": 106,
    "sub_icb_2022": 106, "stp_2021": 42, "icb_2022": 42, "nhs_region_2022": 7, "health_board_2019": 21,
    "ttwa_2011": 228, "pcon_2010": 650, "pcon_2024": 650, "itl1_2021": 12, "itl2_2021": 41, "nuts1_2018": 12,
    "nuts2_2018": 41, "nuts3_2018": 179, "ward_2024": 8396, "lsoa_2011": 42619, "lsoa_2021": 35672, "msoa_2021": 7264,
    "trust_2020": 217, "jobcentre_2018": 26, "jobcentre_2016": 708, "jobcentre_2015": 713, "border_practice_2022": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def project(edition: Project) -> Project:
    return edition


@pytest.mark.parametrize(("system", "count"), PLACES_IN.items())
def test_geography_has_each_of_its_areas_once(project: Project, system: str, count: int) -> None:
    places = load_geography(project, system).places
    assert places.height == places["place_code"].n_unique() == count
    assert places["place_name"].null_count() == 0
    # Six travel to work areas are in two nations each.
    assert places["nation"].null_count() == (6 if system == "ttwa_2011" else 0)


def test_small_areas_are_in_the_region_of_their_district(project: Project) -> None:
    places = load_geography(project, "lsoa_2021").places
    merton = places.filter(pl.col("parent_code") == "E09000024")
    assert merton.height > 100
    assert merton["region"].unique().to_list() == ["London"]


@pytest.mark.parametrize("system", ["lad_1066", "parish_2023", "lsoa_1999"])
def test_unknown_geography_is_refused_with_the_known_kinds(project: Project, system: str) -> None:
    with pytest.raises(UnknownNameError, match="unknown geography"):
        load_geography(project, system)


def test_travel_to_work_areas_have_the_year_of_their_census() -> None:
    assert geography_date("ttwa_2011") == date(2015, 12, 31)
    assert geography_date("pcon_2010") == date(2010, 12, 31)


SOURCE = """title: t
publisher: p
licence: l
page: https://example.org
geography: {places}
columns: {{place: code}}
period: {{start: 2023-01-01, end: 2023-12-31}}
measures: {{figure: {{title: f, unit: things, kind: count, column: figure}}}}
"""


def read(project: Project, places: str, codes: list[str]) -> dict[str, tuple[str | None, str | None]]:
    """Read a file with one row for each code, as declared: code to place code and fault."""
    source = Source.model_validate(yaml.safe_load(SOURCE.format(places=places)), strict=False)
    text = "\n".join(["code,figure", *(f"{code},1" for code in codes)]) + "\n"
    system = load_geography(project, places)
    known = load_codes(source, load_places(project), Path("none.csv"), system)
    snapshot = Snapshot("s", "sha", date(2024, 1, 1), "", "", "", "f.csv", len(text), "")
    cells = conform_release(read_sheet(text.encode(), source, "f.csv"), "s", source, snapshot, known)
    rows = cells.sort("file_row").select("place_code", "fault").rows()
    return dict(zip(codes, rows, strict=True))


@pytest.mark.parametrize(
    ("places", "own", "other_tier", "other_time"),
    [
        ("lad_2023", "E09000024", "E12000007", "E07000026"),
        ("utla_2021", "E10000003", "E07000012", "E10000002"),
        ("region_2023", "E12000007", "E09000024", None),
        ("pfa_2023", "E23000001", "E09000024", "S23000001"),
        ("icb_2022", "E54000008", "E38000006", "E54000063"),
        ("ccg_2021", "E38000006", "E54000008", "E38000001"),
        ("pcon_2024", "E14001063", "E09000024", "E14000530"),
        ("ward_2024", "E05000932", "E09000024", "E05000026"),
        ("ttwa_2011", "E30000004", "E09000024", "E30000001"),
        ("lsoa_2021", "E01000001", "E02000001", "95AA01S1"),
        ("trust_2020", "RJ7", "E09000024", "RD3"),
        ("itl2_2021", "TLC1", "UKC1", None),
    ],
)
def test_codes_of_other_tiers_are_totals_and_of_other_years_retired(
    project: Project, places: str, own: str, other_tier: str, other_time: str | None
) -> None:
    codes = [own, other_tier, "S99999999", "E99999999", "nowhere", *([other_time] if other_time else [])]
    actual = read(project, places, codes)
    assert actual[own] == (own, None)
    assert actual[other_tier] == (other_tier, "total")
    assert actual["S99999999"] == actual["E99999999"] == (None, "unallocated")
    assert actual["nowhere"] == ("nowhere", "unmatched_place")
    if other_time:
        assert actual[other_time] == (other_time, "retired_code")


def test_unused_code_with_a_valid_prefix_is_unknown(project: Project) -> None:
    actual = read(project, "trust_2020", ["RJ7", "RZZ", "E07999999"])
    assert actual == {
        "RJ7": ("RJ7", None),
        "RZZ": ("RZZ", "unmatched_place"),
        # The code belongs to a district, which is another tier.
        "E07999999": ("E07999999", "total"),
    }
    assert read(project, "lad_2023", ["E07999999"]) == {"E07999999": ("E07999999", "unmatched_place")}


@pytest.mark.parametrize("code", ["N99999999", "W99999999", "S99999999", "M99999999", "E99999999", "X..", "X25011111"])
def test_pseudo_codes_are_recognised(code: str) -> None:
    assert is_pseudo_code(code)


@pytest.mark.parametrize("code", ["E09000024", "X2C4Y", "RJ7", "99999999", "E9999999", ""])
def test_other_codes_are_no_pseudo_codes(code: str) -> None:
    assert not is_pseudo_code(code)


@pytest.mark.parametrize(
    ("code", "letter"),
    [("E09000024", "E"), ("95AA01S1", "N"), ("TLL1", "W"), ("UKM5", "S"), ("UKN", "N"), ("TLC1", "E"), ("RJ7", ""),
     ("K02000001", ""), ("NT3", ""), ("WA1 1AA", "")],
)  # fmt: skip
def test_nation_letter_of_a_code_is_found(code: str, letter: str) -> None:
    assert nation_letter(code) == letter


def test_no_code_with_an_area_prefix_is_a_pseudo_code() -> None:
    assert (gss_code_kind("E09"), gss_code_kind("E090000240"), gss_code_kind("E09000024")) == (None, None, "lad")
    assert all(len(prefix) == 3 for prefixes in KIND_PREFIXES.values() for prefix in prefixes)


def test_merged_trusts_have_their_successor(project: Project) -> None:
    places = load_places(project)
    target = set(load_geography(project, "trust_2020").places["place_code"])
    actual = trace_changes(places.changes, ["RD3", "RDZ", "RC1", "RC9"], target)
    assert {code: (*reach.codes, reach.derivation) for code, reach in actual.items()} == {
        "RD3": ("R0D", "merged"),
        "RDZ": ("R0D", "merged"),
        "RC1": ("RC9", "merged"),
        "RC9": ("RC9", "observed"),
    }
    # Pennine Acute was split between two trusts in 2021.
    later = set(load_geography(project, "trust_2022").places["place_code"])
    assert set(trace_changes(places.changes, ["RW6"], later)["RW6"].codes) == {"R0A", "RM3"}


def test_ward_of_a_former_district_is_matched_to_its_successor(project: Project) -> None:
    places = load_places(project)
    wards = places.register.filter(pl.col("kind") == "ward", pl.col("parent_code") == "E07000026")
    assert wards.height > 20
    target = set(load_geography(project, "lad_2023").places["place_code"])
    actual = find_successors(places, wards["place_code"].to_list(), target)
    assert {(reach.codes, reach.derivation) for reach in actual.values()} == {(("E06000063",), "aggregated")}


def test_boards_with_new_codes_and_old_names_are_matched(project: Project) -> None:
    changes = load_places(project).changes
    actual = trace_changes(changes, ["E54000052", "E54000053"], {"E54000063", "E54000064"})
    assert {code: (*reach.codes, reach.derivation) for code, reach in actual.items()} == {
        "E54000052": ("E54000063", "moved_land"),
        "E54000053": ("E54000064", "moved_land"),
    }


PROBLEM = """/*
question: q
decision: d
owner: o
geography: {system}
grain: latest
needs: {{claimant_rate: {{max_age: 20 years}}}}
*/
select place.place_code, claimant_rate.value as claimant_rate
from {system}.place join {system}.claimant_rate using (place_code)
"""


ASKED = ["trust_2020", "pfa_2023", "utla_2021", "icb_2022", "pcon_2024", "itl2_2021"]


@pytest.fixture(scope="module")
def asking(own_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with one problem in each of these geographies, and the tables of all sources."""
    root = tmp_path_factory.mktemp("asking") / "project"
    shutil.copytree(ROOT / "sources", root / "sources")
    problems = root / "pipelines" / "problems"
    problems.mkdir(parents=True)
    for system in ASKED:
        (problems / f"in_{system}.sql").write_text(PROBLEM.format(system=system), encoding="utf-8")
    project = Project(load_catalogue(root), own_store, date(2026, 11, 24))
    steps.prepare_store(project)
    return project


@pytest.mark.parametrize("system", cases(["trust_2020", "icb_2022", "pcon_2024"], wide=ASKED))
def test_problem_may_have_any_geography(system: str, asking: Project) -> None:
    cells = answering.answer_problem(asking, f"in_{system}")
    assert cells.height == PLACES_IN[system]
    # Every cell is a value or a gap with a reason.
    assert cells.filter(pl.col("value").is_null() == pl.col("reason").is_null()).is_empty()
