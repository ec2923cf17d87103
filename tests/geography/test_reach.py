"""How far the registers, lookups and weights reach, and the answer for places beyond."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from pipelines.core.errors import UnknownNameError, UnreadableError
from pipelines.core.geocodes import geography_date
from pipelines.core.periods import format_period
from pipelines.core.schema import PLACE_COLUMNS, table_from_records
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import BundledRelease
from pipelines.geography.names import suggest_codes
from pipelines.geography.reach import (
    add_reach,
    count_places,
    describe_unknown_code,
    describe_use,
    find_reach,
    refuse_unexpected_numbers,
    summarise_known_codes,
)
from pipelines.geography.register import require_places
from pipelines.outputs.declared_tables import describe_expected_places
from tests.command import ROOT

BOARDS_KNOWN = date(2024, 7, 31)


def place(code: str, kind: str, first: str = "2022-07-01", last: str | None = None, **more: Any) -> dict[str, Any]:
    days = {"valid_from": date.fromisoformat(first), "valid_to": last and date.fromisoformat(last)}
    return {"place_code": code, "place_name": code.lower(), "kind": kind, "known_up_to": BOARDS_KNOWN, **days, **more}


def register(*places: dict[str, Any]) -> pl.DataFrame:
    return table_from_records(list(places), PLACE_COLUMNS)


BOARDS = register(
    place("E54000052", "icb", last="2023-03-31"),
    place("E54000064", "icb", "2023-04-01"),
    place("E06000001", "lad", known_up_to=date(2026, 6, 30)),
    place("E10000001", "utla", known_up_to=date(2025, 6, 30)),
)


def declared(**keys: Any) -> Source:
    base = {"title": "t", "publisher": "p", "licence": "l", "page": "https://example.org", "provides": "place"}
    return Source.model_validate({**base, **keys})


@pytest.mark.parametrize("system", ["icb_2025", "icb_2099", "utla_2026", "lad_2027"])
def test_geography_past_the_register_is_refused_with_its_reach(system: str) -> None:
    kind = system.partition("_")[0]
    reach = find_reach(BOARDS, kind)
    assert reach
    with pytest.raises(
        UnknownNameError, match=f"knows {kind} up to .* {reach.year}; the newest is {kind}_{reach.year}"
    ):
        require_places(BOARDS, system)


def test_year_that_the_register_reaches_is_accepted() -> None:
    assert require_places(BOARDS, "icb_2024")["place_code"].to_list() == ["E54000064"]
    assert require_places(BOARDS, "utla_2025")["place_code"].to_list() == ["E06000001", "E10000001"]


def test_kind_of_several_kinds_reaches_as_far_as_the_least() -> None:
    assert find_reach(BOARDS, "utla") == date(2025, 6, 30)
    assert find_reach(BOARDS, "jobcentre") is None


@pytest.mark.parametrize(
    ("code", "reason", "evidence"),
    [
        ("E54000066", "newer_than_register",
         "E54000066: an integrated care board of England; newer than the register (July 2024)"),
        ("E54000053", "unmatched_place",
         "E54000053: an integrated care board of England, by its first three characters; the register (July 2024) has "
         "no such code"),
        ("E54000999", "unmatched_place",
         "E54000999: an integrated care board of England, by its first three characters; the register (July 2024) has "
         "no such code"),
        ("e54000066", "unmatched_place", "e54000066: no code of icb_2024"),
        ("", "unmatched_place", "blank: no code of icb_2024"),
    ],
)  # fmt: skip
def test_unknown_code_is_described_by_prefix_and_number(code: str, reason: str, evidence: str) -> None:
    known = summarise_known_codes(BOARDS["place_code"], BOARDS)
    assert describe_unknown_code(code, known, "icb_2024") == (reason, evidence)


def test_known_code_outside_the_geography_states_its_days() -> None:
    known = summarise_known_codes(BOARDS["place_code"], BOARDS)
    assert describe_use("E54000052", known, "icb_2024") == ", in use to 31 March 2023"
    assert describe_use("E54000064", known, "icb_2022") == ", in use from 1 April 2023"
    assert describe_use("RDZ", known, "trust_2020") == ""


@pytest.mark.parametrize(
    ("newest", "number", "reason"),
    [(10, 60, "newer_than_register"), (10, 61, "unmatched_place"), (10, 10, "unmatched_place"),
     (1000, 1100, "newer_than_register"), (1000, 1101, "unmatched_place"), (500, 550, "newer_than_register"),
     (500, 551, "unmatched_place")],
)  # fmt: skip
def test_newer_code_is_at_most_fifty_or_a_tenth_above_the_newest(newest: int, number: int, reason: str) -> None:
    known = summarise_known_codes([f"E54{newest:06}", "E54000001"], BOARDS)
    assert describe_unknown_code(f"E54{number:06}", known, "icb_2024").reason == reason


def test_kind_is_known_to_the_last_of_its_days() -> None:
    days = (date(2024, 7, 31), date(2025, 7, 31), date(2023, 7, 31))
    rows = [place(f"E5400000{n}", "icb", known_up_to=day) for n, day in enumerate(days)]
    assert summarise_known_codes([], register(*rows, place("E06000001", "lad", known_up_to=None))).up_to == {
        "icb": date(2025, 7, 31)
    }  # fmt: skip


def extent(**keys: Any) -> BundledRelease:
    return BundledRelease.model_validate({"file": "a.csv", "released": date(2030, 1, 1), **keys})


def test_code_that_began_on_the_day_of_a_geography_is_described_by_its_end() -> None:
    day = geography_date("icb_2024")
    known = summarise_known_codes([], register(place("E54000070", "icb", day.isoformat(), day.isoformat())))
    assert describe_use("E54000070", known, "icb_2024") == f", in use to {format_period(day, day)}"


def test_newest_number_of_a_prefix_has_all_its_digits() -> None:
    assert summarise_known_codes(["E00190001", "E00062207", "QMF"], BOARDS).newest == {"E00": 190_001}


def test_each_kind_has_its_own_last_day_or_the_usual_one() -> None:
    known = add_reach(BOARDS, extent(known_up_to={"lad": date(2026, 6, 30), "other": BOARDS_KNOWN}))
    assert dict(known.select("kind", "known_up_to").iter_rows()) == {
        "icb": BOARDS_KNOWN, "lad": date(2026, 6, 30), "utla": BOARDS_KNOWN
    }  # fmt: skip
    assert count_places(known) == {"icb": 1, "lad": 1, "utla": 1}
    assert add_reach(BOARDS, extent(known_up_to=BOARDS_KNOWN))["known_up_to"].unique().to_list() == [BOARDS_KNOWN]
    assert add_reach(BOARDS, extent())["known_up_to"].unique().to_list() == [date(2030, 1, 1)]


def test_other_number_than_expected_is_refused() -> None:
    expected = extent(expected_places={"icb": 42, "lad": 1})
    refuse_unexpected_numbers({"icb": 42, "lad": 1}, expected)
    with pytest.raises(UnreadableError, match=r"a\.csv: found 36 of icb, expected 42"):
        refuse_unexpected_numbers({"icb": 36, "lad": 1}, expected)
    with pytest.raises(UnreadableError, match="found 0 of lad, expected 1"):
        refuse_unexpected_numbers({"icb": 42}, expected)


@pytest.mark.parametrize(
    ("keys", "words"),
    [({"expected_places": {"icbs": 42}}, "'icbs' is not in this source"),
     ({"known_up_to": {"icbs": BOARDS_KNOWN}}, "'icbs' is not in this source"),
     ({"expected_places": {"icb": 0}}, "greater than 0")],
)  # fmt: skip
def test_impossible_expectation_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        declared(releases=[{"file": "a.csv", "released": BOARDS_KNOWN, **keys}])


def test_figures_have_no_expected_places() -> None:
    release = {"file": "a.csv", "released": BOARDS_KNOWN, "known_up_to": BOARDS_KNOWN}
    with pytest.raises(ValueError, match="are for places, code changes, areas and shares"):
        declared(provides="observation", releases=[release])


def test_every_bundled_table_of_places_has_a_reach_and_numbers() -> None:
    sources = load_catalogue(ROOT).sources
    tables = {n: s for n, s in sources.items() if s.provides in ("place", "change", "areas", "shares") and s.releases}
    assert len(tables) >= 11
    for name, source in tables.items():
        for release in source.releases:
            assert release.known_up_to and release.expected_places, name
            assert set(release.expected_places) >= {*source.nested_in, *source.weights}, name
    text = describe_expected_places(sources["ons_lad_register"])
    assert str(text["known_up_to"]).startswith("2024-07-31; lad 2026-06-30")
    assert "region 9" in str(text["expected_places"])
    assert describe_expected_places(sources["nhs_trust_sites"]) == {"known_up_to": None, "expected_places": None}


@pytest.mark.parametrize(
    ("text", "code"),
    [("e54000064", "E54000064"), ("E54OOO064", "E54000064"), ("\u00a0E5400 0064", "E54000064"),
     ("E540000064", "E54000064"), ("E54000099", ""), ("E54000064", "")],
)  # fmt: skip
def test_malformed_code_is_answered_with_the_code_meant(text: str, code: str) -> None:
    assert suggest_codes(text, BOARDS) == (f"{code} {code.lower()}" if code else "")


def test_code_with_several_rows_is_in_use_from_the_first_day_to_the_last() -> None:
    rows = [("E06000001", "2020-04-01", "2021-03-31"), ("E06000001", "2009-04-01", "2020-03-31"),
            ("E06000002", "2020-04-01", None), ("E06000002", "2009-04-01", "2020-03-31")]  # fmt: skip
    known = summarise_known_codes([], register(*(place(code, "lad", *days) for code, *days in rows)))
    assert known.in_use == {
        "E06000001": (date(2009, 4, 1), date(2021, 3, 31)), "E06000002": (date(2009, 4, 1), None),
    }  # fmt: skip
