"""Inputs made to exhaust a machine: each ends in one sentence, within its limits, and what else there is goes on.

Each runs in a process of its own, so that what fails here ends that process and not the tests.
"""

from pathlib import Path

import duckdb
import pytest

from pipelines.store import out_path
from tests.measured import Run, run_command, run_measured
from tests.small import small_project

MOST = 600
"""MB that reading or asking may take."""


def refused(done: Run, *told: str) -> None:
    """See that a command ended in sentences, and took little memory."""
    assert done.code in (1, 2, 3, 4, 6), (done.code, done.err[-800:])
    assert "Traceback" not in done.err
    for text in told:
        assert text in done.err
    assert done.peak < MOST


TEN = "[" + ",".join(["{0}"] * 10) + "]"
KILLING_YAML = {
    "billion laughs": (
        "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} {TEN.format(f'*a{n - 1}')}\n" for n in range(1, 12)),
        "over 100,000 values once aliases are written out",
    ),
    "merges of merges": (
        "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: {TEN.format(f'*a{n - 1}')}}}\n" for n in range(1, 12)),
        "over 100,000 values once aliases are written out",
    ),
    "lists in lists": ("a: " + "[" * 100_000, "nests deeper than 50 levels"),
    "mappings in mappings": ("{a: " * 40_000, "nests deeper than 50 levels"),
    "a merge with itself": ("measures: &m\n  <<: *m\n", "killing.yaml:2: *m stands within &m itself"),
    "a list of itself": ("a: &a [1, *a]", "*a stands within &a itself"),
    "a long text": ("title: " + "x" * 1_000_000, "expected at most 200,000"),
    "a long number": ("lag: " + ":".join(["1"] * 80_000), "found a number of 159,999 digits"),
    "a number too large": ("lag: " + ":".join(["1"] * 190) + ".5", "not YAML: int too large"),
    "a key of many": ("? [a]\n: b", "found a key that is a list or a mapping"),
    "an escape": ("title: a\nlag: \x1b[31mred", "killing.yaml:2: not YAML: control characters are not allowed"),
}


@pytest.mark.parametrize(("text", "told"), KILLING_YAML.values(), ids=list(KILLING_YAML))
def test_a_declaration_that_swells_or_nests_without_end_is_refused_with_its_line(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "pipelines" / "problems").mkdir(parents=True)
    (tmp_path / "sources" / "killing.yaml").write_text(text, encoding="utf-8")
    done = run_command(tmp_path, tmp_path / "store", "list", "sources")
    refused(done, "killing.yaml", told)
    assert done.code == 3
    assert done.err.count("\n") == 1


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A project, and a store with a small analyst's file."""
    root = tmp_path_factory.mktemp("asked")
    (root / "sources").mkdir()
    (root / "pipelines" / "problems").mkdir(parents=True)
    path = out_path(root / "store", "commonground.duckdb")
    path.parent.mkdir(parents=True)
    with duckdb.connect(str(path)) as con:
        con.execute("create table cells as select range as n, 'place ' || range as place from range(100000)")
    return root, root / "store"


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("select repeat('x', 2000000000)", "too much memory"),
        ("select length(repeat('x', 2000000000))", "too much memory"),
        ("select length(repeat(place, 100000000)) from cells", "too much memory"),
        ("select * from cells a, cells b", "too much memory"),
        ("select * from cells a, cells b order by random()", "too much memory"),
        ("select string_agg(repeat('x', 1000), '') from range(100000000)", "too much memory"),
        (
            "select count(*) from cells a, cells b, cells c",
            "takes too long; the limit is 3 s; set COMMONGROUND_SECONDS",
        ),
    ],
)
def test_a_question_that_would_take_the_machine_ends_at_a_limit(
    asked: tuple[Path, Path], query: str, told: str
) -> None:
    done = run_command(*asked, "sql", query, COMMONGROUND_SECONDS="3")
    refused(done, told, "to allow more")
    assert done.err.count("\n") == 1


def test_a_person_may_raise_the_limits_of_a_question(asked: tuple[Path, Path]) -> None:
    large = "select repeat(place, 20) as text from cells a, range(20)"
    refused(run_command(*asked, "sql", large, COMMONGROUND_MEMORY_MB="100"), "the limit is 100 MB")
    allowed = run_command(*asked, "sql", large, COMMONGROUND_MEMORY_MB="4000")
    assert (allowed.code, allowed.err) == (0, "")
    wrong = run_command(*asked, "sql", "select 1", COMMONGROUND_MEMORY_MB="lots")
    refused(wrong, "COMMONGROUND_MEMORY_MB: found 'lots', expected a whole number above 0")


@pytest.mark.parametrize(
    "query",
    ["copy (select 1) to '{0}.tmp/x.csv'", "explain analyze copy (select 1) to '{0}.tmp/x.csv'",
     "set memory_limit = '10GB'", "select 1; select 2"],
)  # fmt: skip
def test_a_question_writes_no_file_and_changes_no_limit(asked: tuple[Path, Path], query: str) -> None:
    path = out_path(asked[1], "commonground.duckdb")
    done = run_command(*asked, "sql", query.format(path))
    assert done.code == 2
    assert done.err.startswith("error: the query does not run")
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name]


@pytest.mark.parametrize(
    "query", ["pivot cells on n % 3", "pragma table_info('cells')", "describe cells", "from cells"]
)
def test_a_question_need_be_no_plain_select(asked: tuple[Path, Path], query: str) -> None:
    done = run_command(*asked, "sql", query, "--format", "json")
    assert (done.code, done.err) == (0, "")


def test_a_select_that_nests_without_end_is_refused() -> None:
    program = "from pipelines.problem_sql import parse_select; parse_select('select ' + '+'.join(['1'] * 900), 'a.sql')"
    done = run_measured("-c", program)
    assert done.err.splitlines()[-1].endswith(
        "DeclarationError: a.sql: the SELECT nests too deep; write its parts in a WITH"
    )


_LAST = "    vacancies.value as vacancies\n"
PROBLEMS = {
    "killing_join": (
        "(select count(*) from lad_2023.vacancies a, lad_2023.vacancies b, lad_2023.vacancies c, lad_2023.vacancies d)",
        "killing_join.sql: the SELECT takes too long",
    ),
    "killing_text": ("repeat('x', 2000000000)", "killing_text.sql: the SELECT needs too much memory"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A build of a small project in which problems and files have been made to kill."""
    root = small_project(tmp_path_factory.mktemp("killing"))
    problems = root / "pipelines" / "problems"
    sound = (problems / "jobs_south_london.sql").read_text(encoding="utf-8")
    assert _LAST in sound
    for name, (column, _) in PROBLEMS.items():
        (problems / f"{name}.sql").write_text(sound.replace(_LAST, f"{_LAST.rstrip()},\n    {column} as killing\n"))
    store = root.parent / "store"
    return run_command(root, store, "build", COMMONGROUND_SECONDS="4"), store


def test_a_problem_that_would_take_the_machine_fails_alone(built: tuple[Run, Path]) -> None:
    done, store = built
    refused(done, *(told for _, told in PROBLEMS.values()))
    assert done.code == 6
    for name in ("jobs_recovery", "jobs_south_london"):
        assert out_path(store, f"{name}.html").is_file()
    assert not out_path(store, "killing_join.html").exists()
