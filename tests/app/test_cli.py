"""Command line and exit codes. Most commands run in this process, and some in a process of their own."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pipelines.declarations.project import Project
from pipelines.declarations.version import project_version
from tests.breadth import wide
from tests.command import AS_OF, ROOT, run, run_apart

Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def ask(built_small: Path) -> Ask:
    """Return a function that runs read-only commands on the small built project."""
    return partial(run, store=built_small / "store", project=built_small / "project")


def test_second_build_does_nothing_and_imports_no_large_library(small: Project) -> None:
    program = (
        "import sys\nfrom pipelines.app.cli import main\nsys.argv = ['commonground', 'build']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(sorted({'dagster', 'great_expectations'} & set(sys.modules)))"
    )
    where = {"COMMONGROUND_STORE": str(small.home), "COMMONGROUND_PROJECT": str(small.catalogue.root)}
    surroundings = {**os.environ, **where, "COMMONGROUND_AS_OF": AS_OF, "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=surroundings, cwd=ROOT, capture_output=True, text=True)
    assert "Nothing has changed" in done.stdout, done.stderr
    assert done.stdout.rstrip().endswith("[]")


def test_version_is_printed_without_reading_the_project(tmp_path: Path) -> None:
    done = run_apart("--version", store=tmp_path, project=tmp_path / "no project")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"commonground {project_version()}\n"


def test_old_command_name_fails_with_the_new_name(ask: Ask) -> None:
    done = ask("rehearse", "surrey_2027", "jobs_recovery", "--as-of", AS_OF)
    assert done.returncode == 2
    assert done.stderr == "error: unknown command 'rehearse'; use `commonground scenario`, with the same arguments\n"


def test_gaps_of_one_place_print_in_each_format(ask: Ask) -> None:
    table = ask("gaps", "jobs_recovery", "--place", "buckinghamshire")
    assert "not_available" in table.stdout
    rows = list(csv.DictReader(io.StringIO(ask("gaps", "--place", "E06000060", "--format", "csv").stdout)))
    assert {row["place_code"] for row in rows} == {"E06000060"}
    result = json.loads(ask("gaps", "jobs_recovery", "--format", "json").stdout)
    assert all(row["reason"] and row["data_owner"] and row["remedy"] for row in result)


def test_sql_query_prints_its_result(ask: Ask) -> None:
    asked = ask("sql", "select count(*) as n from problem.jobs_recovery", "--format", "csv")
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
def test_sql_that_reads_files_or_writes_or_is_invalid_is_refused(ask: Ask, query: str) -> None:
    asked = ask("sql", query)
    assert asked.returncode == 2
    assert asked.stderr.startswith("error:") and "Traceback" not in asked.stderr


def test_crosswalk_without_a_stored_lookup_names_the_command_that_brings_one(ask: Ask) -> None:
    result = ask("crosswalk", "lsoa_2021", "ward_2025")
    assert result.returncode
    assert "run `commonground refresh ons_wards_2025`" in " ".join(result.stderr.split())


def test_explain_shows_the_rows_and_crosswalk_of_a_cell(ask: Ask) -> None:
    result = ask("explain", "jobs_recovery", "Cumberland", "furloughed_employments").stdout
    for expected in (
        "41200.0 employments",
        "hmrc_furlough.csv, row 177,179,180, column Furlough count",
        "E07000026 -> E06000063 merged 2023-04-01 (The Cumbria (Structural Changes) Order 2022)",
        "Open Government Licence v3.0",
    ):
        assert expected in result


@pytest.mark.parametrize("place", ["south_london", "South London Partnership", "partnership-south-london"])
def test_explain_and_gaps_know_partnerships(ask: Ask, place: str) -> None:
    result = ask("explain", "jobs_recovery", place, "households_on_universal_credit").stdout
    assert "110764.0 households" in result and "Sutton (E09000029): 17280.0 households" in result
    rows = list(csv.DictReader(io.StringIO(ask("gaps", "--place", place, "--format", "csv").stdout)))
    assert {row["place_code"] for row in rows} == {"partnership-south-london"}
    assert {row["problem"] for row in rows} == {"jobs_recovery", "jobs_south_london"}


def test_gaps_of_all_places_leave_partnerships_out(ask: Ask) -> None:
    rows = csv.DictReader(io.StringIO(ask("gaps", "jobs_recovery", "--format", "csv").stdout))
    assert not any(row["place_code"].startswith("partnership-") for row in rows)


def test_explain_requires_a_period_if_there_are_several(ask: Ask) -> None:
    words = ("explain", "jobs_south_london", "Merton", "households_on_universal_credit")
    assert ask(*words).returncode == 2
    assert "2022-03" in ask(*words).stderr
    assert "March 2022" in ask(*words, "2022-03").stdout


@pytest.mark.parametrize(
    ("words", "offer"),
    [
        (("build", "job_recovery"), "jobs_recovery"),
        (("gaps", "jobs_recovery", "--place", "Cumbrland"), "Cumberland"),
        (("gaps", "jobs_recovery", "--place", "South London Partnersip"), "South London Partnership"),
        (("explain", "jobs_recovery", "Merton", "claimant_rates"), "claimant_rate"),
        (("refresh", "ons_claimants"), "ons_claimant_rate"),
    ],
)
def test_wrong_name_fails_with_similar_names(ask: Ask, words: tuple[str, ...], offer: str) -> None:
    done = ask(*words)
    assert done.returncode == 2
    assert offer in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("what", ["sources", "measures", "problems", "places"])
def test_each_list_prints_its_items(ask: Ask, what: str) -> None:
    rows = list(csv.DictReader(io.StringIO(ask("list", what, "--format", "csv").stdout)))
    assert len(rows) >= 2


def test_wrong_declaration_fails_with_its_line_and_keeps_outputs(small: Project) -> None:
    path = small.catalogue.root / "sources" / "ons_claimant_rate.yaml"
    path.write_text(path.read_text().replace("cadence:", "cadense:"))
    done = run("build", store=small.home, project=small.catalogue.root)
    assert done.returncode == 3
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "cadense" in text)
    assert f"ons_claimant_rate.yaml:{line}" in done.stderr and "did you mean cadence" in done.stderr
    assert run("sql", "select count(*) from cells", store=small.home, project=ROOT).returncode == 0


def test_command_before_the_first_build_states_what_to_do(tmp_path: Path) -> None:
    done = run("sql", "select 1", store=tmp_path)
    assert done.returncode == 1
    assert "commonground build" in done.stderr


def test_day_before_the_first_register_is_refused(tmp_path: Path) -> None:
    done = run("build", "--as-of", "2020-01-01", store=tmp_path)
    assert done.returncode == 4
    assert "ons_lad_register" in done.stderr and "2020-01-01" in done.stderr


@wide
def test_unusable_source_sets_the_exit_code(furlough: Project) -> None:
    root = furlough.catalogue.root
    (root / "sources" / "starter" / "hmrc_furlough.csv").write_text("<html><title>Sign in</title></html>")
    done = run("build", store=furlough.home, project=root)
    assert done.returncode == 6
    assert "hmrc_furlough" in done.stderr and "web page" in done.stderr


READER = """
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as con:
    for _ in range(2):
        print(con.sql(sys.argv[2]).fetchall(), flush=True)
        sys.stdin.readline()
