"""The command `places`: predecessors, parents, overlaps, small areas and postcodes of a place."""

from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.app.acquire import add_release
from pipelines.app.places import describe_places
from pipelines.core.errors import FetchError, UnknownNameError
from pipelines.declarations.project import Project
from pipelines.geography.hierarchy import is_postcode

ROOT = Path(__file__).resolve().parent.parent.parent
POSTCODES = """postcode,ward_code,msoa_code,lsoa_code,la_code
M33 2AB,E05015254,E02001273,E01006160,E08000009
M33 2AD,E05015254,E02001273,E01006161,E08000009
M33 3AA,E05015240,E02001273,E01006160,E08000009
M3 3AA,E05015240,E02001273,E01006160,E08000009
"""


@pytest.fixture(scope="module")
def project(edition: Project) -> Project:
    return edition


def list_lines(project: Project, *names: str) -> list[str]:
    return [f"{heading}: {text}" for heading, text in describe_places(project, list(names))]


def test_district_shows_predecessors_small_areas_and_overlaps(project: Project) -> None:
    lines = list_lines(project, "Cumberland")
    assert any(line.startswith("was: E07000026 Allerdale, E07000028 Carlisle, E07000029 Copeland") for line in lines)
    assert "contains: lsoa_2021: 177 areas" in lines
    assert "contains: lad_2021: E07000028 Carlisle 40.3%, E07000026 Allerdale 35.2%, E07000029 Copeland 24.5%" in lines
    assert "within: pfa_2024: E23000002 Cumbria" in lines
    (boards,) = [line for line in lines if line.startswith("overlaps: icb_2022")]
    assert "E54000050" in boards and "96.9%" in boards and "E54000048" in boards and "3.1%" in boards


def test_place_outside_the_register_is_described_by_small_areas(project: Project) -> None:
    lines = list_lines(project, "e01003371")
    assert lines[0] == "geographies: lsoa_2011, lsoa_2021 (ons_small_areas)"
    assert "within: lad_2024: E09000024 Merton" in lines


def test_trust_shows_the_distribution_of_its_patients(project: Project) -> None:
    lines = list_lines(project, "RVR")
    assert lines[0].startswith("place: RVR Epsom and St Helier University Hospitals NHS Trust (trust)")
    (line,) = [line for line in lines if line.startswith("shares")]
    assert (
        line.startswith("shares: in lad_2019: E09000029 Sutton 37.6%") and "where those admitted in 2019 went" in line
    )


@pytest.mark.parametrize("text", ["South London Partnership", "south_london", "partnership-south-london"])
def test_partnership_shows_its_members_and_problems(project: Project, text: str) -> None:
    lines = list_lines(project, text)
    assert lines[0].startswith("place: partnership-south-london South London Partnership (")
    assert lines[1] == "member: E09000008 Croydon" and len([line for line in lines if "member: " in line]) == 5
    assert "problem: jobs_south_london" in lines
    assert any(line.startswith("reference: https://southlondonpartnership.co.uk/") for line in lines)


def test_unknown_place_fails_with_similar_names(project: Project) -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean .*Cheshire"):
        list_lines(project, "Nowhereshire")


def test_postcode_outside_all_tables_is_unknown(project: Project) -> None:
    first, second = list_lines(project, "M33")
    assert first == "postcode: M33 is unknown; stored tables: nhs_border_postcodes"
    assert second.startswith("not stored: a postcode directory of the whole country")


def test_postcodes_are_described_by_added_tables(project: Project, tmp_path: Path) -> None:
    mine, file = project._replace(home=tmp_path / "store"), tmp_path / "postcodes.csv"
    file.write_text(POSTCODES)
    add_release(mine, "ons_postcodes_trafford", file, date(2025, 2, 1), Console())
    lines = list_lines(mine, "M33")
    assert lines[0] == "postcode: M33: 3 rows of ons_postcodes_trafford, 2025-02-01"
    assert "within: lad_2024: E08000009 Trafford" in lines
    assert "within: lsoa_2021: E01006160 66.7%, E01006161 33.3%" in lines
    assert lines[-1].startswith("not stored: a postcode directory of the whole country")
    for start, rows in {"M": 4, "M3": 1, "M33 2": 2, "m33 2ab": 1, "M332AB": 1}.items():
        assert list_lines(mine, start)[0] == f"postcode: {start}: {rows} rows of ons_postcodes_trafford, 2025-02-01"
    assert (
        list_lines(mine, "SW1A")[0]
        == "postcode: SW1A is unknown; stored tables: nhs_border_postcodes, ons_postcodes_trafford"
    )
    # Postcodes do not affect apportionment: the parents of a place stay the same.
    assert list_lines(mine, "Merton") == list_lines(project, "Merton")


def test_postcode_table_with_a_code_of_another_day_is_refused(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "postcodes.csv"
    file.write_text(POSTCODES.replace("E08000009", "E07000026"))
    with pytest.raises(FetchError, match=r"E07000026 \(Allerdale"):
        add_release(
            project._replace(home=tmp_path / "store"), "ons_postcodes_trafford", file, date(2025, 2, 1), Console()
        )


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("M", True), ("M33", True), ("m33 2", True), ("SW1A 2AA", True), ("SW1A2AA", True), ("E07000026", False),
     ("Merton", False), ("RVR", False), ("", False), ("M33 22AB", False)],
)  # fmt: skip
def test_postcodes_are_recognised_by_pattern(text: str, is_one: bool) -> None:
    assert is_postcode(text) == is_one
