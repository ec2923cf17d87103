"""Situations met in public about codes of places: each small input has the answer its folder states."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.app import steps
from pipelines.core.errors import UnknownNameError
from pipelines.core.snapshots import Snapshot
from pipelines.core.store import hash_bytes
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps.answer import answer_problem
from pipelines.geography.access import load_geography, load_places
from pipelines.geography.register import require_places
from pipelines.observations.access import load_source_tables, scan_observations
from pipelines.observations.intake import inspect_file
from tests.command import ROOT
from tests.small import places_only

CASES = ROOT.parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"the public cases are not at {CASES}")

BOARDS = CASES / "01-icb-april-2026"
ABOUT = "title: t\npublisher: A publisher\nlicence: l\npage: https://example.org\n"
SOURCES = {
    "waiting": (BOARDS / "icb_full_2026-05.csv", "icb_2024", "icb_code", "icb_name", "month", "waiting", "month"),
    "waiting_new": (BOARDS / "icb_waiting_2026-05.csv", "icb_2026", "icb_code", "icb_name", "month", "waiting",
                    "month"),
    "starts": (CASES / "03-combined-authorities-2025" / "starts.csv", "lad_2024", "lad_code", "lad_name", "year",
               "starts", "year"),
    "units": (CASES / "06-ward-code-reused" / "lad_swapped.csv", "lad_2025", "code", "name", "year", "units", "year"),
    "turnout": (CASES / "06-ward-code-reused" / "wards_valid.csv", "ward_2019", "ward_code", "ward_name", "year",
                "turnout", "year"),
    "score": (CASES / "08-malformed-codes" / "wards_2018.csv", "ward_2018", "code", "name", "year", "score", "year"),
    "cases": (CASES / "16-name-drift-and-band" / "cases.csv", "lad_2019", "AreaCode", "Area", "Date", "TotalCases",
              "day"),
}  # fmt: skip
PROBLEMS = {
    "boards": ("icb_2024", "waiting", "month", "2026-05"),
    "boards_of_2026": ("icb_2026", "waiting_new", "month", "2026-05"),
    "cases_of_both": ("lad_2019", "cases", "latest", ""),
    "authorities": ("combined_authority_2024", "starts", "year", "2024"),
    "authorities_of_2026": ("combined_authority_2026", "starts", "year", "2024"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Declare the inputs as sources beside the bundled places, with a problem for each question."""
    folder = tmp_path_factory.mktemp("cases")
    root = places_only(folder)
    for name, (path, system, code, label, period, column, kind) in SOURCES.items():
        (root / "sources" / "starter" / path.name).write_bytes(path.read_bytes())
        (root / "sources" / f"{name}.yaml").write_text(
            f"{ABOUT}geography: {system}\ncadence: once\nperiod_kind: {kind}\n"
            f"columns: {{place: {code}, label: {label}, period: {period}}}\n"
            f"releases: [{{file: starter/{path.name}, released: 2026-06-11}}]\n"
            f"measures: {{{name}: {{title: {name}, unit: things, kind: count, column: {column}}}}}\n"
        )
    for name, (system, measure, grain, period) in PROBLEMS.items():
        rows, key = ("place_period", "place_code, period_start") if period else ("place", "place_code")
        when = f"periods: {{start: '{period}', end: '{period}'}}\n" if period else ""
        need = "{}" if period else "{max_age: 10 years}"
        (root / "pipelines" / "problems" / f"{name}.sql").write_text(
            f"/*\nquestion: q\ndecision: d\nowner: o\ngeography: {system}\ngrain: {grain}\n"
            f"{when}needs: {{{measure}: {need}}}\n*/\n"
            f"select {key}, {measure}.value as n\nfrom {system}.{rows} join {system}.{measure} using ({key})\n"
        )
    project = Project(load_catalogue(root), folder / "store", date(2026, 11, 24))
    steps.prepare_store(project)
    return project


def answers(project: Project, problem: str) -> dict[str, tuple[float | None, str | None]]:
    cells = answer_problem(project, problem)
    return {code: (value, reason) for code, value, reason in cells.select("place_code", "value", "reason").iter_rows()}


def findings(project: Project, source: str, reason: str) -> dict[str, str]:
    table = load_source_tables(project, source).finding.filter(pl.col("reason") == reason)
    return dict(table.select("place_code", "evidence").iter_rows())


def messages(project: Project, source: str) -> list[str]:
    path: Path = SOURCES[source][0]
    content = path.read_bytes()
    snapshot = Snapshot(source, hash_bytes(content), date(2026, 6, 11), "", "", "test", path.name, len(content), "")
    return inspect_file(project, content, snapshot)


