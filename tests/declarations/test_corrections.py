"""Corrections: applied while the published value is unchanged, recorded on every cell, and expiring."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.app import steps
from pipelines.core.errors import DeclarationError
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.project import Project
from pipelines.gaps import answer as answering
from pipelines.observations.access import load_source_tables
from tests.gaps.test_cells import CUMBERLAND, MERTON, OLD, PARTS, Case, project_of, with_peers

WHO = "reason: 'an extra zero [x] {y}', who: The data team, when: 2024-05-20, link: https://example.org/letter"
SAID = "by The data team on 2024-05-20: an extra zero [x] {y} (https://example.org/letter)"
ROWS = with_peers(f"{MERTON},x,2023,700")

OVERRIDE = f"action: override, period: 2023, expected: {{{MERTON}: 700}}, value: 70"


def correcting(folder: Path, case: Case, *corrections: str) -> Project:
    project = project_of(case, folder)
    listed = "\n".join(f"  - {{measure: figure, {item}, {WHO}}}" for item in corrections)
    path = project.catalogue.sources_dir / "a_source.corrections.yaml"
    path.write_text(f"corrections:\n{listed}\n", encoding="utf-8")
    return project._replace(catalogue=load_catalogue(project.catalogue.root))


def cell(project: Project, place: str = MERTON) -> dict[str, Any]:
    steps.prepare_store(project)
    return answering.answer_problem(project, "a_problem").filter(pl.col("place_code") == place).row(0, named=True)


def collect_findings(project: Project, check: str) -> list[tuple[Any, ...]]:
    steps.prepare_store(project)
    seen = load_source_tables(project, "a_source").finding.filter(pl.col("check") == check)
    return seen.select("reason", "severity", "place_code", "evidence").rows()


def test_override_replaces_the_figure_and_is_recorded(tmp_path: Path) -> None:
    project = correcting(tmp_path, Case(None, MERTON, ROWS), OVERRIDE)
    result = cell(project)
    assert (result["value"], result["lower_bound"], result["upper_bound"], result["caveats"]) == (
        70.0,
        70.0,
        70.0,
        "corrected",
    )
    assert result["evidence"] == f"override of 700 to 70 {SAID}"
    assert collect_findings(project, "corrected_cells") == [
        ("corrected", "warn", MERTON, f"override of 700 to 70 {SAID}")
    ]
    assert collect_findings(project, "expired_corrections") == []


def test_correction_leaves_other_cells_unchanged(tmp_path: Path) -> None:
    project = correcting(tmp_path, Case(None, MERTON, ROWS), OVERRIDE)
    assert (cell(project, "E09000029")["value"], cell(project, "E09000029")["caveats"]) == (5.0, None)


def test_scale_multiplies_the_published_figure(tmp_path: Path) -> None:
    scale = f"action: scale, period: 2023, expected: {{{MERTON}: 700}}, factor: 0.1"
    project = correcting(tmp_path, Case(None, MERTON, ROWS), scale)
    assert (cell(project)["value"], cell(project)["caveats"]) == (70.0, "corrected")


def test_flag_keeps_the_figure_with_a_caveat(tmp_path: Path) -> None:
    project = correcting(tmp_path, Case(None, MERTON, ROWS), f"action: flag, period: 2023, expected: {{{MERTON}: 700}}")
    assert (cell(project)["value"], cell(project)["caveats"], cell(project)["evidence"]) == (
        700.0, "flagged", f"flagged {SAID}",
    )  # fmt: skip


@pytest.mark.parametrize("older", [None, with_peers(f"{MERTON},x,2023,9")])
def test_drop_gives_a_gap_with_its_reason(tmp_path: Path, older: list[str] | None) -> None:
    case = Case(None, MERTON, ROWS, older=older)
    project = correcting(tmp_path, case, f"action: drop, period: 2023, expected: {{{MERTON}: 700}}")
    result = cell(project)
    assert (result["value"], result["reason"], result["evidence"]) == (
        None,
        "dropped",
        f"drop of 700 to no figure {SAID}",
    )
    assert [row[0] for row in collect_findings(project, "dropped_cells")] == ["dropped"]


def test_marker_may_be_expected_and_overridden(tmp_path: Path) -> None:
    rows = with_peers(f"{MERTON},x,2023,c")
    override = f"action: override, period: 2023, expected: {{{MERTON}: c}}, value: 3"
    project = correcting(tmp_path, Case(None, MERTON, rows), override)
    assert (cell(project)["value"], cell(project)["obs_status"]) == (3.0, "normal")


def test_correction_expires_with_a_finding_when_the_published_value_changes(tmp_path: Path) -> None:
    case = Case(None, MERTON, with_peers(f"{MERTON},x,2023,71"), older=ROWS)
    project = correcting(tmp_path, case, OVERRIDE)
    result = cell(project)
    assert (result["value"], result["caveats"]) == (71.0, None)
    said = f"71 found, 700 expected: the override {SAID} no longer applies"
    assert collect_findings(project, "expired_corrections") == [("correction_expired", "warn", MERTON, said)]


def test_correction_does_not_expire_because_of_an_older_release(tmp_path: Path) -> None:
    case = Case(None, MERTON, ROWS, older=with_peers(f"{MERTON},x,2023,70"))
    project = correcting(tmp_path, case, OVERRIDE)
    assert cell(project)["value"] == 70.0
    assert collect_findings(project, "expired_corrections") == []


def test_correction_of_a_part_is_a_caveat_of_the_sum(tmp_path: Path) -> None:
    case = Case(None, CUMBERLAND, PARTS, source=OLD)
    project = correcting(tmp_path, case, "action: override, period: 2023, expected: {E07000026: 10}, value: 11")
    result = cell(project, CUMBERLAND)
    assert (result["value"], result["caveats"], result["derivation"]) == (61.0, "corrected", "merged")


def test_correction_of_a_cell_in_no_release_is_reported(tmp_path: Path) -> None:
    project = correcting(tmp_path, Case(None, MERTON, ROWS), "action: flag, period: 2022, expected: {E09000024: 1}")
    assert collect_findings(project, "expired_corrections") == [
        ("correction_expired", "info", None, "figure for E09000024 in 2022: corrected, but in no stored release")
    ]


REFUSED = {
    "no value": (f"action: override, period: 2023, expected: {{{MERTON}: 7}}", "value belongs to do: override"),
    "a value too many": (
        f"action: flag, period: 2023, expected: {{{MERTON}: 7}}, value: 7",
        "value belongs to do: override",
    ),
    "no factor": (f"action: scale, period: 2023, expected: {{{MERTON}: 7}}", "factor belongs to do: scale"),
    "another kind of period": (f"action: flag, period: 2023-01, expected: {{{MERTON}: 7}}", "expected a year"),
    "no period": (f"action: flag, expected: {{{MERTON}: 7}}", "expected a year"),
    "nothing expected": ("action: flag, period: 2023, expected: {}", "expected"),
    "an unknown key": (f"action: flag, perod: 2023, expected: {{{MERTON}: 7}}", "did you mean period"),
    "an unknown deed": (
        f"action: mend, period: 2023, expected: {{{MERTON}: 7}}",
        "'drop', 'override', 'scale' or 'flag'",
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_invalid_correction_is_refused_with_file_and_line(tmp_path: Path, name: str) -> None:
    text, expected = REFUSED[name]
    with pytest.raises(DeclarationError) as refused:
        correcting(tmp_path, Case(None, MERTON, ROWS), text)
    assert "a_source.corrections.yaml:2" in str(refused.value) and expected in str(refused.value)


def test_second_correction_of_a_cell_is_refused(tmp_path: Path) -> None:
    flag = f"action: flag, period: 2023, expected: {{{MERTON}: 7}}"
    with pytest.raises(DeclarationError, match=r"corrections\.yaml:3: E09000024 is corrected twice, first in"):
        correcting(tmp_path, Case(None, MERTON, ROWS), flag, flag)


def test_corrections_of_an_unknown_measure_or_source_are_refused(tmp_path: Path) -> None:
    project = project_of(Case(None, MERTON, ROWS), tmp_path)
    folder = project.catalogue.sources_dir
    text = f"corrections:\n  - {{measure: figures, action: flag, period: 2023, expected: {{{MERTON}: 7}}, {WHO}}}\n"
    (folder / "a_source.corrections.yaml").write_text(text)
    with pytest.raises(
        DeclarationError, match=r"a_source\.corrections\.yaml:2: unknown measure 'figures'.*mean figure"
    ):
        load_catalogue(project.catalogue.root)
    (folder / "a_source.corrections.yaml").rename(folder / "a_sauce.corrections.yaml")
    with pytest.raises(DeclarationError, match="unknown source 'a_sauce'; did you mean a_source"):
        load_catalogue(project.catalogue.root)


def test_new_correction_changes_the_key_of_its_source(tmp_path: Path) -> None:
    case = Case(None, MERTON, ROWS)
    before = project_of(case, tmp_path / "one")
    assert cell(before)["value"] == 700.0
    path = before.catalogue.sources_dir / "a_source.corrections.yaml"
    path.write_text(
        f"corrections: [{{measure: figure, action: flag, period: 2023, expected: {{{MERTON}: 700}}, {WHO}}}]\n"
    )
    assert cell(before._replace(catalogue=load_catalogue(before.catalogue.root)))["caveats"] == "flagged"
