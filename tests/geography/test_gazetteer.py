"""The analysts' table of areas: the entity type of each code and its years of use."""

import polars as pl
import pytest

from pipelines.core.geocodes import ENTITY_NAMES, KIND_BY_PREFIX
from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.geography.lineage import GAZETTEER, build_gazetteer
from pipelines.geography.register import select_places


@pytest.fixture(scope="module")
def register(bundled: Project) -> pl.DataFrame:
    return load_places(bundled).register


@pytest.mark.parametrize(
    ("code", "entity", "first", "last"),
    [
        ("E07000026", "non-metropolitan district", 2009, 2022),
        ("E06000063", "unitary authority", 2023, None),
        ("E09000001", "London borough", 2009, None),
        ("W92000004", "country", 2009, None),
        ("RXH", None, 2002, 2020),
        ("UKI", None, 2018, 2020),
    ],
)
def test_code_has_an_entity_type_and_years_of_use(
    register: pl.DataFrame, code: str, entity: str | None, first: int, last: int | None
) -> None:
    row = build_gazetteer(register).filter(pl.col("place_code") == code).row(0, named=True)
    assert list(row) == list(GAZETTEER)
    assert (row["entity_type"], row["first_year"], row["last_year"]) == (entity, first, last)


def test_every_gss_kind_has_an_entity_type(register: pl.DataFrame) -> None:
    assert set(KIND_BY_PREFIX) == set(ENTITY_NAMES)
    gazetteer = build_gazetteer(register)
    assert gazetteer.height == register.height
    coded = gazetteer.filter(pl.col("place_code").str.contains(r"^[EWSNK]\d{8}$"))
    assert coded["entity_type"].null_count() == 0
    # A GP practice's code may have a country's prefix.
    assert gazetteer.filter(pl.col("kind") == "border_practice")["entity_type"].null_count() == 8


@pytest.mark.parametrize("system", ["lad_2011", "lad_2020", "lad_2023", "icb_2022", "trust_2021", "ward_2022"])
def test_years_of_use_select_the_same_codes_as_the_geography(register: pl.DataFrame, system: str) -> None:
    kind, year = system.rsplit("_", 1)
    gazetteer = build_gazetteer(register).filter(
        pl.col("kind") == kind, pl.col("first_year") <= int(year), pl.col("last_year").fill_null(9999) >= int(year)
    )
    assert set(gazetteer["place_code"]) == set(select_places(register, system)["place_code"])
