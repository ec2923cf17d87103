"""A build that repeats the last one: recorded for one state of every file, and no longer printed after any change."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.app import file_states
from pipelines.app.repeated_build import CommandState, describe_state
from pipelines.core.clock import clock_at
from pipelines.core.snapshots import read_snapshot, source_snapshots, store_snapshot
from pipelines.declarations.project import Project
from tests.breadth import cases, wide
from tests.command import AS_OF, run

RECORD, ANSWER = "repeated.json", "jobs_recovery"
DAY = date.fromisoformat(AS_OF)


def build(project: Project, *words: str) -> str:
    done = run("build", *words, store=project.home, project=project.catalogue.root)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def unrecorded(small: Project) -> Project:
    """A project with a built store and no record."""
    (small.home / RECORD).unlink(missing_ok=True)
    return small


@pytest.fixture
def repeated(small: Project) -> Project:
    """A project with a store that was just built."""
    build(small)
    assert (small.home / RECORD).is_file()
    return small


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("a whole build began")


@wide
def test_repeated_build_prints_the_same_without_a_look_at_tables(
    repeated: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = (repeated.home / RECORD).read_bytes()
    (repeated.home / RECORD).unlink()
    whole = build(repeated)
    assert (repeated.home / RECORD).read_bytes() == recorded
    monkeypatch.setattr("pipelines.app.cli.open_command_project", refuse)
    assert build(repeated) == whole
    assert "Nothing has changed" in whole and "jobs_recovery" in whole and "Reports  2 reports" in whole


@pytest.mark.parametrize("words", cases(["jobs_recovery"], wide=["--profile", "--no-tables", "--engine duckdb"]))
def test_build_of_less_or_more_is_a_whole_build(repeated: Project, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setattr("pipelines.app.cli.open_command_project", refuse)
    with pytest.raises(AssertionError, match="a whole build began"):
        build(repeated, *words.split())


def test_build_that_sends_notices_is_a_whole_build(repeated: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMMONGROUND_MAIL_TO", "owner@example.org")
    monkeypatch.setattr("pipelines.app.cli.open_command_project", refuse)
    with pytest.raises(AssertionError, match="a whole build began"):
        build(repeated)


def _edit_problem(project: Project) -> None:
    _append(project.catalogue.root / "pipelines" / "problems" / "jobs_recovery.sql")


def _store_release(project: Project) -> None:
    """Store the newest release again, as published on a later day."""
    last = source_snapshots(project.home, "ons_claimant_rate")[-1]
    content = read_snapshot(project.home, last.sha256)
    store_snapshot(project.home, content, last._replace(released=last.released + timedelta(days=1)))


def _lose_report(project: Project) -> None:
    (project.home / "out" / "jobs_recovery.html").unlink()


@pytest.mark.parametrize("change", [_edit_problem, _store_release, _lose_report])
def test_change_during_a_build_leaves_no_record(
    unrecorded: Project, change: Callable[[Project], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.app.build.keep_lookup", change)
    build(unrecorded)
    assert not (unrecorded.home / RECORD).exists()


def test_build_with_a_fault_leaves_no_record(unrecorded: Project) -> None:
    file = unrecorded.catalogue.root / "pipelines" / "problems" / f"{ANSWER}.sql"
    file.write_text(file.read_text("utf-8").replace("order by place.place_code", "order by nothing"), encoding="utf-8")
    done = run("build", store=unrecorded.home, project=unrecorded.catalogue.root)
    assert done.returncode == 6 and not (unrecorded.home / RECORD).exists()


def test_commands_after_a_build_read_no_declarations(repeated: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.declarations.catalogue.load_catalogue", refuse)
    for words in (("gaps", ANSWER), ("sql", f"select count(*) from problem.{ANSWER}"), ("places", "Merton")):
        done = run(*words, store=repeated.home, project=repeated.catalogue.root)
        assert done.returncode == 0 and done.stdout, done.stderr


def test_store_with_partitioned_tables_has_no_record(unrecorded: Project) -> None:
    build(unrecorded, "--tables")
    assert "files written" in build(unrecorded)
    assert not (unrecorded.home / RECORD).exists()


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def _edit_in_place(path: Path) -> None:
    """Change one byte, and keep the size and the time of the file."""
    before, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _add(path: Path) -> None:
    path.write_text("new", encoding="utf-8")


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "source": (_append, "project/sources/ons_claimant_rate.yaml"),
    "shared defaults": (_append, "project/sources/shared/*.yaml"),
    "bundled file": (_append, "project/sources/starter/ons_claimant_rate_*"),
    "new bundled file": (_add, "project/sources/starter/new.csv"),
    "problem": (_append, "project/pipelines/problems/jobs_recovery.sql"),
    "accepted gaps": (_add, "project/pipelines/problems/jobs_recovery.accepted.yaml"),
    "partnerships": (_append, "project/pipelines/partnerships.yaml"),
    "log of snapshots": (_append, "store/snapshots/log.jsonl"),
    "cells": (_append, "store/state/cell/jobs_recovery.parquet"),
    "table of a release": (Path.unlink, "store/state/values/ons_claimant_rate/*.parquet"),
    "table of a release, same size and time": (_edit_in_place, "store/state/values/ons_claimant_rate/*.parquet"),
    "ledger": (_append, "store/ledger/jobs_recovery.parquet"),
    "report": (Path.unlink, "store/out/jobs_recovery.html"),
    "page": (_append, "store/out/places/E09000024.html"),
    "analyst's file": (Path.unlink, "store/out/commonground.duckdb"),
    "list of outputs": (_append, "store/outputs.json"),
    "layout": (_append, "store/layout.json"),
    "program": (_append, "program/pipelines/gaps/cells.py"),
    "checks": (_append, "program/checks/flags.py"),
}
"""Changes of inputs of a build: the edit, and the file."""


@pytest.fixture
def stated(built_small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file of each kind that a build rests on: of the project, its store and the program."""
    for _, pattern in CHANGES.values():
        part, _, path = pattern.partition("/")
        where = {"program": Path(file_states.__file__).parents[2]}.get(part, built_small / part)
        for file in sorted(where.glob(path))[:1]:
            target = tmp_path / part / file.relative_to(where)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    monkeypatch.setattr(file_states, "_PROGRAM", tmp_path / "program")
    return tmp_path


