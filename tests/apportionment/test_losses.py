"""Residuals of a problem: published total equals the cells' total plus the listed residuals."""

from datetime import date
from pathlib import Path

import polars as pl

from pipelines.app import steps
from pipelines.core.store import read_table, state_path
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering
from pipelines.observations.access import scan_observations
from tests.small import districts_only

PROBLEM = """/*
question: q
decision: d
owner: o
geography: region_2023
grain: latest
needs: {residents_16_64: {max_age: 20 years}}
*/
select place.place_code, residents_16_64.value as residents
from region_2023.place join region_2023.residents_16_64 using (place_code)
"""


def test_problem_by_region_lists_the_districts_outside_england(tmp_path: Path) -> None:
    folder = districts_only(tmp_path, "ons_residents_16_64")
    (folder / "pipelines" / "problems" / "regions.sql").write_text(PROBLEM, encoding="utf-8")
    project = Project(load_catalogue(folder), tmp_path / "store", date(2026, 11, 24))
    steps.prepare_store(project)
    cells = answering.answer_problem(project, "regions")
    lost = read_table(state_path(project.home, "loss", "regions"))
    assert lost["place_code"].str.slice(0, 1).unique().sort().to_list() == ["N", "S", "W"]
    newest = lost.filter(pl.col("period_end") == date(2022, 6, 30))
    assert newest.height == 22 + 32 + 11
    seen = scan_observations(project, "ons_residents_16_64").collect()
    before = seen.filter(pl.col("period_end") == date(2022, 6, 30), pl.col("measure") == "residents_16_64")[
        "value"
    ].sum()
    assert cells["value"].sum() + newest["value"].sum() == before
