"""Benchmark of a build: both peers agree, a difference is described, and measured rows replace earlier ones."""

import json
import re
import sys
from pathlib import Path

import polars as pl
import pytest

from benchmarks.build import END, START, describe_difference, rows_per_million, update_table, write_work
from benchmarks.build_peers import CELL, ROADS
from benchmarks.build_project import ROOT, Figures, load_areas, make_slices, write_figures
from benchmarks.build_ratio import CEILINGS, Costs, compute_ratios, list_excesses
from benchmarks.build_run import Row
from benchmarks.cost import Cost, run_command

CELLS = pl.DataFrame(
    [("m", "E1", None, 2.0, 2.0, 2.0, 1.0, "normal", None), ("m", "E2", None, None, 0.0, None, 0.0, None, "late")],
    schema=dict.fromkeys(CELL, pl.String) | dict.fromkeys(CELL[3:7], pl.Float64),
    orient="row",
)


@pytest.mark.parametrize("figures", [Figures(2, 2, 2), Figures(1, file_format="parquet")], ids=["csv", "parquet"])
def test_both_peers_give_equal_cells(figures: Figures, tmp_path: Path) -> None:
    (tmp_path / "sources" / "starter").mkdir(parents=True)
    write_work(tmp_path, write_figures(tmp_path, figures), figures)

    work = json.loads((tmp_path / "work.json").read_text(encoding="utf-8"))
    for peer in ROADS.values():
        peer(tmp_path, work)
    one, other = (pl.read_parquet(tmp_path / f"{road}.parquet").select(CELL).sort(CELL[:3]) for road in ROADS)
    assert one.height == 361 * figures.months * figures.measures
    assert {"children_incomplete", "nation_not_covered", None} <= set(one["reason"])
    assert describe_difference(one, other) == ""


def test_later_release_revises_some_figures() -> None:
    figures = Figures(1, releases=2)
    first, second = (next(make_slices(figures, release, load_areas())) for release in (0, 1))
    assert first["status"].equals(second["status"])
    assert 0.04 < (first["figure"] != second["figure"]).mean() < 0.06


@pytest.mark.parametrize(("column", "value"), [("value", 2.0000000001), ("reason", "suppressed"), ("value", None)])
def test_any_difference_of_a_cell_is_described(column: str, value: object) -> None:
    other = CELLS.with_columns(pl.Series(column, [value, CELLS[column][1]], CELLS[column].dtype))
    assert describe_difference(CELLS, other).startswith(f"{column} of m E1")
    assert describe_difference(CELLS, CELLS.head(1)).startswith("2 and 1 cells")
    assert describe_difference(CELLS, CELLS) == ""


def test_each_million_rows_excludes_the_constant() -> None:
    rows = [
        Row("rows 35 k", {"commonground": [Cost(10, 12, 500)]}),
        Row("rows 1 M", {"commonground": [Cost(12, 15, 600)]}),
    ]
    (row,) = rows_per_million(rows)
    assert row.costs["commonground"][0].cpu == pytest.approx(2 / (35_672 * 27 / 1e6))
    assert row.aim == "2"


def test_measured_row_replaces_its_earlier_row_only() -> None:
    page = f"above\n{START}| what |\n|---|\n| rows 1 M | old |\n| other | kept |\n{END}\nbelow"
    after = update_table(page, [Row("rows 1 M", {"commonground": [Cost(1, 2, 3)]})])
    assert "| rows 1 M | 1 | 1.00 | 2.0 | 3 |" in after and "old" not in after
    assert "| other | kept |" in after and after.startswith("above") and after.endswith("below")


def test_cost_includes_children_and_a_failure_ends_the_run(tmp_path: Path) -> None:

    work = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(3_000_000))'])"
    assert run_command([sys.executable, "-c", work], {}, tmp_path).cost.cpu > 0.02
    with pytest.raises(SystemExit, match="ended with 3"):
        run_command([sys.executable, "-c", "raise SystemExit(3)"], {}, tmp_path)


def test_every_section_names_the_road_that_it_times() -> None:
    page = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    roads = ("Road: what users run.", "Road: part of a build", "Road: plain Python")
    assert [text.splitlines()[0] for text in sections if not text.split("\n", 2)[2].startswith(roads)] == []


def test_ratio_above_its_ceiling_is_a_sentence() -> None:
    sound = dict.fromkeys(CEILINGS, 0.5)
    name = next(iter(CEILINGS))
    assert list_excesses(sound) == []
    assert list_excesses(sound | {name: 3 * CEILINGS[name]}) == [
        f"{name}: {3 * CEILINGS[name]:.1f}, and the ceiling is {CEILINGS[name]:.0f}"
    ]


def test_constant_and_peers_make_the_ratios() -> None:
    ratios = compute_ratios(Costs(small=5, large=8, unchanged=1, query=0.5, duckdb=0.6, imports=0.25))
    assert list(ratios.values()) == pytest.approx([5, 20, 4, 2])
