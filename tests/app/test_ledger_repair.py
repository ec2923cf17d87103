"""Repair of the gap ledger: removal of builds, a clock ahead of time, and drafts of declarations."""

import io
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from pipelines.app import steps
from pipelines.app.build import build_problems
from pipelines.app.ledger_repair import list_builds, remove_recorded_builds
from pipelines.core.clock import current_date
from pipelines.core.errors import BuildDateError, UnknownNameError, UnreadableError
from pipelines.core.schema import table_from_records
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project, build_date
from pipelines.gaps.answer import answer_problem
from pipelines.gaps.ledger import (
    SPELL,
    Ledger,
    add_build,
    describe_last_build,
    empty_ledger,
    remove_builds,
    summarise_changes,
)
from pipelines.gaps.ledger_load import ledger_path, read_ledger, update_ledger, write_ledger
from pipelines.observations.access import load_source_tables
from tests.breadth import wide
from tests.command import run
from tests.gaps.test_cells import MERTON, Case, project_of, with_peers
from tests.gaps.test_ledger import DAY, cells, ledger_by_place, story
from tests.small import small_project

AHEAD = date(9998, 1, 1)
BUILDS = [
    cells(a="late", b="late", c=None, d="not_due", e="late"),
    cells(a=None, b="stale", c="late", d="late", e="late"),
    cells(a="late", b="stale", c="withdrawn", d=None),
    cells(a=None, b=None, c="withdrawn", d="late", e="stale"),
]


def plain(ledger: Ledger) -> list[dict[str, Any]]:
    """Return spells without build numbers, which do not change when a build is removed."""
    return ledger.spells.drop("opened_build", "closed_build", "changed_build").to_dicts()


@pytest.mark.parametrize("gone", [{1}, {2}, {3}, {4}, {1, 2}, {2, 3}, {1, 4}, {3, 4}, {1, 2, 3, 4}], ids=str)
def test_ledger_without_a_build_equals_a_ledger_never_built(gone: set[int]) -> None:
    left = empty_ledger()
    for number, (day, build) in enumerate(zip(DAY, BUILDS, strict=False), start=1):
        if number not in gone:
            left = add_build(left, build, day, str(day))
    mended = remove_builds(story(*BUILDS), gone)
    # A gap first requested in a later build is the same gap. Its dates come from the remaining builds.
    told_now, told_then = ([{**row, "closure_reason": None} for row in plain(item)] for item in (mended, left))
    assert told_now == told_then
    assert mended.builds.drop("build").equals(left.builds.drop("build"))
    assert len(mended.notes) == mended.builds.height == 4 - len(gone)


def test_removing_a_build_removes_its_openings_and_undoes_its_closings() -> None:
    ledger = remove_builds(story(cells(a="late", b=None), cells(a=None, b="late")), {2})
    assert {place: gap["state"] for place, gap in ledger_by_place(ledger).items()} == {"a": "open"}
    assert ledger_by_place(ledger)["a"]["last_seen"] == DAY[0]
    assert describe_last_build(ledger) == f"recorded since the build of {DAY[0]}: 1 open"


def build_of(said: str, files: str = "f") -> dict[str, tuple[str, str]]:
    return {"m": (said, files)}


def drafted(*builds: tuple[pl.DataFrame, dict[str, tuple[str, str]]]) -> Ledger:
    ledger = empty_ledger()
    for day, (item, declared) in zip(DAY, builds, strict=False):
        ledger = add_build(ledger, item, day, str(day), declared)
    return ledger


def test_errors_of_a_first_draft_leave_no_trace() -> None:
    wrong, right = cells(a="unreadable", b="unreadable"), cells(a=None, b="suppressed")
    ledger = drafted((wrong, build_of("1")), (wrong, build_of("1")), (right, build_of("2")))
    gaps = ledger_by_place(ledger)
    assert set(gaps) == {"b"}
    assert [gaps["b"][name] for name in ("reason", "previous_reason", "first_seen")] == ["suppressed", None, DAY[0]]
    assert ledger.builds["open"].to_list() == [1, 1, 1] and ledger.builds["closed"].sum() == 0
    assert summarise_changes(ledger).is_empty()


