"""Reading a source from the store: the figures in use, by measure and geography."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.app import steps
from pipelines.core.slices import SLICE_KEY, newest_slices
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.observations.access import load_source_tables, read_current

ROOT = Path(__file__).resolve().parent.parent.parent
NAME, MEASURE = "mhclg_rough_sleeping", "people_sleeping_rough"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(load_catalogue(ROOT), tmp_path_factory.mktemp("store"), date(2026, 11, 24))
    steps.prepare_store(made)
    return made


def test_current_figures_are_those_of_the_newest_release(project: Project) -> None:
    every = load_source_tables(project, NAME).observation
    key = [*SLICE_KEY, "place_code"]
    assert read_current(project, NAME).equals(newest_slices(every).sort(key, maintain_order=True))
    assert read_current(project, NAME, []).is_empty()


def test_current_figures_of_one_geography_ignore_other_releases(project: Project) -> None:
    actual = read_current(project, NAME, [MEASURE], "lad_2016")
    assert actual["geography"].unique().to_list() == ["lad_2016"]
    assert actual.height > read_current(project, NAME).filter(pl.col("geography") == "lad_2016").height
