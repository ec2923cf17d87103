"""Keys of place pages: a change of anything that a page shows changes its key, and no other."""

from datetime import date

import polars as pl
import pytest

from pipelines.core.schema import table_from_records
from pipelines.gaps.history import HISTORY
from pipelines.gaps.verdicts import build_verdicts
from pipelines.outputs.place_brief import NO_BRIEF_FACTS, BriefFacts
from pipelines.outputs.place_context import NO_CONTEXT, NO_FACTS, Lines, limit_lines
from pipelines.outputs.place_keys import hash_groups, key_pages
from pipelines.outputs.place_pages import PageRows, collect_page_rows
from tests.report_sample import MEASURES, sample

NO_LEDGER = pl.DataFrame(schema={"gap_id": pl.String, "opened": pl.Date})
MEASURE_KEYS = dict.fromkeys(MEASURES, "1")


@pytest.fixture(scope="module")
def rows() -> PageRows:
    report = sample()
    judged = build_verdicts(report.cells, report.header, report.people)
    catalogue = type("Catalogue", (), {"measures": MEASURES})
    return collect_page_rows(catalogue, report.cells, judged, NO_LEDGER)  # type: ignore[arg-type]


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
    before = key_pages(rows, NO_CONTEXT, NO_BRIEF_FACTS, MEASURE_KEYS, "")
    code = getattr(rows, table)["place_code"][0]
    other_column = next(name for name in getattr(rows, table).columns if name not in ("place_code", "measure"))
    own = pl.col("place_code") == code
    changed = getattr(rows, table).with_columns(pl.when(~own).then(other_column).alias(other_column))
    after = key_pages(rows._replace(**{table: changed}), NO_CONTEXT, NO_BRIEF_FACTS, MEASURE_KEYS, "")
    assert {place for place in before if after[place] != before[place]} == {code}


def test_measures_facts_and_the_common_key_are_in_the_key(rows: PageRows) -> None:
    before = key_pages(rows, NO_CONTEXT, NO_BRIEF_FACTS, MEASURE_KEYS, "")
    code = rows.figures["place_code"][0]
    facts = NO_CONTEXT._replace(facts={code: NO_FACTS._replace(neighbours=("E09000002",))})
    revised, bordering = BriefFacts({code: [{"old": 1.0}]}, {}), BriefFacts({}, {code: [{"kind": "jump"}]})
    for context, brief in ((facts, NO_BRIEF_FACTS), (NO_CONTEXT, revised), (NO_CONTEXT, bordering)):
        after = key_pages(rows, context, brief, MEASURE_KEYS, "")
        assert {place for place in before if after[place] != before[place]} == {code}
    assert not set(before.values()) & set(key_pages(rows, NO_CONTEXT, NO_BRIEF_FACTS, MEASURE_KEYS, "x").values())
    for measure in rows.figures["measure"].unique():
        after = key_pages(rows, NO_CONTEXT, NO_BRIEF_FACTS, MEASURE_KEYS | {measure: "2"}, "")
        shown = set(rows.figures.filter(pl.col("measure") == measure)["place_code"])
        assert {place for place in before if after[place] != before[place]} == shown
    proxied = rows._replace(figures=rows.figures.with_columns(pl.lit("proxy").alias("proxy_measure")))
    keys = [key_pages(proxied, NO_CONTEXT, NO_BRIEF_FACTS, MEASURE_KEYS | {"proxy": key}, "")[code] for key in "12"]
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
