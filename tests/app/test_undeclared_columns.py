"""A file of a published source without declared columns: `add` names the lines by which the gap is closed."""

import re
from datetime import date
from pathlib import Path

import pytest

from pipelines.core.store import read_table, state_path
from tests.app.test_copied_files import command
from tests.breadth import wide
from tests.small import districts_only

FILE = "Area code,Area name,Year,All children\nE09000024,Merton,2023,40100\nE09000029,Sutton,2023,41200\n"
PROBLEM = """/*
question: How many children live in the two boroughs?
decision: Where a centre opens.
owner: Team
geography: lad_2023
place_codes: [E09000024, E09000029]
grain: year
periods: {start: "2023", end: "2023"}
needs:
  children:
*/
select place_period.place_code, place_period.place_name, place_period.period_start, place_period.period_end,
  children.value as children
from lad_2023.place_period join lad_2023.children using (place_code, period_start)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = districts_only(tmp_path, "dwp_children")
    (root / "pipelines" / "problems" / "children.sql").write_text(PROBLEM)
    (tmp_path / "children.csv").write_text(FILE)
    return root


def declare(path: Path, said: str) -> None:
    """Put the lines that the command named into the declaration, as a person who confirms each TODO."""
    lines = [line[2:] for line in said.splitlines() if line.startswith("  ")]
    text = re.sub(r" # TODO .*", "", "\n".join(line for line in lines if not line.startswith("#")))
    layout = text.partition("measures:")[0]
    declared = path.read_text().replace("access: not_held\n", layout)
    path.write_text(declared.replace("kind: stock}", "kind: stock, column: All children}"))


@wide
def test_named_lines_close_the_gap(root: Path, tmp_path: Path) -> None:
    home, file = tmp_path / "store", str(tmp_path / "children.csv")
    refused = command(root, home, "add", "dwp_children", file, "--released", "2026-01-31")
    said = refused.stdout + refused.stderr
    assert refused.returncode == 5 and "Traceback" not in said
    assert "found the headings Area code, Area name, Year, All children" in said
    assert "  children: {column: TODO}" in said and "place: Area code" in said

    declare(root / "sources" / "dwp_children.yaml", said)
    added = command(root, home, "add", "dwp_children", file, "--released", "2026-01-31")
    assert added.returncode == 0, added.stdout + added.stderr
    assert command(root, home, "build", "children", "--as-of", "2026-11-29").returncode == 0
    view = read_table(state_path(home, "view", "children"))
    assert view["children"].to_list() == [40100, 41200]
    assert view["period_start"].to_list() == [date(2023, 1, 1)] * 2


def test_file_without_a_table_is_refused_in_one_sentence(root: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("Notes\nabout the table\n")
    add = ("add", "dwp_children", str(tmp_path / "notes.csv"), "--released", "2026-01-31")
    done = command(root, tmp_path / "store", *add)
    assert done.returncode == 5 and "Traceback" not in done.stderr + done.stdout
