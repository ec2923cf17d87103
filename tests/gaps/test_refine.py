"""Places without a row: reasons from their nation, their county and the crosswalk."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.app import steps
from pipelines.gaps import answer as answering
from tests.gaps.test_cells import EVERYONE, MERTON, Case, cell_of, project_of, with_peers

SOURCE = "period_kind: year\ngeography: lad_2023\n"
CARDIFF, CAMBRIDGE, SOUTH_CAMBRIDGESHIRE, LEEDS = "W06000015", "E07000008", "E07000012", "E08000035"
CAMBRIDGESHIRE, WALES, EAST = "E10000003", "W92000004", "E12000006"


def refined_reason(place: str, lines: list[str], folder: Path, source: str = SOURCE) -> tuple[object, object]:
    cell = cell_of(Case(None, place, lines, source=source), folder)
    return cell["reason"], cell["evidence"]


def test_nation_without_any_row_is_not_covered(tmp_path: Path) -> None:
    lines = [*with_peers(), *with_peers(year=2022)]
    evidence = "no place in Wales has a row in any of the 2 stored periods; other nations have rows"
    assert refined_reason(CARDIFF, lines, tmp_path) == ("nation_not_covered", evidence)


def test_nation_with_a_row_in_any_period_is_covered(tmp_path: Path) -> None:
    lines = [*with_peers(), *with_peers(f"{CARDIFF},x,2022,3", year=2022)]
    assert refined_reason("W06000001", lines, tmp_path)[0] == "not_returned"


def test_gap_of_a_district_states_the_figure_of_its_county(tmp_path: Path) -> None:
    lines = with_peers(f"{CAMBRIDGESHIRE},Cambridgeshire,2023,77")
    evidence = "published for Cambridgeshire as a whole (77), but for none of its 5 places"
    assert refined_reason(CAMBRIDGE, lines, tmp_path) == ("coarser_only", evidence)


def test_smallest_larger_place_is_named(tmp_path: Path) -> None:
    lines = with_peers(f"{EAST},East of England,2023,500", f"{CAMBRIDGESHIRE},Cambridgeshire,2023,77")
    assert "Cambridgeshire" in str(refined_reason(CAMBRIDGE, lines, tmp_path)[1])


def test_where_a_sister_district_has_a_row_this_one_was_not_returned(tmp_path: Path) -> None:
    lines = with_peers(f"{CAMBRIDGESHIRE},Cambridgeshire,2023,77", f"{SOUTH_CAMBRIDGESHIRE},x,2023,9")
    assert refined_reason(CAMBRIDGE, lines, tmp_path)[0] == "not_returned"


def test_national_figure_alone_gives_coarser_only(tmp_path: Path) -> None:
    assert refined_reason(CARDIFF, with_peers(f"{WALES},Wales,2023,44"), tmp_path)[0] == "coarser_only"


def test_larger_area_without_a_figure_explains_no_gap(tmp_path: Path) -> None:
    lines = with_peers(f"{CAMBRIDGESHIRE},Cambridgeshire,2023,c")
    assert refined_reason(CAMBRIDGE, lines, tmp_path)[0] == "not_returned"


def test_place_without_a_source_area_has_crosswalk_loss(tmp_path: Path) -> None:
    # Northern Ireland's 26 old districts became 11 in 2015, and one of them has a row.
    lines = [*with_peers(), "95Z,x,2023,5"]
    project = project_of(Case(None, MERTON, lines, source="period_kind: year\ngeography: lad_2014\n"), tmp_path)
    steps.prepare_store(project)
    cells = answering.answer_problem(project, "a_problem").filter(pl.col("place_code").str.starts_with("N"))
    assert set(cells["reason"]) <= {"membership_not_loaded", "nation_not_covered"}
    assert cells.height == 11


def test_places_with_a_row_do_not_change(tmp_path: Path) -> None:
    assert refined_reason(EVERYONE[0], with_peers(f"{EVERYONE[0]},x,2023,z"), tmp_path)[0] == "not_applicable"
    assert refined_reason(LEEDS, with_peers(f"{LEEDS},x,2023,c"), tmp_path / "hidden")[0] == "suppressed"


def test_row_of_a_longer_period_explains_its_months(tmp_path: Path) -> None:
    source = "period_kind: [year, span]\ngeography: lad_2023\n"
    lines = [line for line in with_peers(f"{LEEDS},Leeds,2022 to 2024,90") if not line.startswith(f"{LEEDS},x")]
    evidence = "published for January 2022 to December 2024 (90), for a longer period"
    assert refined_reason(LEEDS, lines, tmp_path / "longer", source) == ("coarser_period", evidence)
    absent = [line for line in lines if not line.startswith(LEEDS)]
    assert refined_reason(LEEDS, absent, tmp_path / "absent", source)[0] == "not_returned"


@pytest.mark.parametrize(("expected", "reason"), [("seen", "outside_source"), ("every", "not_returned")])
def test_place_that_no_file_has_is_outside_a_source_of_seen_places(tmp_path: Path, expected: str, reason: str) -> None:
    source = f"{SOURCE}returns: {{providers: councils, expected: {expected}}}\n"
    lines = [line for year in (2022, 2023) for line in with_peers(year=year) if not line.startswith(LEEDS)]
    assert refined_reason(LEEDS, lines, tmp_path / "never", source)[0] == reason
    once = [*lines, f"{LEEDS},Leeds,2022,4"]
    assert refined_reason(LEEDS, once, tmp_path / "once", source)[0] == "not_returned"
