"""A fetched file with the figures of another period is refused as an added one is, by one rule."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipelines.app.definitions import define_project
from pipelines.app.steps import prepare_store
from pipelines.core.clock import current_date
from pipelines.core.snapshots import Snapshot, read_log, source_snapshots, store_snapshot
from pipelines.core.store import hash_bytes
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.observations.intake import copied_file_inspector
from tests.command import Done, run
from tests.publisher import Publisher, publishing, says
from tests.small import districts_only

ROOT = Path(__file__).resolve().parents[2]
SOURCE = """title: People counted
publisher: Office
licence: OGL 3.0
page: https://example.org/people
url: {url}
cadence: annual, 2 months later
geography: lad_2023
coverage: [England]
columns: {{place: code, period: year}}
measures:
  people_counted: {{title: People counted, unit: people, kind: stock, column: people}}
"""
FAULT = (
    "60 of 60 figures of people_counted for the period from 2025-01-01 are those stored for the period from 2021-01-01"
)


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with publishing() as server:
        yield server


def figures(*years: tuple[int, int]) -> bytes:
    """Return a file of 60 districts: for each year, the figures that a year really has."""
    text = (ROOT / "sources" / "starter" / "ons_lad_register.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(text))
    live = [row["GEOGCD"] for row in rows if row["STATUS"] == "live" and row["OPER_DATE"] < "2023"]
    codes = [code for code in live if code[:3] in ("E08", "E09")][:60]
    lines = [f"{code},{year},{1 + (real * 7 + n * (real - 2015)) % 97}" for year, real in years
             for n, code in enumerate(codes)]  # fmt: skip
    return "\n".join(["code,year,people", *lines, ""]).encode()


RIGHT = figures((2021, 2021), (2024, 2024))
COPIED = figures((2024, 2024), (2025, 2021))


def project(folder: Path, url: str) -> Path:
    root = districts_only(folder)
    (root / "sources" / "people_counted.yaml").write_text(SOURCE.format(url=url))
    return root


def command(root: Path, home: Path, *arguments: str) -> Done:
    """Run a command as of today, in this process."""
    return run(*arguments, store=home, project=root, as_of=current_date().isoformat())


def test_both_roads_refuse_a_copied_period_until_a_person_accepts_it(tmp_path: Path, office: Publisher) -> None:
    root, home = project(tmp_path, office.at("/people.csv", says(200, RIGHT), says(200, COPIED))), tmp_path / "store"
    assert command(root, home, "refresh", "people_counted").returncode == 0
    [right] = source_snapshots(home, "people_counted")

    fetched = command(root, home, "refresh", "people_counted")
    assert fetched.returncode == 5 and FAULT in fetched.stdout and "Traceback" not in fetched.stderr
    assert "commonground add people_counted FILE --accept" in fetched.stdout
    assert source_snapshots(home, "people_counted") == [right], "the stored release stays current"
    assert FAULT in read_log(home)[-1].error

    (tmp_path / "people.csv").write_bytes(COPIED)
    add = ("add", "people_counted", str(tmp_path / "people.csv"), "--released", "2026-02-01")
    added = command(root, home, *add)
    assert added.returncode == 5 and FAULT in " ".join((added.stdout + added.stderr).split())
    assert command(root, home, *add, "--accept").returncode == 0
    again = command(root, home, "refresh", "people_counted")
    assert again.returncode == 0, again.stdout
    assert len({entry.sha256 for entry in source_snapshots(home, "people_counted")}) == 2


@pytest.mark.parametrize(
    ("copies", "more"),
    [([], ""), ([2025], ""), ([2024, 2025], " (and 1 more such faults)"),
     ([2023, 2024, 2025], " (and 2 more such faults)")],
)  # fmt: skip
def test_refusal_states_the_first_fault_and_the_number_of_others(tmp_path: Path, copies: list[int], more: str) -> None:
    today = current_date()
    stored = Project(load_catalogue(project(tmp_path, "x")), tmp_path / "store", today)
    prepare_store(stored)
    store_snapshot(
        stored.home, RIGHT, Snapshot("people_counted", hash_bytes(RIGHT), today, "", "", "", "old.csv", 1, "")
    )
    given = figures((2019, 2019), *((year, 2021) for year in copies))
    fault = copied_file_inspector(stored, "people_counted")(
        given, Snapshot("people_counted", hash_bytes(given), today, "", "", "", "new.csv", 1, "")
    )
    first = FAULT.replace("2025", f"{min(copies, default=0)}")
    end = f"the periods may have been mixed up in a copy{more}; if they are right, run `commonground add people_counted"
    expected = f"people_counted: new.csv was not stored: {first}; {end} FILE --accept`"
    assert fault == (expected if copies else "")


def test_run_of_a_copied_file_fails_with_one_sentence_and_is_not_repeated(tmp_path: Path, office: Publisher) -> None:
    root, home = project(tmp_path, office.at("/people.csv", says(200, RIGHT), says(200, COPIED))), tmp_path / "store"
    job = define_project(load_catalogue(root), home).resolve_job_def("refresh_people_counted")
    instance = dg.DagsterInstance.ephemeral()
    assert job.execute_in_process(instance=instance).success
    run = job.execute_in_process(instance=instance, raise_on_error=False)
    [failure] = [event for event in run.all_events if event.is_step_failure]
    shown = failure.step_failure_data.user_failure_data
    assert shown and FAULT in str(shown.description) and "\n" not in str(shown.description)
    assert not any(event.is_step_up_for_retry for event in run.all_events)
    assert len(source_snapshots(home, "people_counted")) == 1


def test_other_files_of_a_list_are_stored_beside_a_copied_one(tmp_path: Path, office: Publisher) -> None:
    files = {2021: figures((2021, 2021)), 2022: figures((2022, 2021)), 2023: figures((2023, 2023))}
    links = "".join(f'<a href="{office.at(f"/people-{year}.csv", says(200, text))}">x</a>' for year, text in
                    files.items())  # fmt: skip
    page = office.at("/page", says(200, f"<html>{links}</html>".encode()))
    rule = r"pattern: 'people-(?P<period>20\d\d)\.csv$', newest: period, take: every, since: 2021-01-01"
    root, home = project(tmp_path, "x"), tmp_path / "store"
    text = SOURCE.format(url="x").replace("url: x", f"fetch: {{link: {{page: '{page}', {rule}}}}}")
    (root / "sources" / "people_counted.yaml").write_text(text)
    done = command(root, home, "refresh", "people_counted")
    assert done.returncode == 5 and FAULT.replace("2025", "2022") in done.stdout
    assert [entry.file for entry in source_snapshots(home, "people_counted")] == ["people-2021.csv", "people-2023.csv"]
