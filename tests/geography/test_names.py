"""Names of councils as files write them, matched by rule; never by a guess."""

import polars as pl
import pytest

from pipelines.geography.names import candidates, folded, name_table

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
def test_a_name_is_met_however_files_write_it(written: str, code: str) -> None:
    assert name_table(PLACES, {})[folded(written)] == code


@pytest.mark.parametrize("written", ["Liverpol", "Cornwal", "Ã", "", "Bristol and Leicester"])
def test_a_name_that_is_only_like_one_is_not_taken_for_it(written: str) -> None:
    assert folded(written) not in name_table(PLACES, {})


def test_candidates_are_offered_for_a_person_to_choose() -> None:
    assert candidates("Liverpol", PLACES) == "E08000012 Liverpool"
    assert candidates("Atlantis", PLACES) == "no name is like it"


def test_a_name_that_two_places_bear_stands_for_neither() -> None:
    twice = pl.concat([PLACES, PLACES.head(1).with_columns(pl.lit("W06000099").alias("place_code"))])
    assert folded("Isle of Anglesey") not in name_table(twice, {})


def test_text_that_was_decoded_rightly_is_left_alone() -> None:
    assert folded("São Ãvila") == folded("Sao Avila")
