"""Traps in published data; the number in a test's name is its number in the list of traps.

Most use small files written for the test; a few need the published files, and are skipped without them.
"""

import os
from collections import Counter
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from checks.figures import flag_figures
from pipelines.core.errors import DeclarationError, UnreadableError
from pipelines.core.snapshots import Snapshot
from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.geography.crosswalk import PlaceData
from pipelines.geography.load import load_place_data
from pipelines.geography.names import fold_name
from pipelines.geography.register import find_successors, require_places
from pipelines.observations.caveats import add_declared_caveats
from pipelines.observations.conform import Codes, conform_release
from pipelines.readers.read import read_sheet
from tests.checks.test_flags import COUNT, at, series
from tests.gaps.test_cells import EVERYONE
from tests.readers.test_read import PLAIN, SAME, UNDATED, cells, left_out, source, values
from tests.workbooks import ods, xlsx

ROOT = Path(__file__).resolve().parent.parent.parent
PUBLISHED = Path(os.environ.get("COMMONGROUND_PUBLISHED", ROOT.parent / "shared" / "data")) / "indicators"
HELD = pytest.mark.skipif(not (PUBLISHED / "MANIFEST.csv").is_file(), reason=f"no published files at {PUBLISHED}")


@pytest.fixture(scope="module")
def place_data(edition: Project) -> PlaceData:
    return load_place_data(edition, load_places(edition))


def codes(place_data: PlaceData, system: str) -> set[str]:
    return set(require_places(place_data.places.register, system)["place_code"])


def line(text: str) -> bytes:
    return f"code,year,stock\n{text}\n".encode()


def faults(content: bytes, text: str = "") -> dict[str | None, int]:
    return dict(Counter(cells(source(text), content)["fault"].to_list()))


def test_trap_1_2011_districts_have_2023_successors_and_swaps_are_no_mergers(place_data: PlaceData) -> None:
    old = sorted(code for code in codes(place_data, "lad_2011") if code[0] in "EW")
    actual = find_successors(place_data.places, old, codes(place_data, "lad_2023"))
    assert {len(actual[code].codes) for code in old} == {1}
    fife = find_successors(place_data.places, ["S12000015", "S12000024"], codes(place_data, "lad_2023"))
    assert {code: reach.codes for code, reach in fife.items()} == {
        "S12000015": ("S12000047",),
        "S12000024": ("S12000048",),
    }


def test_trap_2_recodes_with_and_without_moved_land_are_distinguished(place_data: PlaceData) -> None:
    actual = find_successors(place_data.places, ["E07000100", "E07000104", "E08000020"], codes(place_data, "lad_2023"))
    assert {reach.derivation for reach in actual.values()} == {"moved_land"}


def test_trap_3_split_small_areas_have_all_their_parts(place_data: PlaceData) -> None:
    table = next(item.table for item in place_data.areas if {"lsoa_2011", "lsoa_2021"} <= set(item.systems))
    parts = table.drop_nulls(["lsoa_2011", "lsoa_2021"]).group_by("lsoa_2011").agg(pl.col("lsoa_2021").n_unique())
    assert parts["lsoa_2021"].max() == 9


def test_trap_4_place_is_identified_by_code_whatever_its_name() -> None:
    declared = source("", PLAIN.replace("place: code", "place: code, label: name"))
    content = b"code,name,year,stock\nE09000024,Another name,2023,7\nE09000029,Merton,2023,0\n"
    assert values(declared, content) == SAME


def test_trap_5_recoded_health_board_has_its_successor(place_data: PlaceData) -> None:
    old, new = codes(place_data, "icb_2022"), codes(place_data, "icb_2023")
    changed = sorted(old - new)
    assert len(changed) == 2
    assert {reach.codes[0] for reach in find_successors(place_data.places, changed, new).values()} == new - old


def test_trap_6_catchment_of_a_trust_covers_many_districts(place_data: PlaceData) -> None:
    shares = next(item.table for item in place_data.shares if item.from_system.startswith("trust"))
    assert shares.group_by("from_code").len()["len"].median() > 20


