"""Small areas and shares: valid tables are read and impossible ones refused."""

import io
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from pipelines.app import steps
from pipelines.core.errors import UnreadableError
from pipelines.core.snapshots import Snapshot, store_snapshot
from pipelines.core.store import hash_bytes, state_path, table_key
from pipelines.declarations.project import Project
from pipelines.declarations.source import Source
from pipelines.geography.access import load_places
from pipelines.geography.catchments import Shares, read_shares
from pipelines.geography.load import load_shares, load_small_areas
from pipelines.geography.small_areas import (
    Areas,
    WeightSet,
    _refuse_weights,
    combine_areas,
    read_areas,
    weigh_lookup,
    weight_column,
)
from pipelines.readers.read import read_sheet
from tests.breadth import wide

ROOT = Path(__file__).resolve().parent.parent.parent
RELEASE = Snapshot("small", "0" * 64, date(2024, 12, 1), "December 2024", "", "", "small.csv", 1, "")
COMMON = {"title": "t", "publisher": "p", "licence": "l", "page": "https://example.org"}
SOURCE = Source.model_validate(
    {
        **COMMON,
        "provides": "areas",
        "nested_in": ["lad_2024", {"ttwa_2011": "best_fit"}],
        "weights": {"residents": {"day": date(2020, 6, 30), "groups": ("all_ages", "age_0_4")}},
    }
)
TRUSTS = Source.model_validate(
    {
        **COMMON,
        "provides": "shares",
        "shares": {
            "from_geography": "trust_2020",
            "to_geography": "lad_2019",
            "day": date(2019, 12, 31),
            "description": "admissions",
            "columns": {"from_code": "trust", "to_code": "district", "share": "part"},
        },
    }
)


@pytest.fixture(scope="module")
def project(edition: Project) -> Project:
    return edition


@pytest.fixture(scope="module")
def register(bundled: Project) -> pl.DataFrame:
    return load_places(bundled).register


def table(**columns: list[Any]) -> pl.DataFrame:
    """Build the table of two small areas of Merton and Sutton, with some columns replaced."""
    own: dict[str, list[Any]] = {
        "area_code": ["E01003371", "E01004067+E01033333"],
        "lad_2024": ["E09000024", "E09000029"],
        "ttwa_2011": ["E30000234", ""],
        "residents__all_ages": ["1500", "1600.5"],
        "residents__age_0_4": ["100", ""],
    }
    return pl.DataFrame({**own, **columns})


def read(register: pl.DataFrame, **columns: list[Any]) -> Areas:
    return read_areas(table(**columns), "small", SOURCE, RELEASE, register)


def test_blank_is_unknown_and_never_zero(register: pl.DataFrame) -> None:
    areas = read(register)
    assert areas.table.columns == list(SOURCE.area_columns)
    assert areas.table["residents__age_0_4"].to_list() == [100.0, None]
    assert areas.table["ttwa_2011"].to_list() == ["E30000234", None]
    assert areas.table["residents__all_ages"].to_list() == [1500.0, 1600.5]


def test_table_has_its_declaration_and_release(register: pl.DataFrame) -> None:
    areas = read(register)
    assert (areas.source, areas.released, areas.label) == ("small", date(2024, 12, 1), "December 2024")
    assert (areas.systems, areas.best_fit) == (("lad_2024", "ttwa_2011"), frozenset({"ttwa_2011"}))
    assert areas.weights == (WeightSet("residents", date(2020, 6, 30), ("all_ages", "age_0_4")),)
    assert weight_column("residents", "age_0_4") in areas.table.columns


LOOKUP = Source.model_validate(
    {
        **COMMON,
        "provides": "areas",
        "geography": "lsoa_2021",
        "headings": ["LSOA21CD", "WD24CD"],
        "nested_in": [{"ward_2024": "best_fit"}],
    }
)
MERTON, SUTTON = ("E01003371", "E05013811"), ("E01004067", "E05013752")


def read_lookup(register: pl.DataFrame) -> Areas:
    raw = pl.DataFrame({"WD24CD": [SUTTON[1], MERTON[1]], "LSOA21CD": [SUTTON[0], MERTON[0]]})
    return read_areas(raw, "lookup", LOOKUP, RELEASE, register)


