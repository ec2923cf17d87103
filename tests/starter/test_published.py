"""Complete published files, read by the declarations of the starter edition.

The files are not part of the project; these tests are skipped where the folder is absent.
"""

import gzip
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.core.snapshots import Snapshot
from pipelines.core.store import hash_bytes
from pipelines.declarations.project import Project
from pipelines.geography.access import load_geography, load_places
from pipelines.observations.conform import conform_release
from pipelines.observations.ingest import load_codes
from pipelines.readers.read import read_sheet
from pipelines.readers.tidy import tidy_sheet
from tests.breadth import wide
from tests.observations.compared import compare_releases

ROOT = Path(__file__).resolve().parent.parent.parent
PUBLISHED = Path(os.environ.get("COMMONGROUND_PUBLISHED", ROOT.parent / "shared" / "data"))
STARTER = ROOT / "sources" / "starter"
DRAWN = 8
"""`make test` writes every eighth starter file again."""
pytestmark = pytest.mark.skipif(
    not (PUBLISHED / "indicators" / "MANIFEST.csv").is_file(),
    reason=f"the published files are not at {PUBLISHED}; set COMMONGROUND_PUBLISHED to where they are",
)


@pytest.fixture(scope="module")
def project(edition: Project) -> Project:
    return edition


def cells(project: Project, name: str, file: str) -> pl.DataFrame:
    """Read a published file as a release of a source: every cell, with its fault if any."""
    path = PUBLISHED / file
    content = path.read_bytes()
    source = project.catalogue.sources[name]
    folder = project.catalogue.sources_dir
    snapshot = Snapshot(name, hash_bytes(content), date(2026, 1, 1), "", "", "test", path.name, len(content), "")
    system = load_geography(project, source.geography or "")
    codes = load_codes(source, load_places(project), folder / f"{name}.names.csv", system)
    return conform_release(
        tidy_sheet(read_sheet(content, source, path.name), folder / f"{name}.py"), name, source, snapshot, codes
    )


CLAIMANTS = (
    ("indicators/claimant_count/ons_els_claimant_rate_release_2024-11-15.csv", 9_407),
    ("indicators/claimant_count/ons_els_claimant_rate_release_2025-01-24.csv", 9_816),
    ("indicators/ons_explore_local_statistics/claimant-count.csv.gz", 10_325),
)


@pytest.mark.parametrize(("file", "rows"), CLAIMANTS)
def test_claimant_rate_is_read_completely_from_every_release(project: Project, file: str, rows: int) -> None:
    read = cells(project, "ons_claimant_rate", file)
    assert read.height == rows
    # Regions, counties and combined authorities are other tiers, and are not counted as districts.
    assert read["fault"].value_counts().sort("fault")["fault"].to_list() == [None, "total"]
    assert read.filter(pl.col("fault").is_null())["place_code"].n_unique() == 361
    assert read.filter(pl.col("obs_status") == "not_available").height == 132


def test_two_releases_differ_in_7853_of_9407_figures(project: Project) -> None:
    key = ["place_code", "period_start"]
    old, new = (cells(project, "ons_claimant_rate", file).select(*key, "value") for file, _ in CLAIMANTS[:2])
    both = old.join(new, on=key, suffix="_new", nulls_equal=True)
    assert both.height == 9_407
    assert both.filter(pl.col("value").ne_missing(pl.col("value_new"))).height == 7_853


def test_table_of_revisions_has_the_same_7853_of_9407_figures(project: Project) -> None:
    read = [cells(project, "ons_claimant_rate", file) for file, _ in CLAIMANTS[:2]]
    releases = [frame.with_columns(pl.lit(order, pl.Int64).alias("order")) for order, frame in enumerate(read)]
    actual, summary = compare_releases(pl.concat(releases))
    assert summary.select("cells_in_both", "changed", "disappeared").row(0) == (9_407, 7_853, 0)
    assert actual.filter(pl.col("kind") == "changed").height == 7_853
    merton = actual.filter(pl.col("place_code") == "E09000024", pl.col("period_start") == date(2020, 1, 1))
    assert merton.select("old", "new").rows() == [(2.6, 5.8)]


def test_universal_credit_export_is_read_completely(project: Project) -> None:
    read = cells(
        project, "dwp_uc_households", "indicators/universal_credit/statxplore_households_on_uc_lad_2015_2022.csv"
    )
    sound = read.filter(pl.col("fault").is_null())
    assert (sound["place_code"].n_unique(), sound["period_start"].n_unique(), sound.height) == (350, 90, 31_500)
    assert sound.filter(pl.col("published_marker") == "..").height == 406
    # The rule of the marker: no published figure is below 5.
    assert sound["value"].min() == 5
    assert sound.filter(pl.col("obs_status") == "provisional")["period_start"].unique().to_list() == [date(2023, 11, 1)]
    assert sound.filter(pl.col("obs_status") == "revised")["period_start"].n_unique() == 13


def test_universal_credit_by_council_differs_from_its_total_only_by_noise(project: Project) -> None:
    read = cells(
        project, "dwp_uc_households", "indicators/universal_credit/statxplore_households_on_uc_lad_2015_2022.csv"
    )
    total = read.filter(pl.col("fault") == "total").select("period_start", pl.col("value").alias("total"))
    parts = read.filter(pl.col("fault").is_null() | (pl.col("fault") == "unallocated"))
    sums = parts.group_by("period_start").agg(pl.col("value").sum())
    apart = sums.join(total, on="period_start").filter(pl.col("period_start") >= date(2019, 1, 1))
    assert apart.height == 49
    # At most 95 households in nearly five million.
    assert apart.select(((pl.col("value") / pl.col("total")) - 1).abs().max()).item() < 5e-5


