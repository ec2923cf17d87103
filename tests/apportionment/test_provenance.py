"""Provenance of placed figures: rows, markers, caveats and headings, compared with the definitions cell by cell."""

import random
from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.apportionment import place_figures
from pipelines.apportionment.matrix import MAX_PARTS_LISTED
from pipelines.core.schema import OBSERVATION_COLUMNS, table_from_records
from tests.apportionment.oracle import Leg, Row
from tests.apportionment.test_place import MEASURES, crosswalk_frame, denominators_of, figure, place_rows
from tests.breadth import cases

LEGS: list[Leg] = [
    ("A", "W", 1.0, 5.0), ("B", "W", 1.0, 5.0), ("C", "W", 0.5, 5.0), ("C", "X", 0.5, 5.0), ("D", "X", 1.0, 5.0),
    ("E", "Y", 1.0, 5.0), ("F", "Z", 0.75, 6.0), ("F", "Y", 0.25, 2.0), ("G", "Z", None, 1.0), ("G", "X", None, 2.0),
    ("H", "ZZ", 1.0, 5.0),
]  # fmt: skip
TARGETS = ("W", "X", "Y", "Z", "ZZ")
"""The last has one part, the others several."""


def span_of(year: int) -> dict[str, date]:
    return {"period_start": date(year, 1, 1), "period_end": date(year, 12, 31)}


def draw_rows(seed: int) -> list[Row]:
    """Draw figures of several measures and years, some of two places together, with markers and caveats."""
    rng = random.Random(seed)
    rows: list[Row] = []
    for measure in ("count", "issued", "index", "rate"):
        for year in (2021, 2022, 2023):
            joint = rng.choice([None, "A+B", "D+E", "C+F"])
            codes = [code for code in "ABCDEFGH" if rng.random() < 0.7 and code not in (joint or "")]
            for code in rng.sample([*codes, *([joint] if joint else [])], len(codes) + bool(joint)):
                value = rng.choice([None, 1.0, 2.0, 7.0])
                rows.append({
                    **figure(code, value, measure, "normal" if value else "confidential"), **span_of(year),
                    "file": f"{measure} {year}", "file_row": rng.randrange(2, 120),
                    "file_column": f"column {rng.randrange(9)}",
                    "published_marker": rng.choice([None, "", "p", "r"]) if value else rng.choice([None, "c", "x"]),
                    "caveats": rng.choice([None, None, "late", "early"]),
                    "caveat_evidence": rng.choice([None, "Seen", "Heard"]),
                    "place_label": f"Label of {code}",
                })  # fmt: skip
    return rows


def expected_provenance(rows: list[Row], to: str) -> Row:
    """Return the provenance of a cell from the rows of its slice, in their order."""
    there = {code for code, target, _, _ in LEGS if target == to and code}
    mine = [row for row in rows if there & set(row["place_code"].split("+"))]

    def join(name: str, separator: str) -> str | None:
        return separator.join(dict.fromkeys(row[name] for row in mine if row[name])) or None

    numbers = sorted({row["file_row"] for row in mine})
    return {
        "file_rows": ",".join(map(str, numbers)) or None,
        "file_column": mine[0]["file_column"] if mine else None,
        "published_marker": join("published_marker", ", "),
        "caveats": join("caveats", ","),
        "caveat_evidence": join("caveat_evidence", ". "),
        "source_areas": ",".join(sorted(there)),
        "file": rows[0]["file"],
    }


@pytest.mark.parametrize("seed", cases([0, 1, 2, 3], wide=range(8)))
@pytest.mark.parametrize("group", [None, "all_ages"])
def test_provenance_names_the_rows_behind_each_cell(seed: int, group: str | None) -> None:
    """Slices come one after another or with their rows apart."""
    rows = draw_rows(seed)
    if seed % 2:
        random.Random(seed).shuffle(rows)
    slices: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        slices.setdefault((row["measure"], row["period_start"]), []).append(row)
    table = table_from_records(rows, OBSERVATION_COLUMNS)
    placed = place_figures(table, crosswalk_frame(LEGS, group), MEASURES, table.clear())
    assert placed.height == len(slices) * len(TARGETS)
    for cell in placed.iter_rows(named=True):
        expected = expected_provenance(slices[cell["measure"], cell["period_start"]], cell["to_code"])
        assert {name: cell[name] for name in expected} == expected, cell


@pytest.mark.parametrize("seed", range(4))
def test_evidence_names_the_parts_that_lack_a_figure(seed: int) -> None:
    rows = draw_rows(seed)
    table = table_from_records(rows, OBSERVATION_COLUMNS)
    placed = place_figures(table, crosswalk_frame(LEGS, None), MEASURES, table.clear())
    gaps = placed.filter(pl.col("reason").is_in(["children_incomplete", "split", "needs_parts"]))
    assert gaps["reason"].n_unique() > 1
    for cell in gaps.iter_rows(named=True):
        mine = [row for row in rows if (row["measure"], row["period_start"]) == (cell["measure"], cell["period_start"])]
        values = {code: row["value"] for row in mine for code in row["place_code"].split("+")}
        there = sorted(code for code, to, _, _ in LEGS if to == cell["to_code"] and code)
        lacking = ", ".join(code for code in there if values.get(code) is None)
        known = [values[code] for code in there if values.get(code) is not None]
        assert (
            cell["evidence"]
            == {
                "children_incomplete": f"{len(known)} of {len(there)} parts have a figure; no figure for {lacking}",
                "split": "G is split between several places" + (f"; no figure for {lacking}" if lacking else ""),
                "needs_parts": f"{len(there)} parts ({','.join(there)}) have {min(known, default=0):.0f} to "
                f"{max(known, default=0):.0f}; their denominators are not stored",
            }[cell["reason"]]
        )


