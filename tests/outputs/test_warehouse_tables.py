"""The analyst's file of a project: after a new release, the same as one made from nothing."""

import gzip
from pathlib import Path

import duckdb

from pipelines.core.store import output_path, read_table
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.outputs import publish_warehouse, warehouse_is_fresh
from pipelines.outputs.freshness import partnership_view, warehouse_keys, warehouse_record_path
from pipelines.outputs.warehouse_observations import STORED_TABLES
from tests.breadth import wide
from tests.command import run

NUMBERED = {"slice", "place", "mark"}
RELEASE = "ons_claimant_rate_2026-06-26.csv.gz"
LATER = "ons_claimant_rate_2026-08-21.csv.gz"


def _read_tables(file: Path) -> dict[str, object]:
    """Return columns, number of rows and a sum of the rows' hashes of all tables and views, and all comments.

    The numbers that join the tables are left out.
    """
    with duckdb.connect(str(file), read_only=True) as con:
        names = con.sql("select table_schema || '.' || table_name from information_schema.tables").fetchall()
        content: dict[str, object] = {}
        for (name,) in names:
            if name.removeprefix("main.") not in STORED_TABLES:
                frame = con.sql(f"select * from {name}")
                own = frame.project(*(f'"{column}"' for column in frame.columns if column not in NUMBERED))
                hashes = con.sql("select count(*), sum(hash(t)::hugeint) from own t").fetchall()
                content[name] = (own.columns, list(map(str, own.types)), hashes)
        content["comments"] = con.sql(
            "select schema_name, table_name, column_name, data_type, comment from duckdb_columns() order by all"
        ).fetchall()
    return content


def _add_release(project: Project) -> None:
    """Add a later release of a source, with another figure of each place in Wales."""
    folder = project.catalogue.sources_dir / "starter"
    text = gzip.decompress((folder / RELEASE).read_bytes()).decode("utf-8-sig")
    lines = [line.replace(",3.", ",4.") if line.startswith("W06") else line for line in text.splitlines()]
    (folder / LATER).write_bytes(gzip.compress("\n".join(lines).encode()))


@wide
def test_file_after_a_new_release_is_the_file_made_from_nothing(small: Project) -> None:
    file = output_path(small.home, "commonground.duckdb")
    before = _read_tables(file)
    _add_release(small)
    built = run("build", store=small.home, project=small.catalogue.root)
    assert built.returncode == 0, built.stderr
    updated = _read_tables(file)
    assert updated["main.cells"] != before["main.cells"] and updated["main.revisions"] != before["main.revisions"]
    later = Project(load_catalogue(small.catalogue.root), small.home, small.as_of)
    assert warehouse_is_fresh(later)
    record = warehouse_record_path(later)
    parts = read_table(record)
    record.unlink()
    publish_warehouse(later)
    assert _read_tables(file) == updated
    assert read_table(record).drop("sha256").equals(parts.drop("sha256"))


def test_view_is_made_again_where_other_measures_are_behind_equal_figures(small: Project) -> None:
    name, catalogue = "jobs_south_london", small.catalogue
    select = catalogue.problems[name].select
    column = next(column for column, measures in select.inputs.items() if measures)
    other = select._replace(inputs={**select.inputs, column: ("vacancies", "claimants")})
    problems = {**catalogue.problems, name: catalogue.problems[name]._replace(select=other)}
    before, after = (
        warehouse_keys(small._replace(catalogue=one)) for one in (catalogue, catalogue._replace(problems=problems))
    )
    # Their descriptions name the measures of each column.
    assert {part for part in before if before[part] != after[part]} == {f"problem.{name}", partnership_view(name)}