def test_trap_7_codes_of_another_vintage_are_set_aside_and_named() -> None:
    known = Codes(frozenset({"E08000038"}), {"E08000016": "lad", "E08000038": "lad"}, {})
    sheet = read_sheet(line("E08000016,2023,7\nE08000038,2023,7"), source(""), "a.csv")
    snapshot = Snapshot("a", "x", date(2024, 1, 1), "", "", "", "a.csv", 1, "")
    read = conform_release(sheet, "a", source(""), snapshot, known)
    assert read.select("place_code", "fault").rows() == [("E08000016", "retired_code"), ("E08000038", None)]


def test_trap_8_pseudo_codes_are_not_places_and_are_counted() -> None:
    pseudo = "N99999999,2023,5\nM99999999,2023,6\nE09000024,2023,7"
    assert faults(line(pseudo)) == {"unallocated": 2, None: 1}
    assert faults(line("95ZZ,2023,5")) == {"unmatched_place": 1}


def test_trap_9_tiers_in_one_column_are_not_summed() -> None:
    tiers = "E92000001,2023,100\nE12000007,2023,50\nE10000002,2023,9\nE09000024,2023,7\nE09000029,2023,0"
    read = cells(source(""), line(tiers))
    assert Counter(read["fault"]) == {"total": 3, None: 2}
    assert read.filter(pl.col("fault").is_null())["value"].sum() == 7


def test_trap_10_figure_for_two_places_together_is_stored_once() -> None:
    declared = source("published_together: [[E09000024, E09000029]]\n")
    read = cells(declared, line("E09000024,2023,7\nE09000029,2023,7"))
    assert read.filter(pl.col("fault").is_null()).select("place_code", "value").rows() == [("E09000024+E09000029", 7.0)]


def test_trap_11_names_are_matched_by_rule_and_never_guessed() -> None:
    assert fold_name("Ynys Môn") == fold_name("YNYS  MON")
    declared = source("", PLAIN.replace("place: code", "label: name"))
    read = cells(declared, b"name,year,stock\nMERTON,2023,7\nMertn,2023,1\n")
    assert read["fault"].to_list() == [None, "unmatched_place"]


def test_trap_12_headings_inside_the_data_and_duplicate_places() -> None:
    content = line("\n".join(["E09000024,2023,7", "code,year,stock"] * 181 + ["E09000029,2023,0"]))
    sheet = left_out(source(""), content)
    assert (sheet.skipped_rows, sheet.frame.height) == (181, 182)
    assert faults(content) == {None: 2, "repeat": 180}
    assert faults(line("E09000024,2023,7\nE09000024,2023,8")) == {"duplicate": 2}


WIDE = "columns: {place: code}\nperiod_kind: month\nskip_columns: ['* - Annotations']\n"
ONE = "measures: {stock: {title: s, unit: i, kind: stock}}\nmarkers: {r: revised, p: provisional}\n"


def test_trap_13_break_markers_are_read_and_annotations_ignored() -> None:
    head = "code,December 2022 (r),December 2022 (r) - Annotations,November 2023 (p)\n"
    read = cells(source(WIDE, ONE), (head + "E09000024,7,x,8\n").encode())
    assert read.select("period_start", "value", "obs_status").rows() == [
        (date(2022, 12, 1), 7.0, "revised"),
        (date(2023, 11, 1), 8.0, "provisional"),
    ]


def test_trap_14_both_names_of_a_renamed_column_are_read() -> None:
    declared = source("", PLAIN.replace("place: code", "place: [areacd, code]"))
    assert values(declared, line("E09000024,2023,7\nE09000029,2023,0")) == SAME
    assert values(declared, line("E09000024,2023,7\nE09000029,2023,0").replace(b"code", b"areacd")) == SAME


def test_trap_15_changed_definition_is_a_caveat_on_all_later_figures() -> None:
    declared = source("period_kind: day\nbreaks: [{from: 2020-07-02, text: both pillars are counted}]\n")
    read = cells(declared, line("E09000024,2020-07-01,7\nE09000024,2020-07-02,9"))
    stored = Snapshot("a", "x", date(2024, 1, 1), "", "", "", "a.csv", 1, "")
    assert add_declared_caveats(read, declared, stored)["caveats"].to_list() == [None, "definition_break"]


def test_trap_16_file_without_a_period_is_not_dated_by_the_clock() -> None:
    with pytest.raises(DeclarationError, match="declare the period"):
        source("", UNDATED)