def test_corrected_declaration_leaves_no_trace_of_the_error() -> None:
    right, wrong = cells(a=None, b="late", c="stale"), cells(a="unreadable", b="unreadable", c="stale")
    ledger = drafted((right, build_of("1")), (wrong, build_of("2")), (right, build_of("1")))
    assert {place: gap["reason"] for place, gap in ledger_by_place(ledger).items()} == {"b": "late", "c": "stale"}
    assert ledger.sightings.height > ledger.sightings_without_drafts.height
    assert (
        ledger_by_place(ledger)["b"]["previous_reason"] is None and ledger_by_place(ledger)["b"]["first_seen"] == DAY[0]
    )
    assert ledger.builds.select("opened", "closed", "changed").rows() == [(2, 0, 0), (0, 0, 0), (0, 0, 0)]


def test_gap_from_a_file_stays_when_a_declaration_closes_it() -> None:
    sound, broken = cells(a=None), cells(a="unreadable")
    ledger = drafted((sound, build_of("1")), (broken, build_of("1", "g")), (sound, build_of("2", "g")))
    gap = ledger_by_place(ledger)["a"]
    assert [gap[name] for name in ("state", "closure_reason", "first_seen")] == ["closed", "declared_otherwise", DAY[1]]


def test_gap_from_a_day_stays_when_a_declaration_closes_it() -> None:
    ledger = drafted((cells(a=None), build_of("1")), (cells(a="late"), build_of("1")), (cells(a=None), build_of("2")))
    assert ledger_by_place(ledger)["a"]["closure_reason"] == "declared_otherwise"


def test_file_that_closes_a_gap_is_the_recorded_cause() -> None:
    ledger = drafted((cells(a="late"), build_of("1")), (cells(a=None), build_of("2", "g")))
    assert ledger_by_place(ledger)["a"]["closure_reason"] == "answered"


def test_request_of_a_single_day_is_a_draft() -> None:
    ledger = add_build(story(cells(a="late")), cells(a="late", b="late"), DAY[1], "x")
    same_day = add_build(ledger, cells(c=None), DAY[1], "y")
    assert {place: gap["closure_reason"] for place, gap in ledger_by_place(same_day).items()} == {
        "a": "no_longer_asked"
    }


def test_ledger_without_a_version_is_read_and_continued(tmp_path: Path) -> None:
    spells = [
        {"gap_id": "p/m/a/latest", "reason": "late", "previous_reason": "not_due", "reason_since": DAY[1],
         "opened": DAY[0], "last_seen": DAY[2], "opened_build": 1, "changed_build": 2},
        {"gap_id": "p/m/b/latest", "reason": "late", "reason_since": DAY[0], "opened": DAY[0], "last_seen": DAY[0],
         "closed": DAY[1], "closure_reason": "answered", "opened_build": 1, "closed_build": 2},
        {"gap_id": "p/m/b/latest", "reason": "stale", "reason_since": DAY[2], "opened": DAY[2], "last_seen": DAY[2],
         "opened_build": 3},
    ]  # fmt: skip
    plain_text = {"problem": "p", "need": "needed", "measure": "m", "data_owner": "h"}
    before = table_from_records(
        [{**plain_text, "place_code": item["gap_id"].split("/")[2], **item} for item in spells], SPELL
    )  # type: ignore[attr-defined]
    counts = {"problem": "p", "asked": 2, "known": 0, "open": 2, "opened": 0, "reopened": 0, "closed": 0, "changed": 0}
    builds = [{**counts, "build": number, "day": DAY[number - 1].isoformat()} for number in (1, 2, 3)]
    path = ledger_path(tmp_path, "p")
    path.parent.mkdir()
    footer = {"commonground_key": "k", "commonground_builds": json.dumps(builds), "commonground_contents": "c"}
    before.write_parquet(path, metadata=footer)
    ledger = read_ledger(tmp_path, "p")
    assert ledger.spells.equals(before)
    write_ledger(tmp_path, "p", add_build(ledger, cells(a=None, b="stale"), DAY[3], "d"), "k")
    assert ledger_by_place(read_ledger(tmp_path, "p"))["a"]["closed"] == DAY[3]
    assert ledger_by_place(read_ledger(tmp_path, "p"))["b"]["reopened"] == 1


