"""Problems about larger areas: districts aggregated to regions and nations, compared with published totals."""

import csv
import gzip
import io
import re
import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.app import steps
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering
from pipelines.geography.access import load_places
from pipelines.geography.register import find_successors, require_places
from tests.starter.test_published import PUBLISHED

ROOT = Path(__file__).resolve().parent.parent.parent
SOUTH_WEST, SOUTH_EAST, LONDON, YORKSHIRE = "E12000009", "E12000008", "E12000007", "E12000003"


def cells_of(system: str, folder: Path, store: Path) -> pl.DataFrame:
    """Answer jobs_recovery for another geography: only the geography's name changes."""
    root = folder / "project"
    shutil.copytree(ROOT / "sources", root / "sources")
    (root / "pipelines" / "problems").mkdir(parents=True)
    text = (ROOT / "pipelines" / "problems" / "jobs_recovery.sql").read_text(encoding="utf-8")
    text = re.sub(r"^groups: .*\n", "", text, flags=re.MULTILINE)  # partnerships are of districts
    (root / "pipelines" / "problems" / "by_area.sql").write_text(text.replace("lad_2023", system), encoding="utf-8")
    project = Project(load_catalogue(root), store, date(2026, 11, 24))
    steps.prepare_store(project)
    return answering.answer_problem(project, "by_area")


@pytest.fixture(scope="module")
def regions(own_store: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    return cells_of("region_2023", tmp_path_factory.mktemp("regions"), own_store)


@pytest.fixture(scope="module")
def nations(own_store: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    return cells_of("nation_2023", tmp_path_factory.mktemp("nations"), own_store)


def one(cells: pl.DataFrame, place: str, measure: str) -> dict[str, object]:
    return cells.filter(pl.col("place_code") == place, pl.col("measure") == measure).row(0, named=True)


def test_every_region_and_nation_has_its_cells(regions: pl.DataFrame, nations: pl.DataFrame) -> None:
    assert (regions.height, nations.height) == (9 * 6, 4 * 6)


def test_residents_of_each_nation_equal_the_published_total(nations: pl.DataFrame) -> None:
    text = gzip.decompress((ROOT / "sources" / "starter" / "ons_residents.csv.gz").read_bytes()).decode()
    for code in ("E92000001", "W92000004", "S92000003", "N92000002"):
        rows = [row for row in csv.DictReader(io.StringIO(text)) if row["Area code"] == code]
        published = sum(int(row[f"Mid-2022 population ({sex})"]) for row in rows for sex in ("Female", "Male"))
        cell = one(nations, code, "residents_16_64")
        assert (cell["value"], cell["derivation"]) == (published, "aggregated")


def test_places_published_together_in_a_region_are_counted_once(regions: pl.DataFrame) -> None:
    text = (ROOT / "sources" / "starter" / "hmrc_furlough.csv").read_text(encoding="utf-8")
    london = [row for row in csv.DictReader(io.StringIO(text)) if row["LAD19CD"].startswith("E09")]
    # Westminster and City of London have the same combined figure.
    expected = sum(int(row["Furlough count"]) for row in london) - 27_800
    assert one(regions, LONDON, "furloughed_employments")["value"] == expected
    assert one(regions, SOUTH_WEST, "furloughed_employments")["reason"] is None


def test_region_with_a_missing_district_is_a_gap(regions: pl.DataFrame) -> None:
    cell = one(regions, SOUTH_EAST, "furloughed_employments")
    assert (cell["value"], cell["reason"]) == (None, "children_incomplete")
    assert "E07000004" in str(cell["evidence"])


def test_rate_is_averaged_where_its_denominator_is_stored(regions: pl.DataFrame) -> None:
    claimants = one(regions, YORKSHIRE, "claimant_rate")
    assert (claimants["derivation"], claimants["obs_status"]) == ("rate_averaged", "estimated")
    assert one(regions, YORKSHIRE, "furlough_take_up")["reason"] == "needs_parts"


def test_nation_outside_the_source_coverage_is_a_gap(nations: pl.DataFrame) -> None:
    assert one(nations, "N92000002", "households_on_universal_credit")["reason"] == "nation_not_covered"


def test_every_district_since_2011_is_in_one_nation(bundled: Project) -> None:
    places = load_places(bundled)
    target = set(require_places(places.register, "nation_2023")["place_code"])
    for year in range(2011, 2026):
        codes = require_places(places.register, f"lad_{year}")["place_code"].to_list()
        actual = find_successors(places, codes, target)
        assert {len(reach.codes) for reach in actual.values()} == {1}
        assert len(actual) == len(codes)


@pytest.mark.skipif(
    not (PUBLISHED / "indicators" / "MANIFEST.csv").is_file(), reason=f"the published files are not at {PUBLISHED}"
)
def test_averaged_regional_rates_are_within_ten_per_cent_of_published_rates(regions: pl.DataFrame) -> None:
    packed = (PUBLISHED / "indicators/ons_explore_local_statistics/claimant-count.csv.gz").read_bytes()
    rows = csv.DictReader(io.StringIO(gzip.decompress(packed).decode("utf-8-sig")))
    published = {row["areacd"]: float(row["observation"]) for row in rows if row["period"] == "2025-01-01/P1Y"
                 and row["areacd"].startswith("E12")}  # fmt: skip
    assert len(published) == 9
    for code, rate in published.items():
        cell = one(regions, code, "claimant_rate")
        assert abs(float(str(cell["value"])) - rate) <= 0.1 + 1e-9, code
        assert float(str(cell["lower_bound"])) <= rate <= float(str(cell["upper_bound"]))
