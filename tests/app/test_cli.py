"""The command line as a user types it: in a process of its own, with its exit codes."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.declarations.version import project_version
from tests.small import copied, small_project

ROOT = Path(__file__).resolve().parent.parent.parent
AS_OF = "2026-11-24"


def run(*words: str, store: Path, project: Path = ROOT) -> subprocess.CompletedProcess[str]:
    surroundings = {
        **os.environ,
        "COMMONGROUND_PROJECT": str(project),
        "COMMONGROUND_STORE": str(store),
        "COMMONGROUND_AS_OF": AS_OF,
        "PYTHONUTF8": "1",
        "COLUMNS": "200",
    }
    command = [sys.executable, "-m", "pipelines.app.cli", *words]
    return subprocess.run(command, env=surroundings, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")


def test_a_second_build_finds_nothing_to_do_and_imports_neither_dagster_nor_great_expectations(store: Path) -> None:
    program = (
        "import sys\nfrom pipelines.app.cli import main\nsys.argv = ['commonground', 'build']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(sorted({'dagster', 'great_expectations'} & set(sys.modules)))"
    )
    surroundings = {**os.environ, "COMMONGROUND_STORE": str(store), "COMMONGROUND_AS_OF": AS_OF, "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=surroundings, cwd=ROOT, capture_output=True, text=True)
    assert "Nothing has changed" in done.stdout, done.stderr
    assert done.stdout.rstrip().endswith("[]")


def test_the_version_is_printed_without_reading_the_project(tmp_path: Path) -> None:
    done = run("--version", store=tmp_path, project=tmp_path / "no project")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"commonground {project_version()}\n"


def test_gaps_of_one_place_in_each_format(store: Path) -> None:
    table = run("gaps", "jobs_recovery", "--place", "buckinghamshire", store=store)
    assert "children_incomplete" in table.stdout
    rows = list(csv.DictReader(io.StringIO(run("gaps", "--place", "E06000060", "--format", "csv", store=store).stdout)))
    assert {row["place_code"] for row in rows} == {"E06000060"}
    told = json.loads(run("gaps", "jobs_recovery", "--format", "json", store=store).stdout)
    assert all(row["reason"] and row["holder"] and row["remedy"] for row in told)


def test_a_question_in_sql(store: Path) -> None:
    asked = run("sql", "select count(*) as n from problem.jobs_recovery", "--format", "csv", store=store)
    assert asked.stdout.split() == ["n", "361"]


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('/etc/passwd')",
        "copy cells to 'stolen.csv'",
        "drop table cells",
        "attach 'other.duckdb'",
        "select * from nothing",
        "select * from 'README.md'",
    ],
)
def test_sql_that_reads_files_writes_or_is_wrong_is_refused(store: Path, query: str) -> None:
    asked = run("sql", query, store=store)
    assert asked.returncode == 2
    assert asked.stderr.startswith("error:") and "Traceback" not in asked.stderr


def test_explain_follows_one_cell_to_its_rows_and_its_crosswalk(store: Path) -> None:
    told = run("explain", "jobs_recovery", "Cumberland", "furloughed_employments", store=store).stdout
    for expected in (
        "41200.0 employments",
        "hmrc_furlough.csv, row 177,179,180, column Furlough count",
        "E07000026 -> E06000063 merged 2023-04-01 (The Cumbria (Structural Changes) Order 2022)",
        "Open Government Licence v3.0",
    ):
        assert expected in told


def test_explain_asks_for_a_period_where_there_are_several(store: Path) -> None:
    words = ("explain", "jobs_south_london", "Merton", "households_on_universal_credit")
    assert run(*words, store=store).returncode == 2
    assert "2022-03" in run(*words, store=store).stderr
    assert "March 2022" in run(*words, "2022-03", store=store).stdout


@pytest.mark.parametrize(
    ("words", "offer"),
    [
        (("build", "job_recovery"), "jobs_recovery"),
        (("gaps", "jobs_recovery", "--place", "Cumbrland"), "Cumberland"),
        (("explain", "jobs_recovery", "Merton", "claimant_rates"), "claimant_rate"),
        (("refresh", "ons_claimants"), "ons_claimant_rate"),
    ],
)
def test_a_wrong_name_is_met_with_the_near_ones(store: Path, words: tuple[str, ...], offer: str) -> None:
    done = run(*words, store=store)
    assert done.returncode == 2
    assert offer in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("what", ["sources", "measures", "problems", "places"])
def test_lists(store: Path, what: str) -> None:
    rows = list(csv.DictReader(io.StringIO(run("list", what, "--format", "csv", store=store).stdout)))
    assert len(rows) >= 2


def test_a_wrong_declaration_is_named_with_its_line_and_nothing_built_is_lost(store: Path, tmp_path: Path) -> None:
    copy = small_project(tmp_path)
    path = copy / "sources" / "ons_claimant_rate.yaml"
    path.write_text(path.read_text().replace("lag: 3 months", "cadense: annual"))
    done = run("build", store=store, project=copy)
    assert done.returncode == 3
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "cadense" in text)
    assert f"ons_claimant_rate.yaml:{line}" in done.stderr and "did you mean cadence" in done.stderr
    assert run("sql", "select count(*) from cells", store=store).returncode == 0


def test_before_anything_is_built_the_command_says_what_to_do(tmp_path: Path) -> None:
    done = run("sql", "select 1", store=tmp_path)
    assert done.returncode == 1
    assert "commonground build" in done.stderr


def test_a_day_before_there_was_a_register_of_places_is_refused(tmp_path: Path) -> None:
    done = run("build", "--as-of", "2020-01-01", store=tmp_path)
    assert done.returncode == 4
    assert "ons_lad_register" in done.stderr and "2020-01-01" in done.stderr


def test_a_source_that_breaks_is_told_by_the_exit_code(tmp_path: Path) -> None:
    copy = small_project(tmp_path)
    (copy / "sources" / "starter" / "hmrc_furlough.csv").write_text("<html><title>Sign in</title></html>")
    done = run("build", store=tmp_path / "store", project=copy)
    assert done.returncode == 6
    assert "hmrc_furlough" in done.stderr and "web page" in done.stderr


def test_add_keeps_a_file_and_the_next_build_uses_it(store: Path, tmp_path: Path) -> None:
    home = tmp_path / "store"
    copied(store, home)
    newer = tmp_path / "newer.csv"
    newer.write_text(
        "areacd,areanm,geography,indicator,period,observation,measure,unit,lci_95,uci_95,status,notes\n"
        + "".join(f"{code},x,x,x,2025-01-01/P1Y,9.9,x,%,,,,\n" for code in ("E09000024", "E09000029", "E09000008"))
    )
    assert run("add", "ons_claimant_rate", str(newer), "--released", "2026-10-01", store=home).returncode == 0
    assert run("build", "jobs_recovery", store=home).returncode == 0
    query = (
        "select place_code, value, reason from cells where problem = 'jobs_recovery' "
        "and measure = 'claimant_rate' and place_code in ('E09000024', 'E09000001') order by 1"
    )
    rows = json.loads(run("sql", query, "--format", "json", store=home).stdout)
    assert [row["value"] for row in rows] == [None, 9.9]
    # The newest release has the year and not this place: its figure of before is not shown as if it still held.
    assert rows[0]["reason"] == "withdrawn"


READER = """
import sys, time, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as con:
    day = "select max(period_end)::varchar from cells where problem = 'jobs_recovery'"
    print(con.sql(day).fetchall()[0][0], flush=True)
    sys.stdin.readline()
    print(con.sql("select count(*) from cells where problem = 'jobs_recovery'").fetchall()[0][0], flush=True)
"""


def test_a_reader_with_the_file_open_and_a_build_do_not_notice_each_other(store: Path, tmp_path: Path) -> None:
    home = tmp_path / "store"
    copied(store, home)
    path = home / "out" / "commonground.duckdb"
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    assert reader.stdout.readline().strip() == AS_OF
    built = run("build", "jobs_recovery", "--as-of", "2026-10-24", store=home)
    assert built.returncode == 0, built.stderr
    after, _ = reader.communicate("\n", timeout=60)
    # The reader still has the file it opened; who connects now gets the new one.
    assert after.strip() == str(361 * 6)
    asked = run(
        "sql", "select max(period_end) as day from cells where problem = 'jobs_recovery'", "--format", "csv", store=home
    )
    assert asked.stdout.split() == ["day", "2026-10-24"]
