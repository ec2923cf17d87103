"""The stored lookup of places: it gives what the declarations give, and is not used after any change behind it."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from pipelines.app import file_states, place_lookup
from pipelines.app.place_lookup import DescribedPartnership, is_lookup_current, read_stored_lookup, store_lookup
from pipelines.core.checked_store import record_check
from pipelines.core.errors import UnreadableError
from pipelines.declarations.fingerprints import NUMERIC_LIBRARIES
from pipelines.declarations.project import Project
from pipelines.geography.access import load_places
from pipelines.geography.load import load_place_data, load_postcode_tables
from pipelines.geography.stored_places import dump_places, read_places, read_postcode_tables
from tests.breadth import wide
from tests.command import run

NAMES = ("Merton", "E07000026", "Cumberland", "e01003371", "RVR", "M33", "M33 2AB", "South London Partnership",
         "partnership-south-london", "south_london", "E12000007", "K02000001", "Mertn", "Nowhere at all")  # fmt: skip
"""Names, codes and postcodes of places now and before, of partnerships, and of no place."""
RECORD = "places.json"


def describe(project: Project, *names: str) -> tuple[int, str, str]:
    done = run("places", *names, store=project.home, project=project.catalogue.root)
    return done.returncode, done.stdout, done.stderr


def refuse(*_: object) -> None:
    raise AssertionError("the declarations were read")


@wide
def test_stored_lookup_describes_places_as_the_declarations_do(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [describe(small, name) for name in NAMES]
    assert (small.home / RECORD).is_file()
    monkeypatch.setattr("pipelines.app.cli.open_command_project", refuse)
    assert [describe(small, name) for name in NAMES] == expected
    assert describe(small, "Merton", "Nowhere at all") == (expected[-1][0], expected[0][1], expected[-1][2])
    codes = [code for code, _, _ in expected]
    assert codes[:-2] == [0] * (len(NAMES) - 2) and 0 not in codes[-2:]


def test_tables_read_back_are_those_of_the_declarations(edition: Project) -> None:
    places = load_places(edition)
    expected, postcodes = load_place_data(edition, places), load_postcode_tables(edition)
    plain = json.loads(json.dumps(dump_places(edition), default=str))
    actual = read_places(edition.home, plain)
    assert_frame_equal(actual.places.register, places.register)
    assert_frame_equal(actual.places.changes, places.changes)
    read = [*actual.areas, *actual.shares, *read_postcode_tables(edition.home, plain)]
    for own, other in zip(read, [*expected.areas, *expected.shares, *postcodes], strict=True):
        assert own._replace(table=other.table) == other  # type: ignore[arg-type]
        assert_frame_equal(own.table, other.table)
    assert actual.areas and actual.shares and postcodes


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "bundled file": (_append, "sources/starter/places.csv"),
    "register": (_append, "store/state/register/places.parquet"),
    "changes of codes": (_append, "store/state/change/places.parquet"),
    "small areas": (_append, "store/state/areas/lsoas.parquet"),
    "shares": (_append, "store/state/shares/trusts.parquet"),
    "lost table": (Path.unlink, "store/state/shares/trusts.parquet"),
    "log of snapshots": (_append, "store/snapshots/log.jsonl"),
    "table of another kind": (Path.mkdir, "store/state/cell"),
    "program": (_append, "program/pipelines/geography/lineage.py"),
    "damaged record": (lambda path: path.write_bytes(b'{"check": '), f"store/{RECORD}"),
}
"""Changes after which the lookup is not used: the edit, and the file."""
FIRST, CHANGE = date(2024, 1, 1), date(2025, 1, 1)


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a stored lookup of small files, of which none is read."""
    for _, name in CHANGES.values():
        if "." in name and not name.endswith(RECORD):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"x")
    monkeypatch.setattr(file_states, "_PROGRAM", tmp_path / "program")
    monkeypatch.setattr(place_lookup, "read_places", lambda *_: "the places")
    home, plain = tmp_path / "store", {"areas": [{"source": "lsoas"}], "lookups": [], "shares": [{"source": "trusts"}]}
    record_check(home, "declared", [])
    partners = [DescribedPartnership(("south",), (("place", "South"),))]
    store_lookup(home, "declared", plain, partners, [tmp_path / "sources/starter/places.csv"], (FIRST, CHANGE))
    return tmp_path


def is_stored(folder: Path, declarations: str = "declared", day: date = FIRST) -> bool:
    return read_stored_lookup(folder / "store", declarations, day) is not None


@pytest.mark.parametrize("name", CHANGES)
def test_lookup_is_not_used_after_a_change(stored: Path, name: str) -> None:
    assert is_stored(stored)
    change, path = CHANGES[name]
    change(stored / path)
    assert not is_stored(stored)


def test_lookup_is_used_for_its_declarations_and_days_alone(stored: Path) -> None:
    assert not is_stored(stored, "declared otherwise")
    days = [date(2023, 12, 31), FIRST, date(2024, 12, 31), CHANGE]
    assert [is_stored(stored, day=day) for day in days] == [False, True, True, False]


def test_lookup_is_kept_for_a_store_that_is_checked_again(stored: Path) -> None:
    home = stored / "store"
    (home / "state" / "cell").mkdir()
    assert is_lookup_current(home, "declared", FIRST) and not is_stored(stored)
    record_check(home, "declared", [])
    assert is_stored(stored)


@pytest.mark.parametrize("name", ["log of snapshots", "register", "bundled file", "damaged record"])
def test_lookup_of_a_checked_store_is_not_current_after_a_change_behind_it(stored: Path, name: str) -> None:
    change, path = CHANGES[name]
    change(stored / path)
    record_check(stored / "store", "declared", [])
    assert not is_lookup_current(stored / "store", "declared", FIRST) and not is_stored(stored)


def test_build_goes_on_where_a_table_of_places_is_unreadable(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (small.home / RECORD).unlink(missing_ok=True)

    def unreadable(*_: object) -> None:
        raise UnreadableError("places.csv: found a damaged file")

    monkeypatch.setattr("pipelines.app.places.load_place_data", unreadable)
    done = run("build", store=small.home, project=small.catalogue.root)
    assert done.returncode == 0 and "Reports" in done.stdout
    assert not (small.home / RECORD).exists()
    code, _, message = describe(small, "Merton")
    assert code != 0 and "damaged file" in message


def test_program_has_the_versions_of_all_libraries_that_compute_figures() -> None:
    assert file_states._LIBRARIES == NUMERIC_LIBRARIES