@pytest.mark.parametrize("change", ["figures", "builds", "version"])
def test_manually_changed_ledger_is_not_read(tmp_path: Path, change: str) -> None:
    write_ledger(tmp_path, "p", story(cells(a="late")), "k")
    path = ledger_path(tmp_path, "p")
    table, footer = pl.read_parquet(path), pl.read_parquet_metadata(path)
    footer = {name: text for name, text in footer.items() if name.startswith("commonground")}
    if change == "figures":
        table = table.with_columns(pl.lit("stale").alias("reason"))
    elif change == "builds":
        footer["commonground_builds"] = footer["commonground_builds"].replace('"asked": 1', '"asked": 2')
    else:
        footer["commonground_ledger"] = "6"
    table.write_parquet(path, metadata=footer)
    with pytest.raises(UnreadableError, match="found version 6" if change == "version" else "checksum"):
        read_ledger(tmp_path, "p")


@pytest.fixture
def tiny(tmp_path: Path) -> Project:
    """Return an unbuilt project with two problems about one small source."""
    made = project_of(Case(None, MERTON, with_peers(f"{MERTON},x,2023,7")), tmp_path)
    problems = made.catalogue.root / "pipelines" / "problems"
    text = (problems / "a_problem.sql").read_text(encoding="utf-8")
    (problems / "b_problem.sql").write_text(text.replace("question: q", "question: r"), encoding="utf-8")
    return Project(load_catalogue(made.catalogue.root), made.home, current_date())


@wide
def test_clock_ahead_is_reported_and_repaired(tiny: Project) -> None:
    project = tiny
    assert build_problems(project._replace(as_of=AHEAD), [], Console(quiet=True)) == []
    for _ in range(2):
        faults = build_problems(project, [], Console(quiet=True))
        assert len(faults) == 1 and f"commonground ledger --remove-build {AHEAD}" in faults[0], faults
    assert list_builds(project, None).select("problem", "day", "note").rows() == [
        ("a_problem", AHEAD, "in the future"), ("b_problem", AHEAD, "in the future"),
    ]  # fmt: skip
    path = ledger_path(project.home, "a_problem")
    before, said = path.read_bytes(), Console(file=io.StringIO(), width=300)
    remove_recorded_builds(project, None, str(AHEAD), said, done=False)
    assert path.read_bytes() == before and "Nothing has changed" in said.file.getvalue()  # type: ignore[attr-defined]
    remove_recorded_builds(project, None, str(AHEAD), said, done=True)
    assert [item.read_bytes() for item in path.parent.glob("a_problem.*.bak")] == [before]
    text = io.StringIO()
    assert build_problems(project, [], Console(file=text, width=300)) == []
    assert "first build of 2 problems" in text.getvalue()
    assert list_builds(project, "a_problem").select("build", "day", "note").rows() == [(1, current_date(), "")]
    again = io.StringIO()
    assert build_problems(project, [], Console(file=again, width=300)) == []
    assert "first build" not in again.getvalue() and f"recorded since the build of {current_date()}" in again.getvalue()
    earlier = io.StringIO()
    assert build_problems(project._replace(as_of=date(2026, 1, 31)), [], Console(file=earlier, width=300)) == []
    assert f"not recorded for 2 problems: a build as of {current_date()}" in earlier.getvalue()
    assert "first build" not in earlier.getvalue()


