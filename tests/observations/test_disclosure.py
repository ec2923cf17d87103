"""Suppressed figures of a real file, with bounds from its totals where they are declared to add."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.app import steps
from pipelines.core.errors import DeclarationError
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.declarations.source_parts import Additivity
from pipelines.gaps import answer as answering
from pipelines.geography.access import load_geography
from pipelines.observations.access import load_source_tables, scan_observations
from pipelines.observations.disclosure import narrow_hidden_bounds
from tests.gaps.test_cells import EVERYONE, MERTON, SUTTON, Case, cell_of, project_of

SOURCE = "period_kind: year\ngeography: lad_2023\ncoverage: [England]\n"
LONDON = "E12000007"


def london(*rows: str, total: str) -> list[str]:
    """Give every borough 5, except those named, and London a total; 31 others of 5 make 155."""
    named = {row.split(",")[0] for row in rows}
    return [*rows, *(f"{c},x,2023,5" for c in EVERYONE if c not in named), f"{LONDON},London,2023,{total}"]


def bounds(
    rows: list[str], source: str, folder: Path, measure: str = "kind: count", place: str = MERTON
) -> tuple[object, object]:
    cell = cell_of(Case(None, place, rows, source=SOURCE + source, measure=measure), folder)
    return cell["lower_bound"], cell["upper_bound"]


HIDDEN = london(f"{MERTON},x,2023,c", f"{SUTTON},x,2023,2", total="160")


def test_total_gives_the_only_suppressed_figure(tmp_path: Path) -> None:
    assert bounds(HIDDEN, "additivity: {totals: places}\n", tmp_path) == (3, 3)


def test_exact_bounds_still_leave_a_gap(tmp_path: Path) -> None:
    cell = cell_of(
        Case(None, MERTON, HIDDEN, source=SOURCE + "additivity: {totals: places}\n", measure="kind: count"), tmp_path
    )
    assert (cell["value"], cell["reason"]) == (None, "suppressed")


def test_places_published_together_count_once(tmp_path: Path) -> None:
    rows = london(f"{MERTON},x,2023,c", "E09000001,x,2023,9", "E09000033,x,2023,9", total="162")
    source = "additivity: {totals: places}\npublished_together: [[E09000001, E09000033]]\n"
    # 30 boroughs with 5, and two with 9 together, make 159.
    assert bounds(rows, source, tmp_path) == (3, 3)


def test_measure_that_sums_others_bounds_them(tmp_path: Path) -> None:
    project = two_measures(tmp_path)
    hidden = scan_observations(project, "a_source").filter(pl.col("place_code") == MERTON).sort("measure").collect()
    assert hidden.select("measure", "lower_bound", "upper_bound").rows() == [
        ("all", 10, 10),
        ("figure", 7, 7),
        ("other", 3, 3),
    ]
    finding = load_source_tables(project, "a_source").finding
    result = finding.filter(pl.col("check") == "narrowed_bounds")
    assert result.select("measure", "rows").rows() == [("other", 1)]


def two_measures(folder: Path) -> Project:
    """Prepare a file of three measures, one declared as the sum of the others."""
    root = project_of(Case(None, MERTON, [], source=SOURCE), folder).catalogue.root
    path = root / "sources" / "a_source.yaml"
    measures = ", ".join(
        f"{name}: {{title: t, unit: things, kind: count, column: {name}}}" for name in ("all", "figure", "other")
    )
    head = path.read_text().split("measures: {figure:")[0]
    path.write_text(f"{head}additivity: {{measures: {{all: [figure, other]}}}}\nmeasures: {{{measures}}}\n")
    rows = ["code,name,period,all,figure,other", f"{MERTON},x,2023,10,7,c", f"{SUTTON},x,2023,10,7,3"]
    (root / "sources" / "starter" / "2024-05-01.csv").write_text("\n".join(rows) + "\n")
    project = Project(load_catalogue(root), folder / "store", date(2024, 6, 30))
    steps.prepare_store(project)
    return project


def test_totals_give_no_bounds_in_a_release_of_another_vintage(tmp_path: Path) -> None:
    """Its places are of another geography, and one without a successor would be missing from the sum."""
    project = project_of(Case(None, MERTON, HIDDEN, source=SOURCE, measure="kind: count"), tmp_path)
    steps.prepare_store(project)
    seen, own = load_source_tables(project, "a_source"), load_geography(project, "lad_2023").places
    source = project.catalogue.sources["a_source"].model_copy(update={"additivity": Additivity(totals="places")})
    observed = scan_observations(project, "a_source").collect()
    earlier = observed.with_columns(pl.lit("lad_2022").alias("geography"))
    for observation, due in ((observed, (3, 3)), (earlier, (1, 4))):
        actual = narrow_hidden_bounds(observation, seen.total, source, own).observation
        assert actual.filter(pl.col("place_code") == MERTON).select("lower_bound", "upper_bound").row(0) == due


def test_only_counts_of_the_source_can_be_declared_to_add(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="additivity: found 'nothing_such'"):
        project_of(Case(None, MERTON, [], source=SOURCE + "additivity: {measures: {figure: nothing_such}}\n"), tmp_path)


def test_totals_and_rows_without_a_place_are_stored_separately(tmp_path: Path) -> None:
    rows = [*HIDDEN, "E08000038,Barnsley,2023,7", "E09000099,Nowhere,2023,1", "-,Not known,2023,4"]
    case = Case(None, MERTON, rows, source=SOURCE + "totals: {'-': unallocated}\n", measure="kind: count")
    project = project_of(case, tmp_path)
    steps.prepare_store(project)
    kept = load_source_tables(project, "a_source").total.sort("role", "place_label")
    assert kept.select("role", "tier", "place_code", "value").rows() == [
        ("retired_code", "lad", "E08000038", 7),
        ("total", "region", LONDON, 160),
        ("unallocated", None, None, 4),
        ("unmatched_place", "lad", "E09000099", 1),
    ]
    cells = answering.answer_problem(project, "a_problem")
    assert cells["value"].sum() == 31 * 5 + 2
