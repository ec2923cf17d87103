"""Totals of published files: the difference between nation, regions and places, and its components.

The files are not part of the project; these tests are skipped where the folder is absent.
"""

from datetime import date
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pytest
import yaml

from pipelines.core.schema import OBSERVATION_COLUMNS, conform_table
from pipelines.core.snapshots import Snapshot
from pipelines.core.store import hash_bytes
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.geography.access import load_places
from pipelines.geography.register import require_places
from pipelines.observations.conform import conform_release
from pipelines.observations.ingest import load_codes
from pipelines.observations.reconciliation import reconcile_totals
from pipelines.observations.totals import TOTAL, keep_totals, total_members
from pipelines.readers.read import read_sheet
from tests.starter.test_published import PUBLISHED
from tests.starter.test_published import pytestmark as pytestmark

HCLIC_COLUMN = 4
"""Column of table A1 with the number of assessments."""


@pytest.fixture(scope="module")
def project(edition: Project) -> Project:
    return edition


def taken_apart(project: Project, read: pl.DataFrame, source: Source, member: pl.DataFrame) -> pl.DataFrame:
    """Decompose the totals of one published file."""
    every = read.cast({cs.categorical(): pl.String}).with_columns(pl.lit(0, pl.Int64).alias("order"))
    sound = every.filter(pl.col("fault").is_null())
    return reconcile_totals(sound, keep_totals(every), source, member, load_places(project))


def declared(content: bytes, file: str, text: str, project: Project) -> tuple[Source, pl.DataFrame]:
    """Read a published file by a declaration in this module; return the source and every cell."""
    head = "title: t\npublisher: p\nlicence: l\npage: https://example.org\n"
    source = Source.model_validate(yaml.safe_load(head + text))
    snapshot = Snapshot("here", hash_bytes(content), date(2026, 1, 1), "", "", "test", file, len(content), "")
    codes = load_codes(source, load_places(project), Path("nowhere"))
    return source, conform_release(read_sheet(content, source, file), "here", source, snapshot, codes)


COVID = """
geography: utla_2019
coverage: [England]
columns: {place: Area code, label: Area name}
period: {start: 2020-01-30, end: 2020-04-27}
published_together: [[E06000052, E06000053]] # "Cornwall and Isles of Scilly", under Cornwall's code alone
measures: {cases: {title: c, unit: cases, kind: count, column: cases}}
"""


def test_nation_exceeds_its_regions_and_regions_exceed_their_places(project: Project) -> None:
    """Trap 24: 112,467 in England, 107,566 in its regions, 107,552 in the upper tier."""
    path = PUBLISHED / "indicators/covid_cases_testing/phe_coronavirus_cases_latest_2020-04-27.csv"
    daily = pl.col("Daily lab-confirmed cases").cast(pl.Int64, strict=False).sum().alias("cases")
    summed = pl.read_csv(path, infer_schema=False).group_by("Area code", "Area name", maintain_order=True).agg(daily)
    source, read = declared(summed.write_csv().encode(), path.name, COVID, project)
    own = require_places(load_places(project).register, "utla_2019").filter(pl.col("nation") == "England")
    actual = taken_apart(project, read, source, total_members(own))
    england = actual.filter(pl.col("tier") == "nation").row(0, named=True)
    assert (england["total"], england["sum_of_places"], england["places_without"]) == (112_467, 107_552, 0)
    assert (england["unallocated"], england["remainder"]) == (112_467 - 107_566, 14)
    regions = actual.filter(pl.col("tier") == "region")
    assert (regions["total"].sum(), regions["sum_of_places"].sum()) == (107_566, 107_552)
    # The daily figures of Hackney and the City of London were revised, and no longer sum to London's.
    assert regions.filter(pl.col("remainder") != 0).select("place_name", "remainder").rows() == [("London", 14)]


def test_wards_differ_from_their_district_in_228_of_340_months_within_rounding(project: Project) -> None:
    """Trap 24: 215 wards and 10 districts of Greater Manchester, each rounded to 5."""
    folder = PUBLISHED / "indicators/claimant_count/gm_2015_2017"
    wards, districts = (
        pl.read_csv(folder / f"gm_{name}.csv", infer_schema=False) for name in ("wards", "local_authorities")
    )
    source = Source.model_validate(
        {"title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "ward_2015",
         "columns": {"place": "wd15cd", "period": "date"}, "coverage": ["England"],
         "measures": {"claimants": {"title": "c", "unit": "people", "kind": "stock", "column": "count", "rounding": 5}}}
    )  # fmt: skip
    day = pl.col("date").str.to_date()
    about = [pl.lit("claimants").alias("measure"), day.alias("period_start"), day.alias("period_end"),
             pl.col("count").cast(pl.Float64).alias("value"), pl.lit(0, pl.Int64).alias("order")]  # fmt: skip
    observed = wards.select(*about, pl.col("wd15cd").alias("place_code"), pl.lit("normal").alias("obs_status"))
    stated = districts.select(
        *about, pl.col("lad15cd").alias("place_code"), pl.lit("total").alias("role"), pl.lit("lad").alias("tier")
    )
    member = wards.select(pl.col("lad15cd").alias("total_code"), pl.col("wd15cd").alias("place_code")).unique()
    observation = conform_table(observed, OBSERVATION_COLUMNS).with_columns(pl.lit(0, pl.Int64).alias("order"))
    actual = reconcile_totals(observation, conform_table(stated, TOTAL), source, member, load_places(project))
    assert actual.height == 340
    apart = actual.filter(pl.col("total") != pl.col("sum_of_places"))
    assert apart.height == 228
    result = apart.select((pl.col("sum_of_places") - pl.col("total")).alias("apart"))["apart"]
    assert (result.min(), result.max()) == (-15, 20)
    assert (actual["total"] == actual["sum_of_places"] + actual["rounding"]).all()


HCLIC = """
geography: lad_2022
coverage: [England]
columns: {place: code, period: period}
period_kind: quarter
markers: {"..": not_available}
measures: {assessments: {title: a, unit: households, kind: count, column: figure}}
"""


def test_england_total_includes_estimates_for_missing_councils(project: Project) -> None:
    """Trap 19: 72,550 in England, 66,315 in the councils that returned, 20 councils that did not."""
    path = PUBLISHED / "indicators/homelessness/Detailed_LA_202212.ods"
    table = pl.read_ods(path, sheet_name="A1", has_header=False, infer_schema_length=0, drop_empty_rows=False)
    codes = table.select(pl.nth(0).alias("code"), pl.nth(HCLIC_COLUMN).alias("figure")).filter(
        pl.col("code").str.contains(r"^E\d{8}$")
    )
    rows_ = codes.with_columns(pl.lit("2022 Q4").alias("period"), pl.col("figure").fill_null(""))
    source, read = declared(rows_.write_csv().encode(), path.name, HCLIC, project)
    own = require_places(load_places(project).register, "lad_2022").filter(pl.col("nation") == "England")
    england = (
        taken_apart(project, read, source, total_members(own)).filter(pl.col("tier") == "nation").row(0, named=True)
    )
    assert (england["total"], england["sum_of_places"]) == (72_550, 66_315)
    assert (england["missing_places"], england["places_without"], england["remainder"]) == (6_235, 20, 0)
