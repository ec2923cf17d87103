"""A fault in the files of one problem excludes that problem alone; a fault of a source stops everything."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.core.errors import DeclarationError
from pipelines.declarations.catalogue import load_catalogue
from tests.small import FURLOUGH, furlough_project

PARTNERSHIPS = """south:
  {title: South, kind: partnership, geography: lad_2023, members: [E09000024, E09000027], membership: "inferred: by us"}
"""
UNSAFE = "accepted: " + "[" * 200 + "]" * 200


def edit(old: str, new: str) -> Callable[[Path], str]:
    """Return an edit of the second problem, which returns the name of the wrong file."""

    def write(folder: Path) -> str:
        assert old in FURLOUGH
        (folder / "second.sql").write_text(FURLOUGH.replace(old, new, 1))
        return "second.sql"

    return write


def accept(text: str) -> Callable[[Path], str]:
    """Return an edit that writes the accepted gaps of the second problem."""

    def write(folder: Path) -> str:
        (folder / "second.accepted.yaml").write_text(text)
        return "second.accepted.yaml"

    return write


def _write_bytes(folder: Path) -> str:
    (folder / "second.sql").write_bytes(FURLOUGH.encode() + b"-- \xff")
    return "second.sql"


FAULTS = {
    "a table": (edit("lad_2023.vacancies", "lad_2023.vacancy"), "unknown measure 'vacancy'"),
    "a need": (edit("unknowns: [vacancies]", "unknowns: [vacancy]"), "unknown measure 'vacancy'"),
    "the YAML": (edit("grain: latest", "grain: [latest"), ":"),
    "a key": (edit("grain: latest", "grane: latest"), "did you mean grain"),
    "the SELECT": (edit("select place.place_code", "selec place.place_code"), "of the SELECT"),
    "an unknown partnership": (edit("grain: latest", "grain: latest\ngroups: [north]"), "unknown partnership 'north'"),
    "a member": (edit("grain: latest", "grain: latest\ngroups: [south]"), "its member E09000027 is not in place_codes"),
    "a byte": (_write_bytes, "a byte that is not UTF-8"),
    "an accepted measure": (
        accept("accepted: [{measure: a, reason: late, who: w, why: y, when: 2026-01-01, until: 2027-01-01}]"),
        "does not request 'a'",
    ),
    "an accepted gap": (accept("accepted: [{measure: vacancies}]"), "reason is missing"),
    "unsafe accepted gaps": (accept(UNSAFE), ":"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the problems of a project with two problems."""
    root = furlough_project(tmp_path)
    (root / "pipelines" / "partnerships.yaml").write_text(PARTNERSHIPS)
    (root / "pipelines" / "problems" / "second.sql").write_text(FURLOUGH)
    return root / "pipelines" / "problems"


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_in_the_files_of_a_problem_excludes_it_alone(folder: Path, fault: str) -> None:
    root, (write, complaint) = folder.parents[1], FAULTS[fault]
    before = load_catalogue(root)
    assert set(before.problems) == {"furlough", "second"} and before.excluded_problems == {}
    before.refuse_excluded_problems()
    path = folder / write(folder)
    after = load_catalogue(root)
    assert set(after.problems) == {"furlough"} and set(after.excluded_problems) == {"second"}
    assert after.sources == before.sources and after.problems["furlough"] == before.problems["furlough"]
    assert after.find_problem("furlough").name == "furlough"
    for refuse in (lambda: after.find_problem("second"), after.refuse_excluded_problems):
        with pytest.raises(DeclarationError) as refused:
            refuse()
        assert str(refused.value).startswith(str(path)) and complaint in str(refused.value)
        assert refused.value.exit_code == 3


def test_accepted_gaps_of_an_excluded_problem_are_no_fault_and_those_of_an_unknown_one_are(folder: Path) -> None:
    root, good = folder.parents[1], "accepted:\n- {measure: vacancies, reason: not_collected, who: w, why: y,"
    good += " when: 2026-01-01, until: 2027-01-01}\n"
    (folder / "second.accepted.yaml").write_text(good)
    assert [item.measure for item in load_catalogue(root).acceptances["second"]] == ["vacancies"]
    (folder / "second.sql").write_text("wrong")
    assert set(load_catalogue(root).excluded_problems) == {"second"}
    (folder / "secnd.accepted.yaml").write_text(good)
    with pytest.raises(DeclarationError, match="accepted gaps for unknown problem 'secnd'; did you mean second"):
        load_catalogue(root)


def test_every_fault_is_named(folder: Path) -> None:
    for name in ("furlough", "second"):
        (folder / f"{name}.sql").write_text("wrong")
    catalogue = load_catalogue(folder.parents[1])
    assert not catalogue.problems
    with pytest.raises(DeclarationError) as refused:
        catalogue.refuse_excluded_problems()
    assert [line.partition(": ")[0] for line in str(refused.value).split("\n")] == [
        str(folder / f"{name}.sql") for name in ("furlough", "second")
    ]


@pytest.mark.parametrize("file", ["sources/ons_vacancies.yaml", "pipelines/partnerships.yaml"])
def test_fault_of_a_source_or_of_a_partnership_stops_everything(folder: Path, file: str) -> None:
    path = folder.parents[1] / file
    path.write_text(path.read_text(encoding="utf-8").replace("title: ", "titel: ", 1))
    with pytest.raises(DeclarationError, match="did you mean title"):
        load_catalogue(folder.parents[1])
