"""Keys of place pages: a change of anything that a page shows changes its key, and no other."""

from datetime import date

import polars as pl
import pytest

from pipelines.core.schema import table_from_records
from pipelines.gaps.history import HISTORY
from pipelines.gaps.verdicts import build_verdicts
from pipelines.outputs.place_brief import NO_BRIEF_FACTS, BriefFacts
from pipelines.outputs.place_context import NO_CONTEXT, NO_FACTS, Lines, PlaceContext, limit_lines
from pipelines.outputs.place_keys import hash_groups, key_pages, key_parts, key_places, list_new_measures
from pipelines.outputs.place_pages import PageRows, collect_page_rows
from pipelines.outputs.place_parts import find_same_parts
from tests.report_sample import MEASURES, sample

NO_LEDGER = pl.DataFrame(schema={"gap_id": pl.String, "opened": pl.Date})
MEASURE_KEYS = dict.fromkeys(MEASURES, "1")


@pytest.fixture(scope="module")
def rows() -> PageRows:
    report = sample()
    judged = build_verdicts(report.cells, report.header, report.people)
    catalogue = type("Catalogue", (), {"measures": MEASURES})
    return collect_page_rows(catalogue, [report.cells], judged, NO_LEDGER)  # type: ignore[arg-type]


def page_keys(
    rows: PageRows, context: PlaceContext, facts: BriefFacts, measure_keys: dict[str, str], common: str
) -> dict[str, str]:
    return key_pages(rows, facts, measure_keys, key_places(rows, context, common))


def same_parts(
    rows: PageRows, other: PageRows, context: PlaceContext = NO_CONTEXT, measure_keys: dict[str, str] = MEASURE_KEYS
) -> dict[str, set[str]]:
    """Return by place the parts with the same keys in some rows and in others, with other facts or measures."""
    before = key_parts(rows, MEASURE_KEYS, key_places(rows, NO_CONTEXT, ""))
    after = key_parts(other, measure_keys, key_places(other, context, ""))
    return {code: set(parts) for code, parts in find_same_parts(after, before).items()}


def test_hash_of_a_group_depends_on_its_rows_and_not_on_their_order() -> None:
    table = pl.DataFrame({"place_code": ["a", "b", "a"], "value": [1.0, 2.0, None], "names": [["x"], ["y", "z"], []]})
    hashes = hash_groups(table, "place_code")
    assert hash_groups(table.reverse(), "place_code") == hashes and len(set(hashes.values())) == 2
    for column in (pl.lit(3.0).alias("value"), pl.lit(["y"]).alias("names")):
        changed = table.with_columns(
            pl.when(pl.col("place_code") == "b").then(column).otherwise(column.meta.output_name())
        )
        other = hash_groups(changed, "place_code")
        assert other["a"] == hashes["a"] and other["b"] != hashes["b"]


@pytest.mark.parametrize("table", ["places", "verdicts", "figures", "gaps", "people"])
def test_each_table_of_rows_is_in_the_key_of_its_places_alone(rows: PageRows, table: str) -> None:
    before = page_keys(rows, NO_CONTEXT, NO_BRIEF_FACTS, MEASURE_KEYS, "")
    code = getattr(rows, table)["place_code"][0]
    other_column = next(name for name in getattr(rows, table).columns if name not in ("place_code", "measure"))
    own = pl.col("place_code") == code
    changed = getattr(rows, table).with_columns(pl.when(~own).then(other_column).alias(other_column))
    after = page_keys(rows._replace(**{table: changed}), NO_CONTEXT, NO_BRIEF_FACTS, MEASURE_KEYS, "")
    assert {place for place in before if after[place] != before[place]} == {code}


def test_measures_facts_and_the_common_key_are_in_the_key(rows: PageRows) -> None:
    before = page_keys(rows, NO_CONTEXT, NO_BRIEF_FACTS, MEASURE_KEYS, "")
    code = rows.figures["place_code"][0]
    facts = NO_CONTEXT._replace(facts={code: NO_FACTS._replace(neighbours=("E09000002",))})
    revised, bordering = BriefFacts({code: [{"old": 1.0}]}, {}), BriefFacts({}, {code: [{"kind": "jump"}]})
    for context, brief in ((facts, NO_BRIEF_FACTS), (NO_CONTEXT, revised), (NO_CONTEXT, bordering)):
        after = page_keys(rows, context, brief, MEASURE_KEYS, "")
        assert {place for place in before if after[place] != before[place]} == {code}
    assert not set(before.values()) & set(page_keys(rows, NO_CONTEXT, NO_BRIEF_FACTS, MEASURE_KEYS, "x").values())
    for measure in rows.figures["measure"].unique():
        after = page_keys(rows, NO_CONTEXT, NO_BRIEF_FACTS, MEASURE_KEYS | {measure: "2"}, "")
        shown = set(rows.figures.filter(pl.col("measure") == measure)["place_code"])
        assert {place for place in before if after[place] != before[place]} == shown
    proxied = rows._replace(figures=rows.figures.with_columns(pl.lit("proxy").alias("proxy_measure")))
    keys = [page_keys(proxied, NO_CONTEXT, NO_BRIEF_FACTS, MEASURE_KEYS | {"proxy": key}, "")[code] for key in "12"]
    assert keys[0] != keys[1]