def test_trap_17_three_date_formats_in_one_column_are_read_as_declared() -> None:
    formats = "period_kind: day\nperiod_format: ['%d/%m/%Y', '%Y-%m-%d', '%d %b %Y']\n"
    read = cells(source(formats), line("E09000024,31/01/2020,1\nE09000024,2020-02-01,2\nE09000024,2 Feb 2020,3"))
    assert read["period_start"].to_list() == [date(2020, 1, 31), date(2020, 2, 1), date(2020, 2, 2)]
    assert faults(line("E09000024,31/01/2020,1"), "period_kind: day\n") == {"unreadable": 1}


def test_trap_18_markers_are_defined_by_source_and_unknown_ones_reported() -> None:
    markers = "markers: {'*': {status: confidential, lower_bound: 1, upper_bound: 4}, '..': not_available}\n"
    content = line("E09000024,2023,*\nE09000029,2023,..\nE06000052,2023,<1")
    read = cells(source(markers), content).sort("place_code")
    assert read.select("value", "obs_status", "fault").rows() == [
        (None, "normal", "unreadable"),
        (None, "confidential", None),
        (None, "not_available", None),
    ]


@HELD
def test_trap_19_sum_without_missing_councils_is_below_the_nation() -> None:
    rest = (
        'columns: {place: column 1, label: column 2}\nmarkers: {"..": not_available}\n'
        "measures: {homeless: {title: h, unit: households, kind: count, column: "
        '"Total number of households assessed1,2 / Grand Total / Total initial assessments1,2"}}\n'
    )
    shape = "format: ods\nsheet: A1\nheader_rows: 6\nblank_rows: true\nperiod: {start: 2022-10-01, end: 2022-12-31}\n"
    content = (PUBLISHED / "homelessness" / "Detailed_LA_202212.ods").read_bytes()
    sheet = read_sheet(content, source(shape, rest), "a.ods")
    heading = next(name for name in sheet.frame.columns if name.endswith("Total initial assessments1,2"))
    figures = sheet.frame.select("column 1", pl.col(heading).alias("text"))
    places = figures.filter(pl.col("column 1").str.contains("^E0[6-9]"))
    assert places.height == 309
    assert (places["text"] == "..").sum() == 20
    assert places["text"].cast(pl.Int64, strict=False).sum() == 66_315
    assert figures.filter(pl.col("column 1") == "E92000001")["text"].to_list() == ["72550"]


def test_trap_20_information_in_cell_colour_is_lost_and_reported() -> None:
    text = (ROOT / "sources" / "mhclg_rough_sleeping_approach.yaml").read_text(encoding="utf-8")
    assert "only by cell colour, which is not read" in text


def test_trap_21_count_that_falls_to_a_fraction_is_flagged() -> None:
    fallen = series(at(range(4, 5), range(14, 24), lambda value: round(value * 1_028 / 347_958)))
    result = flag_figures(fallen, {"figure": COUNT})
    assert (EVERYONE[4], "near_zero_leak") in result.select("place_code", "reason").rows()
    assert result["place_code"].unique().to_list() == [EVERYONE[4]]


def test_trap_22_blank_district_is_not_zero() -> None:
    read = cells(source(""), line("E09000024,2023,\nE09000029,2023,0"))
    assert read.select("value", "obs_status").rows() == [(None, "not_available"), (0.0, "normal")]


def test_trap_23_declared_negative_quantity_is_a_figure() -> None:
    declared = source("", PLAIN.replace("kind: stock", "kind: stock, range: [-1000, 1000]"))
    (row,) = cells(declared, line("E09000024,2023,-12.5")).to_dicts()
    assert (row["value"], row["lower_bound"], row["fault"]) == (-12.5, -12.5, None)
    # Where no return of stock is declared, a quantity below 0 is no figure.
    (row,) = cells(source(""), line("E09000024,2023,-12.5")).to_dicts()
    assert row["fault"] == "implausible"


def test_trap_24_totals_are_stored_separately_from_places() -> None:
    declared = source("totals: {TOTAL: E92000001}\n")
    read = cells(declared, line("TOTAL,2023,112467\nE09000024,2023,7"))
    result = read.select("place_code", "value", "fault").rows()
    assert sorted(result) == [("E09000024", 7.0, None), ("E92000001", 112_467.0, "total")]


