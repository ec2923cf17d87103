"""Problems across the boundaries of their sources: figures kept, averaged, or withheld with a reason."""

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.app import steps
from pipelines.core.reasons import REASONS
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering
from tests.small import copied, stored_places

ROOT = Path(__file__).resolve().parent.parent.parent
AS_OF = date(2026, 6, 30)
REGISTERS = ("ons_lad_register", "ons_lad_changes", "ons_area_register", "dwp_jobcentres", "ons_small_areas")
ABOUT = "title: t\npublisher: A publisher\nlicence: l\npage: https://example.org\nperiod_kind: year\n"
COLUMNS = "columns: {place: code, period: period}\n"


def write_registers(folder: Path) -> None:
    """Write a project with the sources about places, and no problem."""
    root, sources = folder / "project", folder / "project" / "sources"
    (root / "pipelines" / "problems").mkdir(parents=True)
    (sources / "starter").mkdir(parents=True)
    shutil.copytree(ROOT / "sources" / "shared", sources / "shared")
    for name in REGISTERS:
        shutil.copy(ROOT / "sources" / f"{name}.yaml", sources)
        for path in (ROOT / "sources" / "starter").glob(f"{name}.*"):
            shutil.copy(path, sources / "starter")


def answered(
    folder: Path, own: str, asked: str, codes: list[str], *, need: str = "", kind: str = "kind: stock",
    values: dict[str, float | None] | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Answer one problem in one geography from a source in another; return its cells of the measure."""
    root, sources = folder / "project", folder / "project" / "sources"
    write_registers(folder)
    copied(Path(stored_places(write_registers, AS_OF).name), folder / "store")
    lines = [f"{code},2021,{'' if (v := (values or {}).get(code, 100.0)) is None else v},1000" for code in codes]
    (sources / "starter" / "own.csv").write_text("\n".join(["code,period,figure,people", *lines]) + "\n")
    (sources / "a_source.yaml").write_text(
        f"{ABOUT}{COLUMNS}geography: {own}\nreleases: [{{file: starter/own.csv, released: 2022-05-01}}]\n"
        f"measures:\n  figure: {{title: f, unit: things, column: figure, {kind}}}\n"
        "  people: {title: p, unit: people, column: people, kind: stock}\n"
    )
    allowed = ", ".join(item for item in ("max_age: 10 years", need) if item)
    (root / "pipelines" / "problems" / "a_problem.sql").write_text(
        f"/*\nquestion: q\ndecision: d\nowner: o\ngeography: {asked}\ngrain: latest\n"
        f"needs: {{figure: {{{allowed}}}}}\n*/\n"
        f"select place.place_code, figure.value as figure\nfrom {asked}.place join {asked}.figure using (place_code)\n"
    )
    project = Project(load_catalogue(root), folder / "store", AS_OF)
    steps.prepare_store(project)
    return answering.answer_problem(project, "a_problem").filter(pl.col("measure") == "figure")


def places_of(system: str) -> list[str]:
    """Return the codes of a bundled geography."""
    table = pl.read_parquet(ROOT / "sources" / "starter" / "ons_small_areas.parquet")
    return table[system].drop_nulls().unique().sort().to_list()


BOARDS, DISTRICTS, GROUPS = "icb_2022", "lad_2021", "ccg_2021"


def the(cells: pl.DataFrame, code: str) -> dict[str, Any]:
    row = cells.filter(pl.col("place_code") == code).row(0, named=True)
    if row["reason"]:
        assert row["severity"] == REASONS[row["reason"]].severity
        assert row["evidence"] and row["data_owner"] and row["remedy"]
    return row


def test_figures_known_for_boards_only_are_withheld_for_councils(tmp_path: Path) -> None:
    cells = answered(tmp_path, BOARDS, "lad_2023", places_of(BOARDS))
    merton = the(cells, "E09000024")
    assert (merton["value"], merton["reason"]) == (None, "coarser_only")
    assert (merton["lower_bound"], merton["upper_bound"]) == (0.0, 100.0)


def test_figures_with_too_large_an_error_are_withheld(tmp_path: Path) -> None:
    cells = answered(
        tmp_path, DISTRICTS, BOARDS, places_of(DISTRICTS), need="max_error: 0.000001" 
    )  # fmt: skip
    withheld = cells.filter(pl.col("reason") == "too_uncertain")
    assert withheld.height > 5
    row = the(cells, withheld["place_code"][0])
    assert row["value"] is None and row["lower_bound"] <= row["upper_bound"]
    # The figure of a board of whole councils is as exact as theirs.
    whole = cells.filter(pl.col("apportioned_share") == 0)
    assert whole.height > 20
    assert whole["reason"].null_count() == whole.height


def test_places_without_a_target_have_a_reason(tmp_path: Path) -> None:
    cells = answered(tmp_path, "jobcentre_2018", "lad_2023", ["BL11SX", "M155JB"])
    manchester = the(cells, "E08000003")
    assert (manchester["value"], manchester["reason"]) == (None, "children_incomplete")


def test_area_across_the_source_border_is_a_gap_and_not_a_low_figure(tmp_path: Path) -> None:
    cells = answered(tmp_path, GROUPS, "ttwa_2011", places_of(GROUPS), need="downscale: true")
    across = cells.filter(pl.col("reason") == "low_reach")
    assert across.height >= 5
    row = the(cells, across["place_code"][0])
    assert row["value"] is None and "of its residents are outside the source's geography" in row["evidence"]


def test_average_over_most_of_a_place_is_given_where_allowed(tmp_path: Path) -> None:
    codes = places_of(DISTRICTS)
    hole: dict[str, float | None] = dict.fromkeys(codes, 5.0) | {"E09000024": None}
    rate = "kind: rate, denominator: people"
    whole = the(answered(tmp_path / "a", DISTRICTS, BOARDS, codes, kind=rate, values=hole), "E54000031")
    assert (whole["value"], whole["reason"]) == (None, "children_incomplete")
    most = answered(tmp_path / "b", DISTRICTS, BOARDS, codes, kind=rate, values=hole, need="min_coverage: 0.5")
    row = the(most, "E54000031")
    assert (row["value"], row["reason"]) == (5.0, None)
    assert "incomplete_aggregate" in row["caveats"]
    assert 0.5 < row["coverage"] < 1
