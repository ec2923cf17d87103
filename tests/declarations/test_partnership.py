"""Declaration of partnerships: members, references, and the problems that answer for them."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.core.errors import DeclarationError
from pipelines.declarations.catalogue import load_catalogue
from pipelines.declarations.fingerprints import compute_table_keys
from pipelines.declarations.partnership import partnership_code, read_partnerships
from tests.small import ROOT, small_project

TEXT = (
    "south: {title: S, kind: k, geography: lad_2023, members: [E09000024, E09000029], membership: 'inferred: test'}\n"
)


def written(folder: Path, text: str) -> Path:
    (folder / "pipelines").mkdir(exist_ok=True)
    (folder / "pipelines" / "partnerships.yaml").write_text(text, encoding="utf-8")
    return folder


def test_shipped_partnerships_state_where_members_come_from() -> None:
    for name, partnership in read_partnerships(ROOT).items():
        assert partnership.membership.startswith(("https://", "inferred: ")), name
        assert partnership_code(name).startswith("partnership-")


def test_project_without_the_file_has_no_partnerships(tmp_path: Path) -> None:
    assert read_partnerships(tmp_path) == {}


@pytest.mark.parametrize("members", ["[E09000024]", "[E09000024, E09000024]"])
def test_partnership_needs_two_different_members(tmp_path: Path, members: str) -> None:
    text = TEXT.replace("[E09000024, E09000029]", members)
    with pytest.raises(DeclarationError, match="south: members"):
        read_partnerships(written(tmp_path, text))


def test_unknown_key_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"partnerships\.yaml:1.*chair"):
        read_partnerships(written(tmp_path, TEXT.replace("title: S", "title: S, chair: x")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("groups: [south_london]", "groups: [south_londn]"), "unknown partnership 'south_londn'"),
        (("place_codes: [E09000024, ", "place_codes: ["), "its member E09000024 is not in place_codes"),
    ],
)
def test_wrong_group_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    root = small_project(tmp_path)
    path = root / "pipelines" / "problems" / "jobs_south_london.sql"
    text = path.read_text(encoding="utf-8")
    assert change[0] in text
    path.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(DeclarationError, match=message):
        load_catalogue(root).find_problem("jobs_south_london")


def test_group_of_another_geography_is_refused(tmp_path: Path) -> None:
    root = small_project(tmp_path)
    path = root / "pipelines" / "partnerships.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("lad_2023", "lad_2022"), encoding="utf-8")
    with pytest.raises(DeclarationError, match="has members of lad_2022, expected lad_2023"):
        load_catalogue(root).find_problem("jobs_south_london")


def test_changed_membership_changes_the_answer_alone(tmp_path: Path) -> None:
    root = small_project(tmp_path)
    before = compute_table_keys(load_catalogue(root), tmp_path / "store", date(2026, 11, 24))
    path = root / "pipelines" / "partnerships.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("[E09000008, E09000021, ", "[E09000008, ", 1))
    after = compute_table_keys(load_catalogue(root), tmp_path / "other", date(2026, 11, 24))
    assert before.answer["jobs_south_london"] != after.answer["jobs_south_london"]
    assert before.observation == after.observation