def state(folder: Path, day: date = DAY) -> CommandState:
    return describe_state(folder / "project", folder / "store", day)


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_of_a_file_is_another_state(stated: Path, name: str) -> None:
    before = state(stated)
    assert state(stated) == before
    change, path = CHANGES[name]
    file = next(iter(sorted(stated.glob(path))), stated / path)
    change(file)
    assert state(stated) != before


def test_every_day_and_version_of_a_library_is_another_state(stated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(stated)
    assert state(stated, date(2026, 11, 25)) != before
    with clock_at(datetime(2027, 1, 1, tzinfo=UTC)):
        assert state(stated) != before
    monkeypatch.setattr(file_states, "version", lambda name: "0.0" if name == "polars" else "1.0")
    assert state(stated) != before


def test_file_that_a_command_keeps_for_itself_is_no_state(stated: Path) -> None:
    before = state(stated)
    for name in ("listed.json", "checked.txt", RECORD, "build.lock"):
        _add(stated / "store" / name)
    (stated / "program" / "pipelines" / "__pycache__").mkdir()
    _add(stated / "program" / "pipelines" / "__pycache__" / "cells.pyc")
    assert state(stated) == before


def test_damaged_record_is_ignored(repeated: Project) -> None:
    whole = build(repeated)
    (repeated.home / RECORD).write_text('{"state": ', encoding="utf-8")
    assert build(repeated) == whole