def test_lookup_is_read_by_its_headings_and_its_areas_are_a_geography(register: pl.DataFrame) -> None:
    lookup = read_lookup(register)
    assert (lookup.systems, lookup.best_fit, lookup.weights) == (("lsoa_2021", "ward_2024"), {"ward_2024"}, ())
    assert lookup.table.rows() == [(area, ward, area) for area, ward in (MERTON, SUTTON)]


def test_lookup_has_the_residents_of_the_parts_of_its_areas(register: pl.DataFrame) -> None:
    parts = pl.DataFrame(
        {
            "area_code": ["a", "b", "c", "d"],
            "lsoa_2021": [MERTON[0], MERTON[0], SUTTON[0], None],
            "residents__all_ages": [1500.0, 100.0, 1600.0, 9.0],
            "residents__age_0_4": [100.0, 7.0, None, 9.0],
        }
    )
    weights = (WeightSet("residents", date(2020, 6, 30), ("all_ages", "age_0_4")),)
    lookup = read_lookup(register)
    elsewhere = lookup._replace(systems=("lad_2024",))
    weighed = weigh_lookup(lookup, [elsewhere, lookup._replace(table=parts, weights=weights)])
    assert weighed is not None
    assert (weighed.source, weighed.weights, weighed.systems) == ("lookup", weights, lookup.systems)
    assert weighed.table.rows() == [(*MERTON, MERTON[0], 1600.0, 107.0), (*SUTTON, SUTTON[0], 1600.0, None)]
    assert weigh_lookup(lookup, [elsewhere]) is None


CENSUS = date(2021, 3, 21)


def test_lookups_with_weights_come_after_the_tables_that_these_are_from() -> None:
    count = weight_column("census", "all")
    parts = pl.DataFrame({"area_code": ["A1", "A2"], "ward_2022": ["W1", "W1"], count: [1.0, 2.0]})
    weighted = Areas("small", CENSUS, "r", ("ward_2022",), frozenset(), (WeightSet("census", CENSUS, ("all",)),), parts)
    wards = pl.DataFrame({"area_code": ["W1"], "ward_2022": ["W1"], "lad_2022": ["L1"]})
    known = Areas("wards", CENSUS, "r", ("ward_2022", "lad_2022"), frozenset(), (), wards)
    others = known._replace(source="others", systems=("msoa_2021", "lad_2022"))
    combined = combine_areas([known, weighted, others], {"wards", "others"})
    assert [areas.source for areas in combined] == ["small", "wards"]
    assert combined[1].table.select("area_code", count).rows() == [("W1", 3.0)]
    assert [areas.source for areas in combine_areas([known, weighted], {"others"})] == ["small"]


@pytest.mark.parametrize("text", ["0", "0.5", "12", " ", None])
def test_weight_from_0_or_blank_is_accepted(text: str | None) -> None:
    _refuse_weights(pl.DataFrame({"area_code": ["A1"], "people": [text]}, schema_overrides={"people": pl.String}),
                    "people", "f.csv")  # fmt: skip


@pytest.mark.parametrize("text", ["-0.1", "-1", "nan", "inf", "few"])
def test_other_weight_is_refused(text: str) -> None:
    with pytest.raises(UnreadableError, match=f"'{text}' in people for A1, expected residents: a number from 0"):
        _refuse_weights(pl.DataFrame({"area_code": ["A1"], "people": [text]}), "people", "f.csv")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"area_code": ["E01003371", "E01003371"]}, "found area_code E01003371 twice"),
        ({"area_code": ["E01003371", " "]}, "found a blank area_code in row 2"),
        ({"area_code": ["E01003371", "=cmd()"]}, "found '=cmd()' in area_code"),
        ({"area_code": ["E01003371", "<script>"]}, "found '<script>' in area_code"),
        ({"ttwa_2011": ["E30000234", "London"]}, "found 'London' in ttwa_2011"),
        ({"residents__all_ages": ["1500", "-1"]}, "found '-1' in residents__all_ages for E01004067+E01033333"),
        ({"residents__all_ages": ["1500", "inf"]}, "found 'inf' in residents__all_ages"),
        ({"residents__all_ages": ["1500", "NaN"]}, "found 'NaN' in residents__all_ages"),
        ({"residents__all_ages": ["1500", "c"]}, "found 'c' in residents__all_ages"),
        (
            {"lad_2024": ["E09000024", "E07000026"]},
            "found E07000026 (Allerdale, a lad code in use from 2009-01-01 to 2023-03-31) in lad_2024",
        ),
        ({"lad_2024": ["E09000024", "E08000038"]}, "E08000038 (Barnsley, a lad code in use since 2025-04-01)"),
        ({"lad_2024": ["E09000024", "E54000028"]}, "a icb code in use"),
        ({"lad_2024": ["E09000024", "E09999999"]}, "found E09999999, which is in no register, in lad_2024"),
        ({"lad_2024": ["E07000028", "E07000026"]}, "and 1 more"),
    ],
)
def test_impossible_table_is_refused(register: pl.DataFrame, columns: dict[str, list[Any]], expected: str) -> None:
    with pytest.raises(UnreadableError) as refused:
        read(register, **columns)
    assert "small.csv: " in str(refused.value) and expected in str(refused.value)
    assert "expected" in str(refused.value)


