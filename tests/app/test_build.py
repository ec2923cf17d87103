"""A build in which one problem has no answer: its file and pages name the problem and the reason; others go on."""

import json
from pathlib import Path

from pipelines.core.store import hash_file, output_path
from pipelines.declarations.project import Project
from tests.breadth import wide
from tests.command import Done, run
from tests.outputs.test_report import Page
from tests.small import FURLOUGH

RIGHT, WRONG = "vacancies.value as vacancies", "vacancies.valu as vacancies"
LOST = "select problem, question, not_answered from problems order by problem"


def command(project: Project, *words: str) -> Done:
    return run(*words, store=project.home, project=project.catalogue.root)


def rows(project: Project) -> list[dict[str, str | None]]:
    listed: list[dict[str, str | None]] = json.loads(command(project, "sql", LOST, "--format", "json").stdout)
    return listed


def problem_file(project: Project, name: str) -> Path:
    return project.catalogue.root / "pipelines" / "problems" / f"{name}.sql"


def with_second(project: Project) -> Project:
    """Add a second problem to the project and build it."""
    problem_file(project, "second").write_text(FURLOUGH)
    assert command(project, "build").returncode == 0
    return project


def index_of(project: Project) -> Page:
    return Page(output_path(project.home, "index.html").read_text(encoding="utf-8"))


def texts(page: Page) -> str:
    return " ".join(text for _, text in page.texts)


def test_refused_select_has_its_reason_in_the_file_and_on_the_index(furlough: Project) -> None:
    question = "How many employments were furloughed in our boroughs?"
    project, answered = with_second(furlough), {"question": question, "not_answered": None}
    assert rows(project) == [{"problem": "furlough", **answered}, {"problem": "second", **answered}]
    assert "Not answered" not in texts(index_of(project))
    problem_file(project, "second").write_text(FURLOUGH.replace(RIGHT, WRONG))
    built = command(project, "build")
    assert built.returncode == 6 and "not used: " in built.stderr
    first, second = rows(project)
    assert first == {"problem": "furlough", **answered}
    assert second["question"] == question
    assert (second["not_answered"] or "").startswith("pipelines/problems/second.sql: DuckDB rejects the SELECT")
    page = index_of(project)
    assert "1 problem has no current answer" in texts(page) and "second.sql: DuckDB rejects" in texts(page)
    assert "Last report of second , last changed on 24 November 2026" in texts(page)
    assert [attrs["href"] for tag, attrs in page.tags if tag == "a" and attrs["href"] == "second.html"]
    published = {name: hash_file(output_path(project.home, name)) for name in ("index.html", "commonground.duckdb")}
    assert command(project, "build").returncode == 6
    assert {name: hash_file(output_path(project.home, name)) for name in published} == published
    problem_file(project, "second").write_text(FURLOUGH)
    assert command(project, "build").returncode == 0
    assert rows(project)[1] == {"problem": "second", **answered}
    assert "Not answered" not in texts(index_of(project))


def test_commands_name_the_reason_for_what_they_do_not_show(furlough: Project) -> None:
    project = with_second(furlough)
    silent = [("sql", "from problem.second"), ("sql", "select count(*) from cells where problem = 'second'"),
              ("gaps", "second"), ("explain", "second", "Merton", "vacancies"), ("list", "problems")]  # fmt: skip
    for words in silent:
        done = command(project, *words)
        assert (done.returncode, done.stderr) == (0, ""), words
    problem_file(project, "second").write_text(FURLOUGH.replace(RIGHT, WRONG))
    assert command(project, "build").returncode == 6
    rejected, earlier = "second.sql: DuckDB rejects the SELECT", "any stored figures are of an earlier build"
    for view in ("problem.second", 'problem."second"', "PROBLEM . Second"):
        done = command(project, "sql", f"from {view}")
        assert done.returncode == 2 and done.stderr.startswith("error: second: this file has no answer: ")
        assert rejected in done.stderr and done.stderr.count("\n") == 1
    counted = command(project, "sql", "select count(*) as n from cells where problem = 'second'", "--format", "json")
    assert counted.returncode == 0 and json.loads(counted.stdout) == [{"n": 0}] and rejected in counted.stderr
    for words in silent[2:]:
        done = command(project, *words)
        assert done.returncode == 0 and rejected in done.stderr and earlier in done.stderr, words
        assert done.stderr.count("\n") == 1 and done.stdout, words
    for words in (("sql", "from problem.furlough"), ("gaps", "furlough"), ("list", "measures")):
        assert command(project, *words).stderr == "", words
    unknown = command(project, "sql", "from problem.third")
    assert unknown.returncode == 2 and unknown.stderr.startswith("error: invalid query: ")
    problem_file(project, "second").write_text("wrong")
    assert command(project, "build").returncode == 6
    for words in silent[:2]:
        assert "pipelines/problems/second.sql: found no header" in command(project, *words).stderr, words
    listed = command(project, "list", "problems")
    assert "second.sql: found no header" in listed.stderr and "second" not in listed.stdout
    assert "second.sql: found no header" in command(project, "gaps").stderr


