"""Queries under the old names come out under the new ones, run, and give the same rows."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipelines.app.upgrade_sql import upgrade_query
from pipelines.core.renames import COLUMNS, CROSSWALK, TABLES, VIEW
from pipelines.outputs.warehouse import column_meanings
from tests.command import run

RUNS = [
    ("select status, high || low from cells where status <> 'status' order by low",
     "select obs_status, upper_bound || lower_bound from cells where obs_status <> 'status' order by lower_bound"),
    ("SELECT c.Low -- low, of cells\nFROM cells AS c /* totals */ WHERE \"status\" = '''low''' or c.\"low\" is null",
     "SELECT c.lower_bound -- low, of cells\nFROM cells AS c /* totals */ WHERE \"obs_status\" = '''low''' "
     "or c.\"lower_bound\" is null"),
    ("from totals select totals.low, main.totals.status",
     "from published_totals select published_totals.lower_bound, main.published_totals.obs_status"),
    ("select because, max(people) as people from verdicts group by because",
     "select blocking_reasons, max(residents) as people from verdicts group by blocking_reasons"),
    ("select p.because from problem.p as p", "select p.blocking_reasons from problem.p as p"),
    ("select c.basis, n.basis from cells c join neighbours n using (place_code)",
     "select c.derivation, n.boundary_source from cells c join neighbours n using (place_code)"),
    ("with mine as (select place_code, status from cells) select m.status from mine m where m.status is not null",
     "with mine as (select place_code, obs_status from cells) select m.obs_status from mine m "
     "where m.obs_status is not null"),
    ("with mine as (select place_code, 'x' as status, low from cells) select status, low from mine",
     "with mine as (select place_code, 'x' as status, lower_bound from cells) select status, lower_bound from mine"),
    ("with totals as (select 1 as low) select low from totals",
     "with totals as (select 1 as low) select low from totals"),
    ("with a as (select * from cells), b as (select * exclude (low) from a) select status, b.high from b",
     "with a as (select * from cells), b as (select * exclude (lower_bound) from a) "
     "select obs_status, b.upper_bound from b"),
    ("select * replace (upper(status) as status), 1 as one from cells",
     "select * replace (upper(obs_status) as obs_status), 1 as one from cells"),
    ("select lower(low) as low from cells order by low",
     "select lower(lower_bound) as low from cells order by low"),
    ("select place_code, (select max(o.low) from observations o where o.place_system = c.status) from cells c",
     "select place_code, (select max(o.lower_bound) from observations o where o.geography = c.obs_status) "
     "from cells c"),
    ("select rank_low from ranks union all select high from gaps order by rank_low limit 5",
     "select rank_lower_bound from ranks union all select upper_bound from gaps order by rank_lower_bound limit 5"),
    ("select count(*) filter (where low > '1') over (partition by status order by high) from cells qualify true",
     "select count(*) filter (where lower_bound > '1') over (partition by obs_status order by upper_bound) "
     "from cells qualify true"),
    ("select own.status, holder from (values ('2')) own(status) join cells on own.status = cells.status",
     "select own.status, data_owner from (values ('2')) own(status) join cells on own.status = cells.obs_status"),
    ("select holder from cells join findings using (holder)",
     "select data_owner from cells join findings using (data_owner)"),
    ("select x.parts from (select * from gaps) x; select kind from changes",
     "select x.source_areas from (select * from gaps) x; select kind from code_changes"),
    ("select 'Ynys Môn' as état, é.low from cells é", "select 'Ynys Môn' as état, é.lower_bound from cells é"),
    ("create temp view v as select stand_in from cells", "create temp view v as select proxy_measure from cells"),
    ("select * from reporting where in_time_rate < '3'", "select * from completeness where on_time_rate < '3'"),
]  # fmt: skip


def make_tables(con: duckdb.DuckDBPyConnection, is_old: bool) -> None:
    """Make each table with three rows of text, under the old names or the new ones."""
    con.execute("create schema problem")
    old_tables = {new: old for old, new in TABLES.items()} if is_old else {}
    tables = {**{name: list(columns) for name, columns in column_meanings().items()}, "problem.p": ["verdict"]}
    for table, columns in tables.items():
        renamed = COLUMNS[VIEW] if table == "problem.p" else COLUMNS.get(table, {})
        old_columns = {new: old for old, new in renamed.items()} if is_old else {}
        names = dict.fromkeys([*columns, *renamed.values()])
        chosen = ", ".join(
            f'(range + {n} % 3)::varchar as "{old_columns.get(name, name)}"' for n, name in enumerate(names)
        )
        con.execute(f"create table {old_tables.get(table, table)} as select {chosen} from range(3)")


@pytest.fixture(scope="module")
def files() -> Iterator[tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]]:
    with duckdb.connect() as old, duckdb.connect() as new:
        make_tables(old, is_old=True)
        make_tables(new, is_old=False)
        yield old, new


@pytest.mark.parametrize(("query", "expected"), RUNS)
def test_upgraded_query_gives_the_same_rows(
    query: str, expected: str, files: tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]
) -> None:
    upgrade = upgrade_query(query)
    assert (upgrade.text, upgrade.notes) == (expected, ())
    before, after = (con.execute(text).fetchall() for con, text in zip(files, (query, upgrade.text), strict=True))
    # The order of rows without ORDER BY is not defined.
    assert sorted(before) == sorted(after)
    assert upgrade_query(upgrade.text) == upgrade


@pytest.mark.parametrize(
    ("query", "note"),
    [
        ("pivot cells on measure using sum(low)", "line 1: low was left; if it is an old name, write lower_bound"),
        ("select 1;\nselect * from own join cells using (holder)", "line 2: USING (holder) was left: one side has"),
        ("select status\nfrom 'own.csv'", "line 1: status was left; if it is an old name, write obs_status"),
        ("select columns('low') from cells", "line 1: COLUMNS(...) was left"),
        ("select frm where from cells", "line 1: not rewritten, DuckDB can't parse it as a SELECT"),
        (
            "select 1 from cells\nwhere reason = 'discontinued'",
            "line 2: 'discontinued' is no longer a gap reason; write",
        ),
        ("select low from cells union by name select 'x' as low", "line 1: UNION BY NAME of renamed columns"),
    ],
)
def test_words_that_are_not_rewritten_are_noted_with_their_line(query: str, note: str) -> None:
    assert any(item.startswith(note) for item in upgrade_query(query).notes)


def test_every_new_name_exists_and_no_old_name_does() -> None:
    meanings = column_meanings()
    assert set(TABLES.values()) <= set(meanings) and not set(TABLES) & set(meanings)
    for table, columns in COLUMNS.items():
        if table not in (VIEW, CROSSWALK):
            assert set(columns.values()) <= set(meanings[table]), table
            assert not set(columns) & set(meanings[table]), table


def test_command_prints_the_query_or_writes_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.sql"
    file.write_bytes(b"select low\r\nfrom cells, own where status = own.holder\r\n")
    new = b"select lower_bound\r\nfrom cells, own where obs_status = own.holder\r\n"
    printed = run("upgrade-sql", str(file), store=tmp_path)
    assert printed.returncode == 0 and printed.stdout.split() == new.decode().split()
    assert "line 2: holder was left" in printed.stderr
    assert run("upgrade-sql", str(file), "--in-place", store=tmp_path).stdout == ""
    assert file.read_bytes() == new
    refused = run("upgrade-sql", str(tmp_path / "none.sql"), store=tmp_path)
    assert refused.returncode == 1 and "can't be read" in refused.stderr