def test_missing_column_and_table_without_rows_are_refused(register: pl.DataFrame) -> None:
    with pytest.raises(UnreadableError, match="expected also ttwa_2011, residents__age_0_4"):
        read_areas(table().drop("ttwa_2011", "residents__age_0_4"), "small", SOURCE, RELEASE, register)
    with pytest.raises(UnreadableError, match="without rows"):
        read_areas(table().clear(), "small", SOURCE, RELEASE, register)


def test_nation_missing_from_a_geography_is_not_checked(register: pl.DataFrame) -> None:
    source = SOURCE.model_copy(update={"nested_in": {"lad_2014": "exact"}, "weights": {}})
    old = pl.DataFrame({"area_code": ["95AA01S1"], "lad_2014": ["95A"]})
    assert read_areas(old, "small", source, RELEASE, register).table["lad_2014"].to_list() == ["95A"]
    with pytest.raises(UnreadableError, match="E09999999"):
        read_areas(old.with_columns(lad_2014=pl.lit("E09999999")), "small", source, RELEASE, register)


def test_typed_numbers_are_read_the_same(register: pl.DataFrame) -> None:
    typed = table(residents__all_ages=[1500.0, 1600.5], residents__age_0_4=[100.0, None])
    assert read_areas(typed, "small", SOURCE, RELEASE, register).table.equals(read(register).table)


PARQUET = SOURCE.model_copy(update={"format": "parquet"})


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def test_parquet_is_read_as_text_like_any_file() -> None:
    sheet = read_sheet(parquet(table(residents__all_ages=[0.1 + 0.2, None])), PARQUET, "small.parquet")
    assert set(sheet.frame.drop("_row").dtypes) == {pl.String}
    assert sheet.frame["residents__all_ages"].to_list() == ["0.30000000000000004", ""]
    assert sheet.frame["_row"].to_list() == [1, 2]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"PAR1" + bytes(100) + b"PAR1", "not a Parquet file, or damaged"),
        (parquet(table())[:400], "not a Parquet file, or damaged"),
        (parquet(table()).replace(b"\n", b"\r\n"), "not a Parquet file, or damaged"),
        (parquet(table().drop("lad_2024")), "lad_2024"),
    ],
    ids=["empty", "a web page", "zeros", "cut short", "line ends changed", "a column short"],
)
def test_invalid_parquet_file_is_refused(content: bytes, expected: str) -> None:
    with pytest.raises(UnreadableError, match=expected):
        read_sheet(content, PARQUET, "small.parquet")