def many(number: int) -> tuple[list[str], list[Leg]]:
    codes = [f"P{at:02}" for at in range(number)]
    return codes, [(code, "X", 1.0, 1.0) for code in codes]


@pytest.mark.parametrize("number", [MAX_PARTS_LISTED, MAX_PARTS_LISTED + 1])
def test_rows_are_listed_up_to_a_maximum_of_parts(number: int) -> None:
    codes, legs = many(number)
    rows = [figure(code, 1.0, row=at + 2) for at, code in enumerate(codes)]
    actual = place_rows(rows, [*legs, ("Q", "Z", 1.0, 1.0)])
    listed = ",".join(str(at + 2) for at in range(number))
    assert actual["X"]["file_rows"] == (listed if number <= MAX_PARTS_LISTED else None)
    assert (actual["X"]["value"], actual["X"]["file_column"]) == (float(number), "column 2")


@pytest.mark.parametrize("lacking", [MAX_PARTS_LISTED, MAX_PARTS_LISTED + 1])
def test_parts_without_a_figure_are_listed_up_to_a_maximum(lacking: int) -> None:
    codes, legs = many(lacking + 1)
    actual = place_rows([figure(codes[-1], 1.0)], legs)["X"]
    listed = ", ".join(codes[:-1]) if lacking <= MAX_PARTS_LISTED else f"{lacking} places"
    assert actual["evidence"] == f"1 of {lacking + 1} parts have a figure; no figure for {listed}"


def test_combined_figure_is_quoted_with_its_label_and_not_with_others() -> None:
    """B is with A in one figure, of which half is in Y; C is whole."""
    legs: list[Leg] = [("A", "X", 1.0, None), ("B", "Y", 1.0, None), ("C", "X", 1.0, None), ("D", "Y", 1.0, None)]
    rows = [figure("C", 3.0), {**figure("A+B", 9.0), "place_label": "Alpha and Beta"}, figure("D", None)]
    actual = place_rows(rows, legs)
    evidence = "9 published together for A+B (Alpha and Beta)"
    assert {to: (row["reason"], row["evidence"]) for to, row in actual.items()} == {
        "X": ("combined_area", evidence), "Y": ("combined_area", evidence)
    }  # fmt: skip


def test_first_of_two_combined_figures_is_quoted() -> None:
    legs: list[Leg] = [(code, to, 1.0, None) for code, to in ("AX", "BY", "CX", "DZ")]
    rows = [{**figure(code, value), "place_label": f"Label {code}"} for code, value in (("C+D", 4.0), ("A+B", 9.0))]
    first, second = ("4 published together for C+D (Label C+D)", "9 published together for A+B (Label A+B)")
    actual = place_rows(rows, legs)
    assert {to: row["evidence"] for to, row in actual.items()} == {"X": first, "Y": second, "Z": first}


def averaged(rates: list[Row], weights: list[Row]) -> Row:
    legs: list[Leg] = [("A", "X", 1.0, None), ("B", "X", 1.0, None), ("C", "Y", 1.0, None)]
    placed = place_figures(table_from_records(rates, OBSERVATION_COLUMNS), crosswalk_frame(legs, None), MEASURES,
                           table_from_records(weights, OBSERVATION_COLUMNS))  # fmt: skip
    names = ("caveats", "caveat_evidence", "published_marker", "file_rows")
    return {row["to_code"]: {name: row[name] for name in names} for row in placed.iter_rows(named=True)}


def test_averaged_rate_has_the_caveats_of_its_denominators_too() -> None:
    """Markers and rows are those of the rates alone, and a rate of one place has no denominator behind it."""
    rates = [{**figure("A", 1.0, "rate", row=5), "caveats": "late", "published_marker": "p"},
             figure("B", 2.0, "rate", row=6), figure("C", 3.0, "rate", row=7)]  # fmt: skip
    weights = denominators_of(dict.fromkeys("ABC", 2.0), (date(2023, 1, 1), date(2023, 12, 31)))
    noted = [{**row, "caveats": "rough", "caveat_evidence": f"Seen in {row['place_code']}", "published_marker": "q"}
             for row in weights]  # fmt: skip
    alone = {"caveats": None, "caveat_evidence": None, "published_marker": None, "file_rows": "7"}
    assert averaged(rates, noted) == {
        "X": {"caveats": "rough,late", "caveat_evidence": "Seen in A. Seen in B", "published_marker": "p",
              "file_rows": "5,6"},
        "Y": alone,
    }  # fmt: skip
    assert averaged(rates, weights)["X"] == {
        "caveats": "late", "caveat_evidence": None, "published_marker": "p", "file_rows": "5,6"
    }  # fmt: skip


def test_incomplete_rate_has_no_caveats_of_denominators() -> None:
    weights = denominators_of(dict.fromkeys("ABC", 2.0), (date(2023, 1, 1), date(2023, 12, 31)))
    noted = [{**row, "caveats": "rough"} for row in weights]
    actual = averaged([figure("A", 1.0, "rate"), {**figure("C", 1.0, "rate"), "caveats": "late"}], noted)
    assert [actual[to]["caveats"] for to in "XY"] == [None, "late"]
