"""Names of councils as files write them, matched by rule, without guesses."""

from difflib import get_close_matches

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.geography.names import (
    build_name_table,
    find_code,
    fold_name,
    split_combined_label,
    suggest_places,
    write_organisation_name,
)

PLACES = pl.DataFrame(
    [("W06000001", "Isle of Anglesey", "Ynys Môn"), ("E06000023", "Bristol, City of", None),
     ("E06000016", "Leicester", None), ("N09000010", "Newry, Mourne and Down", None),
     ("E06000003", "Redcar and Cleveland", None), ("E06000052", "Cornwall", None), ("E08000012", "Liverpool", None)],
    schema=["place_code", "place_name", "place_name_welsh"], orient="row",
)  # fmt: skip


@pytest.mark.parametrize(
    ("written", "code"),
    [("Ynys MÃ´n", "W06000001"), ("YNYS MON", "W06000001"), ("Ynys Môn", "W06000001"),
     ("Isle of Anglesey", "W06000001"),
     ("City of Bristol", "E06000023"), ("Bristol, City of", "E06000023"), ("Bristol", "E06000023"),
     ("Leicester UA", "E06000016"), ("Newry Mourne & Down", "N09000010"), ("Redcar  &  Cleveland", "E06000003"),
     ("The Redcar and Cleveland", "E06000003")],
)  # fmt: skip
def test_name_is_matched_in_every_spelling(written: str, code: str) -> None:
    assert build_name_table(PLACES, {})[fold_name(written)] == code


@pytest.mark.parametrize("written", ["Liverpol", "Cornwal", "Ã", "", "Bristol and Leicester"])
def test_similar_name_is_not_matched(written: str) -> None:
    assert fold_name(written) not in build_name_table(PLACES, {})


def test_candidates_are_suggested() -> None:
    assert suggest_places("Liverpol", PLACES) == "E08000012 Liverpool"
    assert suggest_places("Atlantis", PLACES) == "no similar name"


@given(
    st.text("abcdeé -'", max_size=12).filter(str.strip),
    st.lists(st.text("abcdeé -'", min_size=1, max_size=12), max_size=20, unique_by=fold_name),
)
def test_suggestions_are_those_of_a_search_of_every_name(label: str, names: list[str]) -> None:
    places = pl.DataFrame({"place_code": [f"E{n:08}" for n in range(len(names))], "place_name": names},
                          schema={"place_code": pl.String, "place_name": pl.String})  # fmt: skip
    rows = {fold_name(name): f"{code} {name}" for code, name in places.iter_rows()}
    close = get_close_matches(fold_name(label), rows, n=3, cutoff=0.6)
    assert suggest_places(label, places) == ("; ".join(rows[name] for name in close) or "no similar name")


def test_ambiguous_name_is_not_matched() -> None:
    twice = pl.concat([PLACES, PLACES.head(1).with_columns(pl.lit("W06000099").alias("place_code"))])
    assert fold_name("Isle of Anglesey") not in build_name_table(twice, {})


def test_correctly_decoded_text_is_unchanged() -> None:
    assert fold_name("São Ãvila") == fold_name("Sao Avila")


@pytest.mark.parametrize(
    ("label", "codes"),
    [
        ("Hackney and City of London", ("H", "L")),
        ("Cornwall & Isles of Scilly", ("C", "S")),
        ("Isles of Scilly, Cornwall", ("S", "C")),
        ("Brighton and Hove", ()),
        ("Brighton and Hove and Cornwall", ("B", "C")),
        ("Hackney", ()),
        ("Hackney and Hackney", ()),
        ("Hackney and elsewhere", ()),
        ("Bath and North East Somerset", ()),
        ("and", ()),
        ("", ()),
    ],
)
def test_label_of_several_places_is_split_into_names_only(label: str, codes: tuple[str, ...]) -> None:
    names = {"hackney": "H", "london (city)": "L", "cornwall": "C", "isles of scilly": "S", "brighton and hove": "B"}
    assert split_combined_label(label, names) == codes


@pytest.mark.parametrize(("listed", "written"), [
    ("ROYAL BROMPTON & HAREFIELD NHS FOUNDATION TRUST", "Royal Brompton & Harefield NHS Foundation Trust"),
    ("Guy's And St Thomas' NHS Foundation Trust", "Guy's and St Thomas' NHS Foundation Trust"),
    ("KING'S COLLEGE HOSPITAL", "King's College Hospital"), ("Isle Of Wight NHS Trust", "Isle of Wight NHS Trust"),
    ("THE ROYAL BOURNEMOUTH", "The Royal Bournemouth"),
    ("Kent And Medway NHS And Social Care", "Kent and Medway NHS and Social Care"),
])  # fmt: skip
def test_name_of_an_organisation_is_written_as_in_a_sentence(listed: str, written: str) -> None:
    assert write_organisation_name(listed) == written
    assert fold_name(listed) == fold_name(written)


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("Caerphilly", "P"),
        ("Caerphilly / Caerffili", "P"),
        ("Caerffili / Caerphilly", "P"),
        ("Caerphilly / Cardiff", None),
        ("Caerphilly / elsewhere", None),
        ("elsewhere / nowhere", None),
    ],
)
def test_label_in_two_languages_names_one_place(label: str, code: str | None) -> None:
    names = {"caerphilly": "P", "caerffili": "P", "cardiff": "C"}
    assert find_code(label, names) == code
    assert split_combined_label(label, names) == (("P", "C") if label == "Caerphilly / Cardiff" else ())