def _line(level: str, code: str, value: float | None) -> dict[str, object]:
    day = date(2025, 1, 1)
    return {"measure": "m", "level": level, "place_code": code, "period_start": day, "period_end": day, "value": value}


def test_lines_of_some_places_have_their_nation_and_each_period_once() -> None:
    points = [_line("place", "N1", 1.0), _line("place", "N2", 2.0), _line("place", "N92", None),
              _line("nation", "N92", 3.0)]  # fmt: skip
    context = NO_CONTEXT._replace(
        facts={"N1": NO_FACTS._replace(nation="N92")}, lines=Lines(table_from_records(points, HISTORY))
    )
    own = limit_lines(context, ["N1"], ["m"]).lines
    assert not limit_lines(context, ["N1"], ["other"]).lines
    assert set(own) == {("m", "N1"), ("m", "N92")} and len(own) == 2
    assert [point.value for point in own["m", "N92"]] == [3.0]
    assert set(context.lines) == {("m", "N1"), ("m", "N2"), ("m", "N92")}


def test_part_is_the_same_where_its_rows_and_the_place_are(rows: PageRows) -> None:
    every = same_parts(rows, rows)
    code, measure = rows.figures.select("place_code", "measure").row(0)
    assert {"answers", "compare", f"m-{measure}"} <= every[code] and any("missing" in parts for parts in every.values())
    own = (pl.col("place_code") == code) & (pl.col("measure") == measure)
    figures = rows.figures.with_columns(pl.when(own).then(pl.lit(99.0)).otherwise("value").alias("value"))
    assert same_parts(rows, rows._replace(figures=figures)) == every | {code: every[code] - {f"m-{measure}"}}
    verdicts = rows.verdicts.with_columns(pl.lit(9).cast(rows.verdicts.schema["needs_met"]).alias("needs_met"))
    assert same_parts(rows, rows._replace(verdicts=verdicts))[code] == every[code] - {"answers"}
    gaps = rows.gaps.with_columns(pl.lit("another").alias("evidence"))
    assert not any("missing" in parts for parts in same_parts(rows, rows._replace(gaps=gaps)).values())
    places = rows.places.with_columns(pl.lit("Elsewhere").alias("nation"))
    assert same_parts(rows, rows._replace(places=places)) == {}


def test_other_facts_and_other_figures_of_a_measure_make_another_part(rows: PageRows) -> None:
    every, (code, measure) = same_parts(rows, rows), rows.figures.select("place_code", "measure").row(0)
    facts = NO_CONTEXT._replace(facts={code: NO_FACTS._replace(neighbours=("E09000002",))})
    assert same_parts(rows, rows, facts) == {place: parts for place, parts in every.items() if place != code}
    revised = same_parts(rows, rows, measure_keys=MEASURE_KEYS | {measure: "2"})
    assert revised == {place: parts - {f"m-{measure}"} for place, parts in every.items()}
    proxied = rows._replace(figures=rows.figures.with_columns(pl.lit("proxy").alias("proxy_measure")))
    parts = [key_parts(proxied, MEASURE_KEYS | {"proxy": key}, key_places(proxied, NO_CONTEXT, "")) for key in "12"]
    same = find_same_parts(*parts)
    assert all(not name.startswith("m-") for names in same.values() for name in names) and same


def test_rows_of_a_section_in_another_order_make_another_part(rows: PageRows) -> None:
    twice = rows.gaps.group_by("place_code").len().filter(pl.col("len") > 1)["place_code"]
    turned = same_parts(rows, rows._replace(gaps=rows.gaps.reverse()))
    assert twice.len() and all("missing" not in turned[code] for code in twice)


def test_measures_of_rendered_parts_need_no_lines(rows: PageRows) -> None:
    shown = set(rows.figures["measure"])
    parts = {code: {f"m-{name}": "" for name in own["measure"]}
             for (code,), own in rows.figures.partition_by("place_code", as_dict=True).items()}  # fmt: skip
    code, measure = rows.figures.select("place_code", "measure").row(0)
    assert list_new_measures(rows, {}) == shown and list_new_measures(rows, parts) == set()  # type: ignore[arg-type]
    assert list_new_measures(rows, parts | {code: {}}) >= {measure}  # type: ignore[arg-type]


def test_lines_with_a_break_are_kept_with_those_of_the_measures() -> None:
    points = [_line("place", "N1", 1.0) | {"caveats": "definition_break"}, _line("place", "N2", 2.0)]
    table = table_from_records([*points, _line("place", "N1", 3.0) | {"measure": "whole"}], HISTORY)
    own = limit_lines(NO_CONTEXT._replace(lines=Lines(table)), ["N1"], []).lines
    assert set(own) == {("m", "N1")}


def test_line_begins_with_its_first_figure() -> None:
    points = [_line("place", "N1", value) | {"period_start": date(year, 1, 1), "period_end": date(year, 1, 1)}
              for year, value in ((2023, None), (2024, 2.0), (2025, None))]  # fmt: skip
    lines = Lines(table_from_records(points, HISTORY))
    assert [point.value for point in lines.begin(("m", "N1"))] == [2.0, None] and len(lines["m", "N1"]) == 3
    assert ("m", "N1") in lines and ("m", "N2") not in lines
