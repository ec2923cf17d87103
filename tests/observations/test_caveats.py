"""Caveats of recalled releases and breaks in the series, on every cell that they affect."""

import hashlib
from pathlib import Path

import polars as pl
import pytest

from pipelines.app import steps
from pipelines.core.errors import DeclarationError
from pipelines.declarations.catalogue import load_catalogue
from pipelines.observations.access import load_source_tables, scan_observations
from tests.gaps.test_cells import CUMBERLAND, MERTON, OLD, PARTS, Case, cell_of, project_of, with_peers

TOLD = "{reason: wrong column, when: 2024-06-03, link: https://example.org/note}"
SAID = "recalled by its publisher on 2024-06-03: wrong column (https://example.org/note)"


def sha256(rows: list[str]) -> str:
    return hashlib.sha256(("\n".join(["code,name,period,figure", *rows]) + "\n").encode()).hexdigest()


def recalled(rows: list[str], source: str = "period_kind: year\ngeography: lad_2023\n") -> str:
    return f"{source}withdrawn: {{'{sha256(rows)[:16]}': {TOLD}}}\n"


def test_figure_of_a_recalled_release_has_a_caveat_and_remains(tmp_path: Path) -> None:
    rows = with_peers(f"{MERTON},x,2023,7")
    cell = cell_of(Case(None, MERTON, rows, value=7.0, source=recalled(rows)), tmp_path)
    assert (cell["value"], cell["caveats"], cell["evidence"]) == (7.0, "recalled", SAID)


def test_sum_of_a_recalled_release_has_one_caveat(tmp_path: Path) -> None:
    cell = cell_of(Case(None, CUMBERLAND, PARTS, source=recalled(PARTS, OLD)), tmp_path)
    assert (cell["derivation"], cell["caveats"], cell["evidence"]) == ("merged", "recalled", SAID)


def test_recall_does_not_affect_other_releases(tmp_path: Path) -> None:
    rows, older = with_peers(f"{MERTON},x,2023,7"), with_peers(f"{MERTON},x,2023,9")
    cell = cell_of(Case(None, MERTON, rows, value=7.0, source=recalled(older), older=older), tmp_path)
    assert (cell["value"], cell["caveats"]) == (7.0, None)


def test_recall_can_be_declared_on_the_release(tmp_path: Path) -> None:
    project = project_of(Case(None, MERTON, with_peers(f"{MERTON},x,2023,7")), tmp_path)
    path = project.catalogue.sources_dir / "a_source.yaml"
    path.write_text(path.read_text().replace("released: 2024-05-01", f"released: 2024-05-01, withdrawn: {TOLD}"))
    project = project._replace(catalogue=load_catalogue(project.catalogue.root))
    steps.prepare_store(project)
    seen = load_source_tables(project, "a_source")
    observed = scan_observations(project, "a_source").collect()
    assert observed["caveats"].unique().to_list() == ["recalled"]
    actual = seen.finding.filter(pl.col("check") == "recalled_release")
    assert actual.select("reason", "severity", "evidence").rows() == [("recalled", "warn", f"2024-05-01.csv, {SAID}")]


def test_recall_without_a_stored_file_is_a_finding(tmp_path: Path) -> None:
    case = Case(None, MERTON, with_peers(f"{MERTON},x,2023,7"), value=7.0)
    project = project_of(case._replace(source=recalled(["other"])), tmp_path)
    steps.prepare_store(project)
    actual = load_source_tables(project, "a_source").finding
    assert actual.filter(pl.col("check") == "recalled_release")["evidence"].to_list() == [
        f"{sha256(['other'])[:16]}: declared as recalled, but no stored file has this sha256"
    ]


BREAK = "breaks: [{{from: {day}, text: 'Now counts people, not homes (https://example.org/note).'{more}}}]\n"


@pytest.mark.parametrize(
    ("day", "more", "caveat"),
    [
        ("2023-04-01", "", "definition_break"),
        ("2023-04-01", ", place_codes: [E09000029]", None),
    ],
)
def test_break_is_a_caveat_on_every_later_figure(tmp_path: Path, day: str, more: str, caveat: str | None) -> None:
    source = "period_kind: year\ngeography: lad_2023\n" + BREAK.format(day=day, more=more)
    cell = cell_of(Case(None, MERTON, with_peers(f"{MERTON},x,2023,7"), value=7.0, source=source), tmp_path)
    assert cell["caveats"] == caveat
    assert ("Now counts people" in str(cell["evidence"])) == bool(caveat)


def test_break_of_an_unknown_measure_is_rejected(tmp_path: Path) -> None:
    source = "period_kind: year\ngeography: lad_2023\n" + BREAK.format(day="2023-04-01", more=", measures: [figures]")
    with pytest.raises(DeclarationError, match="breaks: unknown measure 'figures'"):
        project_of(Case(None, MERTON, with_peers(), source=source), tmp_path)


def test_break_without_a_day_is_rejected_with_the_meaning_of_the_key(tmp_path: Path) -> None:
    source = "period_kind: year\ngeography: lad_2023\nbreaks: [{text: t}]\n"
    with pytest.raises(DeclarationError, match=r"a_source\.yaml:\d+: breaks\.0: from is missing; First day of figures"):
        project_of(Case(None, MERTON, with_peers(), source=source), tmp_path)


def test_average_has_the_caveats_of_its_weights() -> None:
    from pipelines.apportionment import place_figures
    from pipelines.observations.caveats import add_caveat
    from tests.apportionment.test_rates import MEASURES, cell, table
    from tests.apportionment.test_rates import PARTS as ROLL

    rates = table([cell("rate", "A", 2.0), cell("rate", "B", 8.0)])
    people = table([cell("people", "A", 300.0), cell("people", "B", 100.0)])
    denominators = add_caveat(people, pl.col("place_code") == "A", "recalled", "so it was")
    actual = place_figures(rates, ROLL, MEASURES, denominators)
    row = actual.filter(pl.col("to_code") == "N").row(0, named=True)
    assert (row["derivation"], row["caveats"], row["caveat_evidence"]) == ("rate_averaged", "recalled", "so it was")
