"""The commands `status` and `refresh --check`, with a local server as the publisher."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipelines.app.source_status import report_status
from pipelines.core.attempts import last_attempts
from pipelines.core.schema import SLICE_COLUMNS, table_from_records
from pipelines.core.snapshots import Snapshot, append_log, read_log
from pipelines.core.store import state_path, write_table
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.observations import newest_stored_period, scan_observations
from pipelines.outputs import publish_warehouse, warehouse_is_fresh
from tests.app.test_refresh import CSV, project
from tests.command import run
from tests.publisher import Publisher, publishing, says
from tests.small import districts_only

ANSWERS = Path(__file__).resolve().parents[1] / "fetch" / "answers"


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with publishing() as server:
        yield server


def source(**changes: object) -> Source:
    about = {"title": "t", "publisher": "Office", "licence": "OGL", "page": "https://example.org"}
    return Source.model_validate({**about, "provides": "boundary", **changes})


@pytest.mark.parametrize(
    ("changes", "newest", "due"),
    [
        ({"cadence": "monthly, 1 month later"}, date(2026, 9, 30), date(2026, 11, 30)),
        ({"cadence": "quarterly, 4 months later"}, date(2026, 6, 30), date(2027, 1, 31)),
        ({"cadence": "annual"}, date(2025, 12, 31), date(2026, 12, 31)),
        ({"cadence": "weekly"}, date(2026, 11, 1), date(2026, 11, 8)),
        ({"cadence": "once"}, date(2020, 1, 1), None),
        ({"cadence": "monthly"}, None, None),
    ],
)
def test_next_period_is_due_after_its_cadence_and_lag(
    changes: dict[str, object], newest: date | None, due: date | None
) -> None:
    assert source(**changes).next_release_day(newest) == due


CITED = {"citation": "https://example.org/calendar"}


@pytest.mark.parametrize(
    ("calendar", "due"),
    [
        ({"weekday": "Tuesday"}, date(2026, 12, 1)),
        ({"weekday": "Monday"}, date(2026, 11, 30)),
        ({"days": [date(2026, 11, 17), date(2026, 12, 15)]}, date(2026, 11, 17)),
        ({"days": [date(2026, 11, 17), date(2026, 12, 8)]}, date(2026, 12, 8)),
        ({"days": [date(2027, 1, 19)]}, date(2026, 11, 30)),
        ({"days": [date(2027, 1, 19)], "weekday": "Friday"}, date(2026, 12, 4)),
        ({"days": [date(2026, 10, 20)]}, date(2026, 11, 30)),
    ],
    ids=str,
)
def test_publisher_calendar_moves_the_day_due(calendar: dict[str, object], due: date) -> None:
    declared = source(cadence={"every": "monthly", "lag": "1 month", **calendar, **CITED})
    assert declared.next_release_day(date(2026, 9, 30)) == due


def test_calendar_without_a_rule_or_a_citation_is_refused() -> None:
    for calendar in (CITED, {"weekday": "Friday"}, {"weekday": "Sunday", **CITED}):
        with pytest.raises(ValueError, match="cadence"):
            source(cadence=calendar)


@pytest.mark.parametrize(
    "text", ["monthly, 2 months", "monthly, soon later", "now", "monthly, ", ", 2 months later", ""]
)
def test_cadence_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cadence"):
        source(cadence=text)


def test_cadence_as_text_equals_its_mapping() -> None:
    assert source(cadence="weekly, 9 days later") == source(cadence={"every": "weekly", "lag": "9 days"})
    assert (source(cadence="weekly, 9 days later").cadence, source().cadence) == ("weekly", "annual")
    assert (source(cadence="weekly, 9 days later").lag, source(cadence="once").lag) == ("9 days", None)


def test_file_states_days_and_a_view_the_age_on_the_day_of_the_query(small: Project) -> None:
    failure = entry("https://a.org", "a: found HTTP 503", "failed")
    append_log(small.home, failure._replace(source="ons_claimant_rate"))
    assert not warehouse_is_fresh(small)
    with duckdb.connect(str(publish_warehouse(small)), read_only=True) as con:
        declared = con.sql("select * from sources where source = 'ons_claimant_rate'").pl().row(0, named=True)
        ages = con.sql("select * from source_status where source = 'ons_claimant_rate'").pl().row(0, named=True)
        today = con.sql("select current_date").fetchall()[0][0]
    assert (declared["newest_period_end"], declared["next_due"]) == (date(2025, 12, 31), date(2027, 3, 31))
    assert (declared["last_tried"], declared["last_outcome"]) == ("2026-11-24T09:30", "failed: a: found HTTP 503")
    assert ages["age_days"] == (today - date(2025, 12, 31)).days
    assert ages["overdue_days"] == ((today - date(2027, 3, 31)).days if today > date(2027, 3, 31) else None)
    assert warehouse_is_fresh(small)


def entry(origin: str, error: str = "", change: str = "new") -> Snapshot:
    day = date(2026, 11, 17)
    return Snapshot("a", "", day, "", "2026-11-24T09:30", origin, "a.csv", 0, "", error=error, change=change)  # type: ignore[arg-type]


def test_last_attempt_is_the_last_request_to_the_publisher() -> None:
    log = [entry("https://a.org"), entry("starter"), entry("file a.csv")]
    assert last_attempts(log)["a"].outcome == "new release of 2026-11-17"
    assert last_attempts([*log, entry("https://a.org", change="same")])["a"].outcome == "unchanged"
    assert last_attempts([*log, entry("https://a.org", "no file", "failed")])["a"].outcome == "failed: no file"
    assert last_attempts(log[1:]) == {}


def test_status_states_stored_due_and_overdue_releases(tmp_path: Path) -> None:
    root = project(tmp_path, good="url: https://a.org/good.csv\ncadence: monthly")
    home = tmp_path / "store"
    slices = [{"period_end": date(2026, 8, 31), "known": 1}, {"period_end": date(2026, 9, 30), "known": 0}]
    write_table(state_path(home, "slice", "good"), table_from_records(slices, SLICE_COLUMNS), "key")
    row = report_status(Project(load_catalogue(root), home, date(2026, 11, 24)), []).row(0, named=True)
    assert newest_stored_period(home, "good") == date(2026, 8, 31), "a gap is no figure"
    assert (row["age_days"], row["next_due"], row["overdue_days"]) == (85, date(2026, 9, 30), 55)
    assert row["last_tried"] is None and row["scheduled"]


def test_status_states_the_newest_figure_that_a_build_has_read(small: Project) -> None:
    rows = report_status(small, ["ons_claimant_rate", "dwp_uc_households"]).rows(named=True)
    for row in rows:
        figures = scan_observations(small, row["source"]).filter(pl.col("value").is_not_null())
        assert row["newest_period_end"] == figures.select(pl.col("period_end").max()).collect().item()
    assert [row["newest_period_end"] for row in rows] == [date(2025, 12, 31), date(2025, 5, 31)]


def test_status_is_printed_by_the_command(tmp_path: Path) -> None:
    root = project(tmp_path, good="url: https://a.org/good.csv")
    done = run("status", "--format", "json", store=tmp_path / "store", project=root)
    assert done.returncode == 0, done.stderr
    assert [row["source"] for row in json.loads(done.stdout)] == ["good"]


def test_check_reads_the_newest_period_and_stores_no_file(tmp_path: Path, office: Publisher) -> None:
    root = districts_only(tmp_path, "nisra_claimants_monthly")
    path = root / "sources" / "nisra_claimants_monthly.yaml"
    answer = office.at("/CCMLGD", says(200, (ANSWERS / "nisra_claimants_monthly.json").read_bytes()))
    # The family of the source gives it the address of the publisher, which this line replaces.
    path.write_text(f"{path.read_text()}url: {answer}\nformat: jsonstat\n")
    home = tmp_path / "store"
    done = run("refresh", "--check", "nisra_claimants_monthly", store=home, project=root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "works" in done.stdout and "2025-02-28" in done.stdout
    assert len(office.asked) == 1
    origins = {line.origin for line in read_log(home) if line.source == "nisra_claimants_monthly"}
    assert not any(origin.startswith("http") for origin in origins)


def test_failed_check_exits_with_5(tmp_path: Path, office: Publisher) -> None:
    good, bad = office.at("/good.csv", says(200, CSV)), office.at("/bad.csv", says(404))
    root = districts_only(tmp_path)
    for name, url in (("good", good), ("bad", bad)):
        text = f"title: {name}\npublisher: Office\nlicence: OGL 3.0\npage: https://example.org\nprovides: boundary\n"
        (root / "sources" / f"{name}.yaml").write_text(f"{text}url: {url}\n")
    done = run("refresh", "--check", "good", "bad", store=tmp_path / "store", project=root)
    assert done.returncode == 5
    assert "works" in done.stdout and "fails" in done.stdout and "404" in done.stdout