def test_problem_that_was_never_built_is_named_without_a_report(furlough: Project) -> None:
    problem_file(furlough, "second").write_text(FURLOUGH)
    assert command(furlough, "build", "furlough").returncode == 0
    assert [row["not_answered"] and row["not_answered"][:11] for row in rows(furlough)] == [None, "No build ha"]
    page = index_of(furlough)
    assert "commonground build second" in texts(page) and "Last report" not in texts(page)


def test_file_and_index_are_written_where_no_problem_is_answered(furlough: Project) -> None:
    problem_file(furlough, "furlough").write_text(FURLOUGH.replace(RIGHT, WRONG))
    assert command(furlough, "build").returncode == 6
    assert [row["problem"] for row in rows(furlough) if row["not_answered"]] == ["furlough"]
    assert "1 problem has no current answer" in texts(index_of(furlough))


EXCLUDED = "unknown measure 'vacancy'"


def tables_of(project: Project, name: str) -> dict[str, tuple[str, int]]:
    """Return the hash and the inode of each table, ledger and output of a problem."""
    files = [path for part in ("state", "ledger", "out") for path in (project.home / part).rglob(f"{name}.*")]
    return {path.relative_to(project.home).as_posix(): (hash_file(path), path.stat().st_ino) for path in files}


def test_wrong_file_of_a_problem_stops_no_other_and_loses_nothing(furlough: Project) -> None:
    project = with_second(furlough)
    before = tables_of(project, "second")
    assert {"ledger/second.parquet", "state/cell/second.parquet", "out/second.html"} <= set(before)
    problem_file(project, "second").write_text(FURLOUGH.replace("[vacancies]", "[vacancy]"))
    built = command(project, "build")
    assert built.returncode == 6 and "not used: " in built.stderr and EXCLUDED in built.stderr
    assert command(project, "build", "furlough").returncode == 0
    first, second = rows(project)
    assert first["not_answered"] is None and first["question"]
    assert second["question"] is None and (second["not_answered"] or "").startswith("pipelines/problems/second.sql:")
    page = index_of(project)
    assert EXCLUDED in texts(page) and "Last report of second , last changed on 24 November 2026" in texts(page)
    assert tables_of(project, "second") == before
    for words in (("list", "measures"), ("gaps", "furlough"), ("places", "Merton"), ("ledger", "second"), ("status",)):
        assert command(project, *words).returncode == 0, words
    for words in (("build", "second"), ("gaps", "second"), ("explain", "second", "Merton", "vacancies"),
                  ("validate", "--declarations")):  # fmt: skip
        done = command(project, *words)
        assert done.returncode == 3 and EXCLUDED in done.stderr, words
    problem_file(project, "second").write_text(FURLOUGH)
    assert command(project, "validate", "--declarations").returncode == 0
    assert command(project, "build").returncode == 0 and rows(project)[1]["not_answered"] is None
    kept = {file: content for file, content in tables_of(project, "second").items() if "out/" not in file}
    assert kept.items() <= before.items()


@wide
def test_validation_judges_the_contracts_before_it_names_a_wrong_problem(furlough: Project) -> None:
    problem_file(furlough, "second").write_text("wrong")
    done = command(furlough, "validate")
    assert "Great Expectations judged" in done.stdout and done.returncode == 3 and "second.sql" in done.stderr
    assert command(furlough, "validate", "hmrc_furlough").returncode == 0


def test_ledger_of_an_excluded_problem_without_one_names_the_fault(furlough: Project) -> None:
    problem_file(furlough, "second").write_text("wrong")
    done = command(furlough, "ledger", "second")
    assert done.returncode == 3 and "found no header" in done.stderr