def test_furlough_table_is_read_completely(project: Project) -> None:
    read = cells(project, "hmrc_furlough", "indicators/furlough/brc_local_authority_stats_2020-09-21.csv")
    counts = read.filter(pl.col("measure") == "furloughed_employments")
    assert counts["value"].sum() == 9_532_000
    assert counts.filter(pl.col("fault") == "repeat").height == 2
    assert counts.filter(pl.col("fault").is_null())["value"].sum() == 9_532_000 - 83_400 - 27_800


def test_residents_by_district_sum_to_each_nation(project: Project) -> None:
    read = cells(project, "ons_residents_16_64", "geo/population/lad23_mid2011_mid2022_syoa_sex_uk.csv.gz")
    sound = read.filter(pl.col("fault").is_null(), pl.col("period_end") == date(2022, 6, 30))
    result = dict(read.filter(pl.col("period_end") == date(2022, 6, 30)).select("place_code", "value").iter_rows())
    for nation, code in (("E", "E92000001"), ("W", "W92000004"), ("S", "S92000003"), ("N", "N92000002")):
        assert sound.filter(pl.col("place_code").cast(pl.String).str.starts_with(nation))["value"].sum() == result[code]


def test_codes_in_use_each_year_match_the_published_register(project: Project) -> None:
    from pipelines.geography.register import require_places

    register = load_places(project).register
    for file, year in (
        ("lad_2016-12_uk", 2016), ("lad_2017-12_uk", 2017), ("lad_2018-12_uk", 2018), ("lad_2019-12_uk", 2019),
        ("lad_2020-12_uk", 2020), ("lad_2021_uk", 2021), ("lad_2022-12_uk", 2022), ("lad_2023-04_uk", 2023),
        ("lad_2024-05_uk", 2024),
    ):  # fmt: skip
        published = pl.read_csv(PUBLISHED / "geo/lad_registers" / f"{file}.csv", infer_schema=False)
        codes = set(published.to_series(0))
        assert set(require_places(register, f"lad_{year}")["place_code"]) == codes, year


def test_every_2011_code_has_exactly_one_2023_successor(project: Project) -> None:
    from pipelines.geography.register import require_places, trace_changes

    places = load_places(project)
    published = pl.read_csv(PUBLISHED / "geo/lad_registers/lad_2011-12_ew.csv", infer_schema=False)
    target = set(require_places(places.register, "lad_2023")["place_code"])
    actual = trace_changes(places.changes, published.to_series(0).to_list(), target)
    assert len(actual) == published.height == 348
    assert {len(reach.codes) for reach in actual.values()} == {1}


def test_starter_edition_does_not_copy_a_published_file() -> None:
    published = {hash_bytes(path.read_bytes()) for path in PUBLISHED.rglob("*") if path.is_file()}
    for path in (ROOT / "sources" / "starter").iterdir():
        content = path.read_bytes()
        assert hash_bytes(content) not in published
        if path.suffix == ".gz":
            assert hash_bytes(gzip.decompress(content)) not in published


def test_drawn_starter_files_match_their_functions() -> None:
    """`make test-wide` runs the whole script."""
    program = (
        "import sys\nfrom pathlib import Path\nsys.path.insert(0, sys.argv[1])\n"
        "from carry_over import HERE, ITEMS, read_origins\n"
        "for item in ITEMS[:: int(sys.argv[3])]:\n"
        "    path = next(path for path in (HERE / item.file, HERE.parent / item.file) if path.is_file())\n"
        "    assert item.make(*read_origins(Path(sys.argv[2]), item)) == path.read_bytes(), item.file\n"
        "    print(item.file)\n"
    )
    # Without bytecode, which would be a folder among the starter files.
    command = [sys.executable, "-B", "-c", program, str(STARTER), str(PUBLISHED), str(DRAWN)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 10


@wide
def test_starter_edition_matches_its_script(tmp_path: Path) -> None:
    # The published files do not have the winter of 2019-20, so its file is kept; its provenance is compared.
    for part in [*STARTER.glob("*.py"), STARTER / "nhse_winter_sitrep_2019-20.parquet"]:
        shutil.copy(part, tmp_path)
    script = tmp_path / "carry_over.py"
    subprocess.run([sys.executable, str(script), str(PUBLISHED)], check=True, capture_output=True)
    for path in STARTER.iterdir():
        if path.is_file():
            assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_trusts_of_winter_2019_add_to_england_on_every_day() -> None:
    table = pl.read_parquet(STARTER / "nhse_winter_sitrep_2019-20.parquet")
    beds = [pl.col(f"CC Adult {name}").cast(pl.Float64, strict=False) for name in ("Open", "Occ")]
    england = table.filter(pl.col("Code") == "-").select("Date", *beds).sort("Date")
    trusts = table.filter(pl.col("Code") != "-").group_by("Date").agg(pl.len(), *(column.sum() for column in beds))
    assert trusts["len"].to_list() == [132] * 91
    assert trusts.drop("len").sort("Date").rows() == england.rows()
    assert england.row(0) == ("2019-12-02", 3730.0, 3152.0)
    assert (england["Date"].min(), england["Date"].max()) == ("2019-12-02", "2020-03-01")
