"""Sites of NHS trusts and Scottish hospitals: lists added by a user, their larger areas and successors."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from pipelines.app import steps
from pipelines.app.acquire import add_release
from pipelines.app.places import describe_places
from pipelines.core.errors import FetchError, UnknownNameError
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.geography.crosswalk import build_crosswalk
from pipelines.geography.load import load_place_data
from tests.starter.test_published import PUBLISHED, pytestmark

published = pytestmark
del pytestmark
ROOT = Path(__file__).resolve().parent.parent.parent
DAY, LIST_OF_2024 = date(2018, 9, 30), date(2024, 3, 31)


def line(code: str, name: str, opened: str, closed: str = "", trust: str = "") -> str:
    """Build a row of the Organisation Data Service: 27 fields without headings."""
    fields = [code, name, *[""] * 8, opened, closed, "", "", trust, *[""] * 12]
    return ",".join(f'"{field}"' for field in fields)


SITES = "\n".join([
    line("RDZ", "A TRUST IN THE SAME LIST", "19930401"),
    line("RDZ01", "ROYAL BOURNEMOUTH GENERAL HOSPITAL", "19910401"),
    line("RDZ99", "CLOSED CLINIC", "20000401", "20170331"),
    line("RJ701", "ST GEORGE'S HOSPITAL", "19930401"),
    line("W9K4E", "A SITE WITH A CODE OF THE NEW KIND", "20180101", trust="RJ7"),
    line("RW601", "FAIRFIELD GENERAL HOSPITAL", "20020401"),
    line("QQQ01", "SITE OF NO TRUST THAT IS HELD", "20160401"),
])  # fmt: skip
CHANGES = "old_code,new_code,date\nRDZ01,W9K4E,2021-06-01\nFAB12,FCD34,2021-06-01\nRJ7,RDZ,2021-06-01\n"
HOSPITALS = """scotland_hospital24_code,scotland_hospital24_name,hb19_code,hb19_name
A013G,Crosshouse AMU (Maternity),S08000015,Ayrshire and Arran
S001X,The State Hospital,SB0808,The State Hospital
"""


def empty_project(folder: Path) -> Project:
    project = Project(load_catalogue(ROOT), folder / "store", date(2026, 11, 24))
    steps.prepare_store(project)
    return project


def add(project: Project, name: str, text: str, folder: Path) -> None:
    file, day = folder / f"{name}.csv", LIST_OF_2024 if name == "phs_hospitals" else DAY
    file.write_text(text, encoding="utf-8")
    add_release(project, name, file, day, Console(quiet=True))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("sites")
    made = empty_project(folder)
    for name, text in (("nhs_trust_sites", SITES), ("nhs_site_changes", CHANGES), ("phs_hospitals", HOSPITALS)):
        add(made, name, text, folder)
    return made


def map_codes(project: Project, start: str, end: str) -> dict[str, tuple[str | None, str]]:
    crosswalk = build_crosswalk(load_place_data(project, load_places(project)), start, end)
    return {code: (to, kind) for code, to, kind in crosswalk.select("from_code", "to_code", "kind").iter_rows()}


def test_site_has_its_trust_and_the_trusts_successor(project: Project) -> None:
    assert map_codes(project, "site_2018", "trust_2018") == {
        "RDZ01": ("RDZ", "aggregated"),
        "RJ701": ("RJ7", "aggregated"),
        "W9K4E": ("RJ7", "aggregated"),
        "RW601": ("RW6", "aggregated"),
        "QQQ01": (None, "lost"),
    }
    later = map_codes(project, "site_2018", "trust_2022")
    assert later["RDZ01"] == ("R0D", "aggregated")  # Bournemouth's trust merged into Dorset's
    assert later["RW601"] == (None, "lost")  # its trust was split between two, and the list names neither


def test_closed_site_is_in_use_in_its_own_years_only(project: Project) -> None:
    assert "RDZ99" in map_codes(project, "site_2016", "trust_2018")
    assert "RDZ99" not in map_codes(project, "site_2018", "trust_2018")


def test_description_of_a_site_states_trust_years_and_successor(project: Project) -> None:
    description = "\n".join(f"{heading}: {text}" for heading, text in describe_places(project, ["RDZ01"]))
    assert "place: RDZ01 ROYAL BOURNEMOUTH GENERAL HOSPITAL (site), in use from 1991-04-01 on" in description
    assert "within: RDZ " in description and description.splitlines()[1].endswith("England")
    assert "geographies: site_2011 to _2018" in description
    assert "became: W9K4E A SITE WITH A CODE OF THE NEW KIND on 2021-06-01: new code, unchanged area" in description


def test_successors_of_other_organisations_are_excluded(project: Project) -> None:
    changes = load_places(project).changes
    assert changes.filter(pl.col("from_code") == "FAB12").is_empty()
    assert changes.filter((pl.col("from_code") == "RJ7") & (pl.col("to_code") == "RDZ")).is_empty()


def test_scottish_hospitals_are_in_health_boards_but_not_special_boards(project: Project) -> None:
    actual = map_codes(project, "site_2024", "health_board_2024")
    assert (actual["A013G"], actual["S001X"]) == (("S08000015", "aggregated"), (None, "lost"))
    assert map_codes(project, "site_2024", "nation_2023")["S001X"] == ("S92000003", "aggregated")


def test_list_with_another_layout_is_refused_and_not_stored(project: Project, tmp_path: Path) -> None:
    for text, words in (
        (HOSPITALS, "found rows of 4 fields, expected 27"),
        (SITES.replace("19910401", "April 91"), "found 'April 91' in OPER_DATE, expected a day such as 2023-04-01"),
    ):
        before = load_places(project).register.height
        with pytest.raises(FetchError, match=words):
            add(project, "nhs_trust_sites", text, tmp_path)
        assert load_places(project).register.height == before


def test_cyclic_list_of_successors_is_refused(project: Project, tmp_path: Path) -> None:
    circle = CHANGES + "RJ701,RJ702,2020-01-01\nRJ702,RJ701,2021-01-01\n"
    with pytest.raises(FetchError, match=r"found RJ70[12] as its own successor"):
        add(project, "nhs_site_changes", circle, tmp_path)


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ("site_2018", "commonground add nhs_trust_sites FILE"),
        ("itl3_2021", "the Office for National Statistics publishes it"),
        ("oa_2021", "commonground add ons_output_areas FILE"),
        ("jobcentre_2017", "stored for 2015 and 2016, those of Greater Manchester for 2018"),
    ],
)
def test_missing_geography_names_its_data_owner(system: str, words: str, edition: Project) -> None:
    with pytest.raises(UnknownNameError, match=words):
        map_codes(edition, system, "trust_2018")


@published
def test_every_published_site_has_a_trust_or_is_an_exception(tmp_path: Path) -> None:
    folder = PUBLISHED / "geo" / "nhs"
    made = empty_project(tmp_path)
    for name, file in (
        ("nhs_trust_sites", "ods_etrust_2018_trusts_and_sites_noheader.csv.gz"),
        ("nhs_site_changes", "ods_successor_codes.csv.gz"),
        ("phs_hospitals", "scotland_hospitals_2024.csv"),
    ):
        add_release(made, name, folder / file, DAY, Console(quiet=True))
    register = load_places(made).register
    assert register.filter(pl.col("kind") == "site").height == 29_721 + 309
    actual = map_codes(made, "site_2017", "trust_2020")
    assert len(actual) > 28_000
    # RER is in no stored list of trusts.
    assert {code for code, (to, _) in actual.items() if to is None} == {"RERRK"}
