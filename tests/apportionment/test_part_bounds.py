"""Bounds in the cells of a problem, where a trust was split."""

from datetime import date
from pathlib import Path

from pipelines.app import steps
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering
from tests.small import places_only


def test_enlarged_trust_has_no_upper_bound_and_its_neighbour_has_both(tmp_path: Path) -> None:
    """Pennine Acute (RW6) was split in 2021 between R0A, which is not in the file, and RM3."""
    root = places_only(tmp_path)
    (root / "sources" / "starter" / "deaths.csv").write_text("code,year,deaths\nRW6,2020,5\nRM3,2020,40\nRXR,2020,9\n")
    (root / "sources" / "a_source.yaml").write_text(
        "title: t\npublisher: p\nlicence: l\npage: https://example.org\nperiod_kind: year\ngeography: trust_2020\n"
        "columns: {place: code, period: year}\nreleases: [{file: starter/deaths.csv, released: 2021-02-01}]\n"
        "measures: {deaths: {title: d, unit: people, kind: count, column: deaths}}\n"
    )
    (root / "pipelines" / "problems" / "a_problem.sql").write_text(
        "/*\nquestion: q\ndecision: d\nowner: o\ngeography: trust_2022\nplace_codes: [R0A, RM3, RXR]\ngrain: year\n"
        "periods: {start: '2020', end: '2020'}\nneeds: {deaths: {}}\n*/\n"
        "select place_period.place_code, place_period.period_start, deaths.value as deaths\n"
        "from trust_2022.place_period join trust_2022.deaths using (place_code, period_start)\n"
    )
    project = Project(load_catalogue(root), tmp_path / "store", date(2026, 11, 24))
    steps.prepare_store(project)
    cells = answering.answer_problem(project, "a_problem")
    actual = {code: (value, low, high) for code, value, low, high in
             cells.select("place_code", "value", "lower_bound", "upper_bound").iter_rows()}  # fmt: skip
    assert actual == {"R0A": (None, 0.0, None), "RM3": (None, 40.0, 45.0), "RXR": (9.0, 9.0, 9.0)}
