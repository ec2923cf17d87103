"""Figures beside what another source says, or what they are made from: agreeing, and not."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from checks.agreement import find_conflicts, find_inconsistent_rates, find_low_reach
from pipelines.app import steps
from pipelines.core.errors import DeclarationError
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering
from pipelines.observations.comparison import all_disagreement_flags
from tests.apportionment.test_rates import YEAR, cell, table
from tests.gaps.test_cells import MERTON, SUTTON, Case, cell_of, project_of, with_peers

BEFORE = (date(2021, 1, 1), date(2021, 12, 31))
PLACES = ["A", "B", "C", "D", "E"]


def counts(measure: str, figures: list[float], span: tuple[date, date] = YEAR) -> list[dict[str, object]]:
    return [cell(measure, place, figure, span) for place, figure in zip(PLACES, figures, strict=True)]


def rates(figures: list[float]) -> pl.DataFrame:
    return table(counts("rate", figures))


TOP = table(counts("claimants", [30.0, 40.0, 50.0, 60.0, 70.0]))
BELOW = counts("people", [1_000.0, 1_000.0, 1_000.0, 1_000.0, 1_000.0])
EARLIER = counts("people", [600.0, 650.0, 700.0, 750.0, 800.0], BEFORE)


def test_consistent_rate_is_not_flagged() -> None:
    assert find_inconsistent_rates(rates([3.0, 4.0, 5.0, 6.0, 7.0]), TOP, table(BELOW)).is_empty()
    assert find_inconsistent_rates(rates([3.04, 3.96, 5.0, 6.0, 7.0]), TOP, table(BELOW)).is_empty()


def test_inconsistent_rate_states_the_rate_of_its_components() -> None:
    actual = find_inconsistent_rates(rates([3.0, 4.0, 5.5, 6.0, 7.0]), TOP, table(BELOW + EARLIER))
    assert actual.select("place_code", "reason", "expected").rows() == [("C", "inconsistent_rate", 5.0)]
    assert actual["evidence"].to_list() == ["5.5, but 50 divided by 1000 is 5"]


def test_rates_over_another_years_denominator_have_their_own_reason() -> None:
    made = [100 * top / below for top, below in zip([30, 40, 50, 60, 70], [600, 650, 700, 750, 800], strict=True)]
    actual = find_inconsistent_rates(rates([round(entry, 1) for entry in made]), TOP, table(BELOW + EARLIER))
    assert actual["reason"].to_list() == ["denominator_mismatch"] * 5
    assert actual["compared_with"].unique().to_list() == ["the denominator for 2021-12-31"]


def test_difference_within_rounding_is_not_a_conflict() -> None:
    mine, other = table([cell("rate", "A", 3.0)]), table([cell("rate", "A", 3.1)])
    assert find_conflicts(mine, other).is_empty()


def test_conflict_separates_rounding_from_the_rest() -> None:
    actual = find_conflicts(table([cell("rate", "A", 3.0)]), table([cell("rate", "A", 4.0)]))
    assert actual.select("reason", "expected", "withheld").rows() == [("conflict", 4.0, False)]
    assert "difference 1, of which rounding explains up to 0.1 and 0.9 remains" in actual["evidence"].item()


def test_source_that_covers_most_residents_is_not_flagged() -> None:
    assert find_low_reach(table([cell("people", "A", 900.0)]), table([cell("residents", "A", 1_000.0)])).is_empty()


OTHER = """title: t
publisher: Another publisher
licence: l
page: https://example.org
period_kind: year
geography: lad_2023
columns: {place: code, label: name, period: period}
releases: [{file: starter/other.csv, released: 2024-05-01}]
measures: {other: {title: o, unit: things, kind: stock, column: other, same_as: SAME}}
"""


def with_other(folder: Path, rows: list[str], same: str = "figure") -> Project:
    project = project_of(Case(None, MERTON, with_peers(f"{MERTON},x,2023,7")), folder)
    sources = project.catalogue.sources_dir
    (sources / "starter" / "other.csv").write_text("\n".join(["code,name,period,other", *rows]) + "\n")
    (sources / "other_source.yaml").write_text(OTHER.replace("SAME", same))
    return project._replace(catalogue=load_catalogue(project.catalogue.root))


def test_conflict_is_a_caveat_and_both_figures_are_stored(tmp_path: Path) -> None:
    project = with_other(tmp_path, [f"{MERTON},x,2023,9", f"{SUTTON},x,2023,5"])
    steps.prepare_store(project)
    cells = answering.answer_problem(project, "a_problem")
    result = cells.filter(pl.col("caveats").is_not_null()).select("place_code", "value", "caveats", "evidence").rows()
    assert [row[:3] for row in result] == [(MERTON, 7.0, "conflict")]
    assert "7 here, 9 in measure other of other_source" in result[0][3]
    doubts = all_disagreement_flags(project).select("source", "measure", "value", "expected").rows()
    assert sorted(doubts) == [("a_source", "figure", 7.0, 9.0), ("other_source", "other", 9.0, 7.0)]


def test_source_that_no_problem_needs_is_not_read_for_comparison(tmp_path: Path) -> None:
    project = with_other(tmp_path, [f"{MERTON},x,2023,9"])
    steps.prepare_store(project)
    assert all_disagreement_flags(project).is_empty()
    assert not (project.home / "state" / "values").exists()


def test_an_unknown_measure_to_be_the_same_as_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="same_as: unknown measure 'figures'"):
        with_other(tmp_path, [f"{MERTON},x,2023,9"], same="figures")


def test_nation_with_another_definition_has_a_caveat(tmp_path: Path) -> None:
    source = "period_kind: year\ngeography: lad_2023\nnot_comparable: {Scotland: by place of treatment}\n"
    rows = with_peers(f"{MERTON},x,2023,7", "S12000036,x,2023,8")
    scotland = cell_of(Case(None, "S12000036", rows, source=source), tmp_path / "s")
    assert (scotland["value"], scotland["caveats"]) == (8.0, "not_comparable")
    assert scotland["evidence"] == "Scotland uses another definition: by place of treatment"
    assert cell_of(Case(None, MERTON, rows, source=source), tmp_path / "e")["caveats"] is None
