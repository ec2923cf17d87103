"""Python interface: the examples of the docs page run and give the stated output."""

import contextlib
import io
import re
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.app.api import move_between, open_geography, open_project
from pipelines.core.errors import CrosswalkError, UnknownNameError
from pipelines.declarations.project import Project
from pipelines.geography.crosswalk import CROSSWALK, build_crosswalk
from pipelines.outputs.crosswalk_file import add_provenance

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
FIGURES = {"measure": "people", "period_start": date(2021, 1, 1), "period_end": date(2021, 12, 31)}


def test_docs_page_runs_and_prints_its_output(
    edition: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMMONGROUND_STORE", str(edition.home))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```\s+```text\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == PAGE.count("```python")
    for code, expected in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        assert printed.getvalue() == expected


def test_every_crosswalk_row_has_its_provenance(edition: Project) -> None:
    project = open_project(edition.home, date(2026, 11, 24))
    stored = open_geography(project)
    for pair in (
        ("lad_2021", "icb_2022"),
        ("lad_2019", "lad_2023"),
        ("trust_2020", "lad_2019"),
        ("lsoa_2021", "lad_2024"),
    ):
        drawn = build_crosswalk(stored, *pair)
        result = add_provenance(drawn, project, stored)
        assert result.select(list(CROSSWALK)).drop("source").equals(drawn.drop("source"))
        assert result.select("source", "release", "released_at", "licence").null_count().sum_horizontal().item() == 0
        assert result.filter(pl.col("weighed_by").is_not_null() != pl.col("weight_day").is_not_null()).is_empty()
        assert result.filter(pl.col("to_code").is_not_null(), pl.col("coverage").is_null()).is_empty()
    cut = add_provenance(build_crosswalk(stored, "lad_2021", "icb_2022", "age_85_plus"), project, stored)
    row = cut.filter(pl.col("kind") == "apportioned").row(0, named=True)
    assert (row["source"], row["weight_set"], row["weight_group"]) == (
        "ons_small_areas",
        "residents_mid_2020",
        "age_85_plus",
    )
    assert row["weight_day"] == date(2020, 6, 30)


def test_coverage_is_the_share_of_residents_in_source_areas(edition: Project) -> None:
    project = open_project(edition.home, date(2026, 11, 24))
    stored = open_geography(project)
    result = add_provenance(build_crosswalk(stored, "icb_2022", "region_2023"), project, stored)
    assert result.filter(pl.col("coverage") < 1).is_empty()
    outside = add_provenance(build_crosswalk(stored, "icb_2022", "ttwa_2011"), project, stored)
    chepstow = outside.filter(pl.col("from_code").is_null(), pl.col("weight_population") > 0)
    assert chepstow.height and chepstow["coverage"].is_between(0, 1, closed="left").all()


@pytest.mark.parametrize(
    ("code", "system", "complaint"),
    [
        ("E06000063", "lad_2021", r"not in lad_2021; it is E06000063 \(Cumberland, a lad code in use since 2023"),
        ("E54000028", "lad_2021", "a icb code"),
        ("E01034001x", "lsoa_2021", "did you mean E01034001"),
    ],
)
def test_code_of_another_geography_is_refused_and_described(
    edition: Project, code: str, system: str, complaint: str
) -> None:
    stored = open_geography(open_project(edition.home, date(2026, 11, 24)))
    with pytest.raises(CrosswalkError, match=complaint):
        move_between(pl.DataFrame({**FIGURES, "place_code": [code], "value": [1.0]}), stored, system, "lad_2023")


def test_unknown_geography_is_refused(edition: Project) -> None:
    stored = open_geography(open_project(edition.home, date(2026, 11, 24)))
    with pytest.raises(UnknownNameError, match="unknown geography 'parish_2021'"):
        move_between(
            pl.DataFrame({**FIGURES, "place_code": ["E06000063"], "value": [1.0]}), stored, "parish_2021", "lad_2023"
        )