@wide
def test_changed_byte_never_crashes_the_reader() -> None:
    whole = parquet(table())
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        try:
            read_sheet(bytes(damaged), PARQUET, "small.parquet")
        except UnreadableError as error:
            assert "small.parquet: " in str(error)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"nested_in": ()}, "nested_in is given for a source that provides areas"),
        ({"provides": "place"}, "nested_in is given for a source that provides areas"),
        ({"nested_in": ("lad_2024", "ttwa_2011", "lad_2024")}, "lad_2024 is named twice"),
        ({"provides": "shares", "nested_in": (), "weights": {}}, "shares is given for"),
        ({"nested_in": ("districts",)}, "a geography, which is a kind and a year"),
    ],
)
def test_contradictory_declaration_is_refused(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        Source.model_validate({**SOURCE.model_dump(exclude_defaults=True), **change})


def shares(**columns: list[Any]) -> pl.DataFrame:
    own: dict[str, list[Any]] = {
        "trust": ["RVR", "RVR", "RJ7"],
        "district": ["E09000029", "E09000024", "E09000024"],
        "part": ["0.75", "0.25", "1"],
    }
    return pl.DataFrame({**own, **columns})


def read_trusts(register: pl.DataFrame, **columns: list[Any]) -> Shares:
    return read_shares(shares(**columns), "trusts", TRUSTS, RELEASE, register)


def test_shares_are_read_with_their_description(register: pl.DataFrame) -> None:
    actual = read_trusts(register)
    assert actual[:5] == ("trusts", "trust_2020", "lad_2019", date(2019, 12, 31), "admissions")
    assert actual.table.rows() == [
        ("RJ7", "E09000024", 1.0), ("RVR", "E09000024", 0.25), ("RVR", "E09000029", 0.75),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"part": ["0.75", "0.2", "0.8"]}, "found shares of RJ7 that sum to 0.8, the worst of 2 codes"),
        ({"part": ["0.75", "0.25", "1.1"]}, "found '1.1' in part"),
        ({"part": ["1.2", "-0.2", "1"]}, "found '1.2' in part"),
        ({"part": ["NaN", "0.25", "1"]}, "found 'NaN' in part"),
        ({"part": ["", "0.25", "1"]}, "found a blank part in row 1"),
        ({"trust": ["RVR", "RVR", ""]}, "found a blank trust in row 3"),
        ({"district": ["E09000024", "E09000024", "E09000024"]}, "found RVR to E09000024 twice"),
        ({"district": ["E09000029", "E06000063", "E09000024"]}, "E06000063 (Cumberland, a lad code in use since"),
        ({"trust": ["RVR", "RVR", "=1+1"]}, "found '=1+1' in from_code"),
    ],
)
def test_impossible_shares_are_refused(register: pl.DataFrame, columns: dict[str, list[Any]], expected: str) -> None:
    with pytest.raises(UnreadableError) as refused:
        read_trusts(register, **columns)
    assert "small.csv: " in str(refused.value) and expected in str(refused.value)


def test_shares_may_differ_from_1_by_the_declared_tolerance(register: pl.DataFrame) -> None:
    assert read_trusts(register, part=["0.75", "0.25", "0.9999995"]).table.height == 3


def test_tables_are_built_once_and_then_cached(project: Project) -> None:
    *_, areas = load_small_areas(project)
    path = state_path(project.home, "areas", "ons_small_areas")
    key, written = table_key(path), path.stat().st_mtime_ns
    *_, again = load_small_areas(project)
    assert again._replace(table=areas.table) == areas and again.table.equals(areas.table)
    assert (table_key(path), path.stat().st_mtime_ns) == (key, written)
    assert areas.source == "ons_small_areas" and areas.release == hash_bytes(
        (ROOT / "sources/starter/ons_small_areas.parquet").read_bytes()
    )


def test_declared_set_without_a_release_is_excluded(project: Project) -> None:
    assert "ons_output_areas" in project.catalogue.sources_providing("areas")
    assert [areas.source for areas in load_small_areas(project)] == ["nrs_data_zones", "ons_small_areas"]


def test_no_table_exists_before_its_release(project: Project) -> None:
    earlier = load_small_areas(project._replace(as_of=date(2024, 7, 2)))
    assert [areas.source for areas in earlier] == ["nrs_data_zones"]


def test_unreadable_newer_release_leaves_the_previous_one_in_use(project: Project, tmp_path: Path) -> None:
    other = project._replace(home=tmp_path)
    steps.prepare_store(other)
    broken = b"PAR1 and no more PAR1"
    newer = RELEASE._replace(source="ons_small_areas", sha256=hash_bytes(broken), released=date(2025, 6, 1))
    store_snapshot(tmp_path, broken, newer)
    *_, areas = load_small_areas(other)
    assert (areas.released, areas.table.height) == (date(2024, 12, 1), 44_506)
    with pytest.raises(UnreadableError, match=r"ons_small_areas: small\.csv: not a Parquet file"):
        (tmp_path / "snapshots" / areas.release).unlink()
        (state_path(tmp_path, "areas", "ons_small_areas")).unlink()
        load_small_areas(other)


def test_shares_of_trusts_exist_in_both_directions(project: Project) -> None:
    there, back = load_shares(project)
    assert (there.from_system, there.to_system) == (back.to_system, back.from_system) == ("trust_2020", "lad_2019")
    assert (there.table["from_code"].n_unique(), back.table["from_code"].n_unique()) == (140, 317)
    for item in (there, back):
        sums = item.table.group_by("from_code").agg(pl.col("share").sum())["share"]
        assert (sums - 1).abs().max() < 1e-9