def test_trap_25_cached_links_preambles_and_moving_titles() -> None:
    rows = [["A title"], [], ["Note 1: words"], ["code", "year", "stock"], ["E09000024", "2023", "7"],
            ["E09000029", "2023", "0"], [], ["1. A footnote"]]  # fmt: skip
    linked = "'file:///D:/old.xls'#Data"
    assert values(source("format: ods\n"), ods({linked: rows, "Data": rows})) == SAME
    assert values(source("format: excel\n"), xlsx({"Contents": [["words"]], "Data": rows[2:]})) == SAME


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("", line("E09000024,2023,7\nE09000029,2023,0\n£,,").replace("£".encode(), b"\xa3")),
        ("", line("E09000024,2023,7\nE09000029,2023,0").replace(b"\n", b"\r")),
        ("", b"\xef\xbb\xbf" + line("E09000024,2023,7\nE09000029,2023,0")),
        ("header_rows: 0\nheadings: [code, year, stock]\n", b"E09000024,2023,7\nE09000029,2023,0\n"),
    ],
    ids=["cp1252", "old Mac ends", "byte order mark", "no headings"],
)
def test_trap_26_encodings_line_ends_and_missing_headings(text: str, content: bytes) -> None:
    read = cells(source(text), content).filter(pl.col("fault").is_null())
    assert dict(read.select("place_code", "value").iter_rows()) == SAME


def test_trap_26_file_is_read_only_with_its_own_number_of_fields() -> None:
    given = [f"x{n}" for n in range(21)]
    declared = source(f"header_rows: 0\nheadings: [code, year, stock, {', '.join(given)}]\n")
    row = b"E09000024,2023,7" + b"," * 21
    assert values(declared, row + b"\n") == {"E09000024": 7.0}
    with pytest.raises(UnreadableError, match="found rows of 27 fields, expected 24"):
        cells(declared, row + b",,,x\n")


@HELD
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("la_emissions_mysociety_v1.2.0_EOL_DAMAGED.parquet", "format: parquet\n"),
        ("wimd2019_scores_small_area_EOL_DAMAGED.ods", "format: ods\n"),
    ],
)
def test_trap_27_file_damaged_by_line_end_conversion_is_refused(file: str, text: str) -> None:
    with pytest.raises(UnreadableError, match=r"damaged|truncated"):
        read_sheet((PUBLISHED / "corrupt_examples" / file).read_bytes(), source(text), file)


def test_trap_28_different_units_are_converted_by_scale() -> None:
    packs = "columns: {place: code, period: year}\nmeasures:\n" + "".join(
        f"  {name}: {{title: g, unit: gloves, kind: count, column: stock, scale: {scale}, filter: {{unit: {unit}}}}}\n"
        for name, unit, scale in (("gloves_in_packs", "pack", "200.0"), ("gloves", "single", "1.0"))
    )
    read = cells(source("", packs), b"code,year,unit,stock\nE09000024,2023,pack,2\nE09000029,2023,single,400\n")
    assert read["value"].to_list() == [400.0, 400.0]


def test_trap_29_alternative_headings_of_one_column_are_read() -> None:
    declared = source("", PLAIN.replace("column: stock", "column: [stock, Rateable Value, RV, Current RV]"))
    for heading in ("stock", "Rateable Value", "RV", '"Current\nRV"'):
        assert values(declared, f"code,year,{heading}\nE09000024,2023,7\nE09000029,2023,0\n".encode()) == SAME
    with pytest.raises(UnreadableError, match=r"expected also stock or Rateable Value or RV"):
        values(declared, b"code,year,rv2017\nE09000024,2023,7\n")


SHIFTED = ["2023,7,,,,", ",,,,E09000024,Merton,London,England,2023,7", "7,,,,E09000024,Merton"]


@pytest.mark.parametrize("row", SHIFTED, ids=["four to the left", "four to the right", "turned by four"])
def test_trap_36_columns_four_out_give_no_figure(row: str) -> None:
    read = cells(source(""), f"code,name,region,nation,year,stock\n{row}\n".encode())
    assert read.filter(pl.col("fault").is_null(), pl.col("value").is_not_null()).is_empty()