@pytest.mark.parametrize("asked", ["2020-01-01", f"{AHEAD}/7", "tomorrow", "2020-13-01"])
def test_unrecorded_build_cannot_be_removed(tmp_path: Path, asked: str) -> None:
    home = tmp_path / "store"
    write_ledger(home, "p", story(cells(a="late")), "k")
    project = Project(load_catalogue(small_project(tmp_path)), home, current_date())
    before = ledger_path(home, "p").read_bytes()
    with pytest.raises(UnknownNameError, match="remove-build"):
        remove_recorded_builds(project, "p", asked, Console(quiet=True), done=True)
    assert ledger_path(home, "p").read_bytes() == before


def test_record_before_a_future_build_fails_and_writes_nothing(tmp_path: Path) -> None:
    project = Project(load_catalogue(small_project(tmp_path)), tmp_path / "store", current_date())
    ahead = add_build(empty_ledger(), cells(a="late"), AHEAD, "x")
    write_ledger(project.home, "jobs_recovery", ahead, "k")
    before = ledger_path(project.home, "jobs_recovery").read_bytes()
    with pytest.raises(UnreadableError, match="the clock was ahead"):
        update_ledger(project, "jobs_recovery", cells(a="late"))
    assert ledger_path(project.home, "jobs_recovery").read_bytes() == before


def test_future_day_is_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = small_project(tmp_path)
    for command in ("build", "scenario"):
        words = [command, *(["surrey_2027"] if command == "scenario" else []), "--as-of", str(AHEAD)]
        done = run(*words, store=tmp_path / "store", project=root)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "in the future" in done.stderr
    assert not (tmp_path / "store").exists()
    for set_to in (str(AHEAD), "yesterday"):
        monkeypatch.setenv("COMMONGROUND_AS_OF", set_to)
        with pytest.raises(BuildDateError, match=re.escape("COMMONGROUND_AS_OF: found")):
            build_date()


def test_command_lists_builds_and_removes_one(tmp_path: Path) -> None:
    root, home = small_project(tmp_path), tmp_path / "store"
    write_ledger(home, "jobs_recovery", story(cells(a="late"), cells(b="late")), "k")
    listed = run("ledger", "--format", "json", store=home, project=root)
    assert [row["build"] for row in json.loads(listed.stdout)] == [1, 2], listed.stderr
    shown = run("ledger", "jobs_recovery", "--remove-build", f"{DAY[1]}/2", store=home, project=root)
    assert shown.returncode == 0 and "would remove build 2" in shown.stdout and "--yes" in shown.stdout
    done = run("ledger", "jobs_recovery", "--remove-build", f"{DAY[1]}/2", "--yes", store=home, project=root)
    assert done.returncode == 0 and "1 open gaps removed, 1 reopened" in done.stdout, done.stdout + done.stderr
    assert read_ledger(home, "jobs_recovery").builds["build"].to_list() == [1]
    assert run("ledger", "jobs_recovry", store=home, project=root).returncode == 2
    assert run("ledger", "--yes", store=home, project=root).returncode == 2
    assert len(list((home / "ledger").glob("*.bak"))) == 1


@wide
def test_typo_in_a_declaration_leaves_no_trace(small: Project) -> None:
    root, home = small.catalogue.root, small.home
    path = root / "sources" / "hmrc_furlough.yaml"
    right = path.read_text()

    def built(text: str, day: date) -> Ledger:
        path.write_text(text)
        project = Project(load_catalogue(root), home, day)
        steps.prepare_store(project)
        load_source_tables(project, "hmrc_furlough")
        update_ledger(project, "jobs_recovery", answer_problem(project, "jobs_recovery"))
        return read_ledger(home, "jobs_recovery")

    wrong = right.replace("column: Furlough rate", "column: Furlough rats")
    assert wrong != right
    first, day = built(right, date(2026, 11, 24)), date(2026, 11, 25)
    typo = built(wrong, day)
    assert typo.builds["opened"].to_list()[-1] > 300
    mended = built(right, day)
    assert mended.builds["closed"].sum() == 0 and mended.spells.filter(pl.col("closed").is_not_null()).is_empty()
    assert set(mended.spells["gap_id"]) == set(first.spells["gap_id"])
    assert mended.spells.select("reason", "opened").equals(first.spells.select("reason", "opened"))
