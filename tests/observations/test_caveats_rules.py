"""Rules of caveats on single figures: which cells, from which day, with which text."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines.core.snapshots import Snapshot
from pipelines.declarations.source import Source
from pipelines.observations.caveats import add_caveat, add_declared_caveats, unknown_recalls

SNAPSHOT = Snapshot("s", "abcdef0123456789", date(2024, 1, 1), "", "", "test", "a.csv", 1, "")
NOTE = {"reason": "wrong column", "when": date(2024, 6, 3), "link": "https://example.org/note"}
SAID = "recalled by its publisher on 2024-06-03: wrong column (https://example.org/note)"
SCHEMA = {
    "measure": pl.String, "place_code": pl.String, "period_end": pl.Date,
    "caveats": pl.String, "caveat_evidence": pl.String,
}  # fmt: skip


def declared(**given: Any) -> Source:
    measure = {"title": "t", "unit": "u", "kind": "count", "column": "c"}
    return Source.model_validate(
        {"title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "geography": "lad_2023",
         "columns": {"place": "p", "period": "d"}, "measures": {"m": measure, "n": measure}, **given},
        strict=False,
    )  # fmt: skip


def table(*cells: tuple[str, str | None, int | None, str | None, str | None]) -> pl.DataFrame:
    """Build cells from a measure, a place, a year ending in March, and existing caveats with evidence."""
    result = [(m, p, y and date(y, 3, 31), caveats, evidence) for m, p, y, caveats, evidence in cells]
    return pl.DataFrame(result, schema=SCHEMA, orient="row")


CELLS = table(
    ("m", "E1", 2022, None, None),
    ("m", "E1", 2023, "flagged", "so it was"),
    ("n", "W1", 2023, None, None),
    ("n", "S1", 2024, None, None),
    ("m", "N1", 2024, "corrected", None),
    ("m", None, None, None, None),
)


def said(source: Source) -> list[tuple[str | None, str | None]]:
    actual = add_declared_caveats(CELLS, source, SNAPSHOT)
    assert_frame_equal(actual.drop("caveats", "caveat_evidence"), CELLS.drop("caveats", "caveat_evidence"))
    return actual.select("caveats", "caveat_evidence").rows()


def test_declaration_without_caveats_adds_none() -> None:
    assert_frame_equal(add_declared_caveats(CELLS, declared(), SNAPSHOT), CELLS)


@pytest.mark.parametrize(
    "recall",
    [
        {"withdrawn": {"abcdef012345": NOTE}},
        {"releases": [{"file": "starter/a.csv", "released": date(2024, 1, 1), "withdrawn": NOTE}]},
    ],
)
def test_recall_follows_existing_caveats_on_every_cell(recall: dict[str, Any]) -> None:
    assert said(declared(**recall)) == [
        ("recalled", SAID), ("flagged,recalled", f"so it was. {SAID}"), ("recalled", SAID), ("recalled", SAID),
        ("corrected,recalled", SAID), ("recalled", SAID),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "recall",
    [
        {"withdrawn": {"abcdef012346": NOTE}},
        {"releases": [{"file": "starter/b.csv", "released": date(2024, 1, 1), "withdrawn": NOTE}]},
        {"releases": [{"file": "starter/a.csv", "released": date(2024, 1, 2), "withdrawn": NOTE}]},
    ],
)
def test_recall_of_another_release_adds_no_caveat(recall: dict[str, Any]) -> None:
    assert_frame_equal(add_declared_caveats(CELLS, declared(**recall), SNAPSHOT), CELLS)


@pytest.mark.parametrize(
    ("day", "more", "touched"),
    [
        # On the last day of a period, the day after, and the day before.
        (date(2023, 3, 31), {}, [1, 2, 3, 4]),
        (date(2023, 4, 1), {}, [3, 4]),
        (date(2022, 4, 1), {}, [1, 2, 3, 4]),
        (date(2022, 3, 31), {}, [0, 1, 2, 3, 4]),
        (date(2023, 1, 1), {"measures": ["m"]}, [1, 4]),
        (date(2023, 1, 1), {"place_codes": ["W1", "S1"]}, [2, 3]),
        (date(2023, 1, 1), {"measures": ["m"], "place_codes": ["E1", "W1"]}, [1]),
        (date(2030, 1, 1), {}, []),
    ],
)
def test_break_affects_its_measures_and_places_from_its_day(
    day: date, more: dict[str, Any], touched: list[int]
) -> None:
    actual = said(declared(breaks=[{"from": day, "text": "it counts homes", **more}]))
    words = f"from {day} on: it counts homes"
    for number, (caveats, evidence) in enumerate(actual):
        before, why = CELLS.row(number)[3:]
        if number in touched:
            assert caveats == ",".join(filter(None, [before, "definition_break"]))
            assert evidence == ". ".join(filter(None, [why, words]))
        else:
            assert (caveats, evidence) == (before, why)
    assert len(actual) == 6


def test_recall_and_breaks_are_listed_in_order() -> None:
    breaks = [{"from": date(2022, 4, 1), "text": "one"}, {"from": date(2024, 1, 1), "text": "two"}]
    actual = said(declared(breaks=breaks, withdrawn={"abcdef012345": NOTE}))
    assert actual[3] == (
        "recalled,definition_break,definition_break", f"{SAID}. from 2022-04-01 on: one. from 2024-01-01 on: two"
    )  # fmt: skip
    assert actual[0] == ("recalled", SAID)


@pytest.mark.parametrize(
    ("nation", "touched"), [("England", [0, 1]), ("Wales", [2]), ("Scotland", [3]), ("Northern Ireland", [4])]
)
def test_nation_with_another_definition_has_a_caveat_on_its_cells(nation: str, touched: list[int]) -> None:
    actual = said(declared(not_comparable={nation: "homes, not people"}))
    words = f"{nation} uses another definition: homes, not people"
    assert [number for number, (caveats, _) in enumerate(actual) if "not_comparable" in (caveats or "")] == touched
    assert [number for number, (_, why) in enumerate(actual) if (why or "").endswith(words)] == touched
    untouched = [actual[number] for number in range(6) if number not in touched]
    assert untouched == [CELLS.row(number)[3:] for number in range(6) if number not in touched]


def test_evidence_can_differ_by_cell() -> None:
    actual = add_caveat(CELLS.head(5), pl.col("measure") == "m", "doubted", pl.col("place_code"))
    assert actual.select("caveats", "caveat_evidence").rows() == [
        ("doubted", "E1"), ("flagged,doubted", "so it was. E1"), (None, None), (None, None),
        ("corrected,doubted", "N1"),
    ]  # fmt: skip


def test_caveat_on_no_cell_changes_nothing() -> None:
    assert_frame_equal(add_caveat(CELLS, pl.lit(False), "doubted", "why"), CELLS)
    assert_frame_equal(add_caveat(CELLS, pl.lit(None, pl.Boolean), "doubted", "why"), CELLS)
    nothing = CELLS.clear()
    assert_frame_equal(add_caveat(nothing, pl.lit(True), "doubted", "why"), nothing)


def test_only_recalls_that_match_no_file_are_reported() -> None:
    source = declared(withdrawn={"abcdef012345": NOTE, "0123456789ab": NOTE, "ffffffffffff": NOTE})
    assert unknown_recalls(source, ["abcdef0123456789", "77770123456789ab", "ffffffffffff"]) == [
        "0123456789ab: declared as recalled, but no stored file has this sha256"
    ]
    assert len(unknown_recalls(source, [])) == 3
    assert unknown_recalls(declared(), []) == []
