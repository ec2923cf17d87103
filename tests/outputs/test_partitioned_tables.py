"""Partitioned Parquet of observations: the same figures in every engine, current after each build."""

from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipelines.core.store import output_path
from pipelines.declarations.project import Project
from tests.breadth import wide
from tests.command import Done, run
from tests.engines import SQL_BLOCKS, SparkConnect, spark_connect

pytestmark = pytest.mark.usefixtures("built_small")
KEY = ["measure", "place_code", "period_start", "period_end"]


def build(small: Project, *more: str) -> Done:
    done = run("build", *more, store=small.home, project=small.catalogue.root)
    assert done.returncode == 0, done.stderr
    return done


def tables(small: Project) -> Path:
    return output_path(small.home, "tables")


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}


def test_build_writes_tables_only_when_asked_and_then_keeps_them(small: Project) -> None:
    build(small)
    assert not tables(small).exists()
    assert "Tables   " in build(small, "--tables").stdout
    before = times(tables(small))
    assert before
    assert "(0 files written)" in build(small).stdout
    assert times(tables(small)) == before
    next(iter(before)).unlink()
    build(small)
    assert times(tables(small)).keys() == before.keys()
    build(small, "--no-tables")
    assert not times(tables(small))


def test_files_have_the_observations_of_the_analysts_file(small: Project) -> None:
    build(small, "--tables")
    with duckdb.connect(str(output_path(small.home, "commonground.duckdb")), read_only=True) as con:
        expected = con.sql("select * from observations").pl()
    files = pl.read_parquet(tables(small) / "observations" / "*" / "*.parquet")
    order = ["source", "release", *KEY, "file_row"]
    assert files.select(expected.columns).sort(order).equals(expected.sort(order))
    slices = pl.read_parquet(tables(small) / "slices" / "*.parquet")
    assert slices["rows"].sum() == files.height
    assert {str(tables(small) / path) for path in slices["path"]} == {
        str(p) for p in times(tables(small) / "observations")
    }


def test_withdrawn_source_has_no_table(small: Project) -> None:
    build(small, "--tables")
    name = "ons_claimant_rate"
    assert (tables(small) / "slices" / f"{name}.parquet").is_file()
    declaration = small.catalogue.root / "sources" / f"{name}.yaml"
    declaration.write_text(f"{declaration.read_text()}access: private\n")
    run("list", "sources", store=small.home, project=small.catalogue.root)
    assert not [path for path in times(tables(small)) if name in str(path)]


def read_with_duckdb(folder: Path, crosswalk: Path, text: str) -> pl.DataFrame:
    with duckdb.connect() as con:
        for view, files in (("observations", "observations/*/*"), ("slices", "slices/*")):
            con.execute(f"create view {view} as select * from read_parquet('{folder}/{files}.parquet')")
        con.execute(f"create view crosswalk as select * from read_parquet('{crosswalk}')")
        return con.sql(text).pl()


@wide
@pytest.mark.parametrize("title", sorted(SQL_BLOCKS))
def test_sql_of_the_page_is_the_same_on_a_spark_connect_server(small: Project, tmp_path: Path, title: str) -> None:
    build(small, "--tables")
    crosswalk = tmp_path / "crosswalk.parquet"
    made = run("crosswalk", "lad_2023", "region_2023", "--out", str(crosswalk), store=small.home,
               project=small.catalogue.root)  # fmt: skip
    assert made.returncode == 0, made.stderr
    ours = read_with_duckdb(tables(small), crosswalk, SQL_BLOCKS[title])
    with spark_connect() as server:
        theirs = read_with_spark(server, tables(small), crosswalk, SQL_BLOCKS[title])
    assert ours.height > 5 and ours.columns == theirs.columns
    keys = [name for name, dtype in ours.schema.items() if dtype != pl.Float64]
    assert ours.select(keys).sort(keys).equals(theirs.select(keys).cast(ours.select(keys).schema).sort(keys))
    both = ours.join(theirs.cast(ours.schema), on=keys, suffix="_spark", nulls_equal=True)
    assert both.height == ours.height
    for name in set(ours.columns) - set(keys):
        one, other = both[name], both[f"{name}_spark"]
        assert one.is_null().equals(other.is_null())
        assert ((one - other).abs() <= 1e-12 * one.abs()).all()


def read_with_spark(server: SparkConnect, folder: Path, crosswalk: Path, text: str) -> pl.DataFrame:
    for view, files in (("observations", f"{folder}/observations/*"), ("slices", f"{folder}/slices")):
        server.read.parquet(files).createOrReplaceTempView(view)
    server.read.parquet(str(crosswalk)).createOrReplaceTempView("crosswalk")
    answer = pl.from_arrow(server.sql(text).toArrow())
    assert isinstance(answer, pl.DataFrame)
    return answer


def test_page_places_figures_as_the_build_does(small: Project, tmp_path: Path) -> None:
    build(small, "--tables")
    crosswalk = tmp_path / "crosswalk.parquet"
    run("crosswalk", "lad_2023", "lad_2023", "--out", str(crosswalk), store=small.home, project=small.catalogue.root)
    placed = read_with_duckdb(tables(small), crosswalk, SQL_BLOCKS["place"])
    with duckdb.connect(str(output_path(small.home, "commonground.duckdb")), read_only=True) as con:
        cells = con.sql(
            "select measure, place_code as to_code, reference_start as period_start, reference_end as period_end, "
            "value "
            "from cells join measures using (measure) where value is not null and kind in ('count', 'stock') "
            "and derivation = 'observed'"
        ).pl().unique()  # fmt: skip
    both = cells.join(placed, on=["measure", "to_code", "period_start", "period_end"], suffix="_sql")
    assert both.height > 100
    assert ((both["value"] - both["value_sql"]).abs() <= 1e-12 * both["value"].abs()).all()