@pytest.mark.parametrize("system", ["icb_2027", "icb_2099"])
def test_register_of_boards_states_its_reach(project: Project, system: str) -> None:
    with pytest.raises(UnknownNameError, match=r"the register knows icb up to April 2026; the newest is icb_2026"):
        require_places(load_places(project).register, system)
    with pytest.raises(UnknownNameError, match=r"up to April 2026"):
        load_geography(project, system)


def test_board_of_april_2026_has_its_figure_and_the_ended_board_is_not_asked(project: Project) -> None:
    given = answers(project, "boards_of_2026")
    assert given["E54000066"] == (3390.0, None)
    assert given["E54000065"] == (None, "not_returned")
    assert "E54000026" not in given and len(given) == 36


def test_ended_board_no_longer_existed_and_the_new_code_states_its_first_day(project: Project) -> None:
    given = answers(project, "boards")
    assert given["E54000026"] == (None, "not_existing")
    assert given["E54000008"] == (1000.0, None)
    assert findings(project, "waiting", "retired_code") == {
        "E54000066": "E54000066: a code of another vintage than icb_2024, in use from 1 April 2026"
    }


def test_east_midlands_is_the_sum_of_its_seventeen_districts(project: Project) -> None:
    given = answers(project, "authorities")
    districts = pl.read_csv(SOURCES["starts"][0])
    east_midlands = districts.filter(~pl.col("lad_code").is_in(["E06000057", "E08000021", "E08000037"]))["starts"]
    assert east_midlands.len() == 17
    assert given["E47000013"] == (float(east_midlands.sum()), None)
    assert given["E47000014"] == (None, "children_incomplete")


def test_authorities_of_2025_and_2026_are_present(project: Project) -> None:
    given = answers(project, "authorities_of_2026")
    assert len(given) == 19 and given["E47000013"] == answers(project, "authorities")["E47000013"]
    assert {f"E470000{number}" for number in range(15, 19)} <= set(given)
    register = require_places(load_places(project).register, "combined_authority_2026")
    without_code = register.filter(pl.col("place_code").str.starts_with("UKSI"))["place_name"].to_list()
    assert sorted(without_code) == [
        "Cheshire and Warrington", "Cumbria", "Hampshire and the Solent", "Sussex and Brighton"
    ]  # fmt: skip


def test_code_with_the_name_of_another_place_is_set_aside(project: Project) -> None:
    evidence = findings(project, "units", "label_contradicts_code")
    assert evidence == {
        "E06000063": "E06000063: Westmorland and Furness is the name of E06000064",
        "E06000064": "E06000064: Cumberland is the name of E06000063",
        "E08000038": "E08000038: Sheffield is the name of E08000039",
        "E08000039": "E08000039: Barnsley is the name of E08000038",
    }
    aside = load_source_tables(project, "units").set_aside
    assert set(aside["place_code"]) == set(evidence)


def test_ward_code_with_the_name_of_the_next_ward_is_set_aside(project: Project) -> None:
    assert findings(project, "turnout", "label_contradicts_code") == {
        "E05012199": "E05012199: Sharoe Green is the name of E05012208",
        "E05012208": "E05012208: Ribbleton is the name of E05012206",
    }


def test_malformed_codes_are_named_with_the_code_meant(project: Project) -> None:
    text = "\n".join(messages(project, "score"))
    assert "found 'E050009319'" in text and "perhaps E05009319 Bow East" in text
    assert "found 'e05009318'" in text and "perhaps E05009318 Blackwall & Cubitt Town" in text
    assert "found 'E05OO9322'" in text and "perhaps E05009322 Bromley South" in text
    assert "E05009323" not in text


def test_label_of_two_places_makes_a_combined_area_from_its_first_day(project: Project) -> None:
    seen = scan_observations(project, "cases").filter(pl.col("period_start") <= date(2020, 3, 7)).collect()
    figures = {
        (code, day.day): (value, lower, upper)
        for code, day, value, lower, upper in seen.select(
            pl.col("place_code").cast(pl.String), "period_start", "value", "lower_bound", "upper_bound"
        ).iter_rows()
    }
    assert figures == {
        ("E09000012", 5): (0.0, 0.0, 0.0),
        ("E09000012+E09000001", 7): (2.0, 2.0, 2.0),
        ("E06000052", 5): (None, 1.0, 4.0),
        ("E06000052+E06000053", 7): (2.0, 2.0, 2.0),
        ("E09000002", 5): (None, 1.0, 4.0),
        ("E09000002", 7): (5.0, 5.0, 5.0),
    }


def test_places_of_a_combined_label_have_no_figure_of_their_own(project: Project) -> None:
    given = answers(project, "cases_of_both")
    assert {given[code][1] for code in ("E09000012", "E09000001", "E06000052", "E06000053")} == {"combined_area"}
    assert given["E09000002"] == (6.0, None)
