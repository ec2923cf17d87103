"""A store of version 0.1: one message, its snapshots and ledger remain, and all tables are rebuilt."""

import json
import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.app.earlier_store import RENEWAL_NOTICE, renew_store
from pipelines.core.errors import CommongroundError, UnreadableError
from pipelines.core.layout import is_earlier_layout, read_layout
from pipelines.core.renames import COLUMNS, REASONS
from pipelines.core.snapshots import read_log
from pipelines.core.store import LAYOUT_VERSION, layout_path, load_or_build_table, state_path, table_key
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps.ledger_load import ledger_path, load_gaps, read_ledger, write_ledger
from pipelines.gaps.sightings import SIGHTING
from tests.breadth import wide
from tests.command import run
from tests.small import small_project

STORE = Path(__file__).with_name("store_of_0_1.zip")
"""A build of jobs_south_london on day FIRST, by the version before layouts, without files that can be rebuilt."""
LAYOUT_2 = Path(__file__).with_name("store_of_layout_2.zip")
"""A store of layout 2: ledger, cells and verdicts of jobs_south_london after three builds, and the spells it gave."""
FIRST = date(2026, 11, 1)
PROBLEM = "jobs_south_london"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with zipfile.ZipFile(STORE) as packed:
        packed.extractall(tmp_path / "store")
    return tmp_path / "store"


@wide
def test_earlier_store_is_upgraded_with_one_message(home: Path, tmp_path: Path) -> None:
    project = small_project(tmp_path)
    log = (home / "snapshots" / "log.jsonl").read_bytes()
    before = {kind: table_key(state_path(home, kind, PROBLEM)) for kind in ("cell", "verdict", "report")}
    (home / "out" / "my notes.csv").write_text("mine", encoding="utf-8")

    first = run("build", PROBLEM, store=home, project=project)
    second = run("build", PROBLEM, store=home, project=project)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stderr.count(RENEWAL_NOTICE) == 1
    assert RENEWAL_NOTICE not in first.stdout + second.stdout + second.stderr
    assert log and (home / "snapshots" / "log.jsonl").read_bytes().startswith(log)
    after = {kind: table_key(state_path(home, kind, PROBLEM)) for kind in before}
    assert all(before.values()) and all(after.values()) and not set(before.values()) & set(after.values())
    ledger = read_ledger(home, PROBLEM)
    assert ledger.builds["day"].to_list()[0] == FIRST and ledger.builds.height == 2
    result = load_gaps(Project(load_catalogue(project), home, date(2026, 11, 24)), PROBLEM)
    still_open = result.filter(pl.col("closed").is_null(), pl.col("measure") == "vacancies")
    assert still_open.height > 100 and set(still_open["opened"]) == {FIRST}
    assert (home / "out" / "my notes.csv").read_text(encoding="utf-8") == "mine"
    tables = [f"{PROBLEM}.{part}csv" for part in ("", "map.", "partnerships.", "trend.")]
    assert sorted(path.name for path in (home / "out").glob(f"{PROBLEM}*.csv")) == tables


def test_upgrade_removes_only_tables_of_the_project(home: Path) -> None:
    mine = home / "state" / "cell" / "mine.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(mine)
    kept = {path: path.read_bytes() for folder in ("snapshots", "ledger") for path in (home / folder).iterdir()}
    assert is_earlier_layout(home)
    assert renew_store(home) == RENEWAL_NOTICE
    assert [path for path in (home / "state").rglob("*") if path.is_file()] == [mine]
    assert kept and {path: path.read_bytes() for path in kept} == kept
    assert read_layout(home) == LAYOUT_VERSION and renew_store(home) == ""


def test_store_of_a_later_version_is_refused_and_unchanged(home: Path) -> None:
    layout_path(home).write_text(json.dumps({"layout": LAYOUT_VERSION + 1}), encoding="utf-8")
    there = sorted(home.rglob("*"))
    with pytest.raises(
        CommongroundError, match=rf"found layout {LAYOUT_VERSION + 1}, expected at most {LAYOUT_VERSION}"
    ):
        renew_store(home)
    refused = run("snapshots", store=home)
    assert refused.returncode == 1 and f"found layout {LAYOUT_VERSION + 1}" in refused.stderr
    assert len(read_log(home)) > 10 and sorted(home.rglob("*")) == there


def test_damaged_layout_file_is_reported(home: Path) -> None:
    layout_path(home).write_text("2", encoding="utf-8")
    with pytest.raises(UnreadableError, match=r"layout\.json: found no layout"):
        read_layout(home)


def test_ledger_of_layout_2_keeps_its_history_under_the_new_names(tmp_path: Path) -> None:
    with zipfile.ZipFile(LAYOUT_2) as packed:
        packed.extractall(tmp_path)
    ledger_bytes = ledger_path(tmp_path, PROBLEM).read_bytes()
    assert read_layout(tmp_path) == 2 and renew_store(tmp_path) == RENEWAL_NOTICE
    assert not list((tmp_path / "state").rglob("*.parquet")) and read_layout(tmp_path) == LAYOUT_VERSION
    assert ledger_path(tmp_path, PROBLEM).read_bytes() == ledger_bytes

    ledger = read_ledger(tmp_path, PROBLEM)
    before = pl.read_parquet(tmp_path / "spells.parquet").rename(COLUMNS["gap_ledger"], strict=False)
    renamed = {old: reasons[0] for old, reasons in REASONS.items()}
    assert set(before["reason"]) & set(renamed)
    assert_frame_equal(ledger.spells, before.with_columns(pl.col("reason", "previous_reason").replace(renamed)))
    assert ledger.builds["closed"].to_list() == [0, 312, 0] and ledger.builds["reopened"].to_list() == [0, 0, 312]
    write_ledger(tmp_path, PROBLEM, ledger, "key")
    again = read_ledger(tmp_path, PROBLEM)
    assert_frame_equal(again.sightings, ledger.sightings)
    assert_frame_equal(again.spells, ledger.spells)
    assert pl.read_parquet_schema(ledger_path(tmp_path, PROBLEM)).names() == list(SIGHTING)


def test_ledger_of_layout_2_that_was_changed_by_hand_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(LAYOUT_2) as packed:
        packed.extractall(tmp_path)
    path = ledger_path(tmp_path, PROBLEM)
    footer = {name: text for name, text in pl.read_parquet_metadata(path).items() if name.startswith("commonground")}
    pl.read_parquet(path).with_columns(pl.lit("me").alias("holder")).write_parquet(path, metadata=footer)
    with pytest.raises(UnreadableError, match="checksum"):
        read_ledger(tmp_path, PROBLEM)


def test_new_store_has_its_layout_before_its_first_table(tmp_path: Path) -> None:
    load_or_build_table(tmp_path, "cell", "a", "key", lambda: pl.DataFrame({"a": [1]}))
    assert not is_earlier_layout(tmp_path) and renew_store(tmp_path) == ""
    assert state_path(tmp_path, "cell", "a").is_file()