"""


@wide
def test_added_file_is_used_by_the_next_build_and_disturbs_no_reader(small: Project, tmp_path: Path) -> None:
    on = {"store": small.home, "project": small.catalogue.root}
    query = (
        "select place_code, value, reason from cells where problem = 'jobs_recovery' "
        "and measure = 'claimant_rate' and place_code in ('E09000024', 'E09000001') order by 1"
    )
    command = [sys.executable, "-c", READER, str(small.home / "out" / "commonground.duckdb"), query]
    reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    before = reader.stdout.readline()
    newer = tmp_path / "newer.csv"
    newer.write_text(
        "areacd,areanm,geography,indicator,period,observation,measure,unit,lci_95,uci_95,status,notes\n"
        + "".join(f"{code},x,x,x,2025-01-01/P1Y,9.9,x,%,,,,\n" for code in ("E09000024", "E09000029", "E09000008"))
    )
    assert run("add", "ons_claimant_rate", str(newer), "--released", "2026-10-01", **on).returncode == 0
    assert run("build", "jobs_recovery", **on).returncode == 0
    rows = json.loads(run("sql", query, "--format", "json", **on).stdout)
    assert [row["value"] for row in rows] == [None, 9.9]
    # The latest release has the year but not this place: the earlier figure is not shown as current.
    assert rows[0]["reason"] == "withdrawn"
    # The reader keeps the open file. A new connection opens the new file.
    after, _ = reader.communicate("\n\n", timeout=60)
    assert before == after and "E09000024" in before and "9.9" not in before
