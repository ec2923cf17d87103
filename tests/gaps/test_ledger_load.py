"""The stored ledger: read as it was written, of every version; which builds it notes, and on which day it is read."""

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from pipelines.core.clock import clock_at
from pipelines.core.errors import UnreadableError
from pipelines.core.renames import COLUMNS
from pipelines.core.schema import CELL_COLUMNS, NOT_NEEDED, table_from_records
from pipelines.core.store import hash_bytes, state_path, write_table
from pipelines.declarations.project import Project
from pipelines.gaps import ledger_load
from pipelines.gaps.ledger import Ledger, add_build, empty_ledger
from pipelines.gaps.ledger_load import (
    hash_cells,
    hash_declarations,
    is_ledger_current,
    ledger_path,
    load_gaps,
    load_ledger,
    load_opening_days,
    read_last_build,
    read_last_days,
    read_ledger,
    update_ledger,
    write_ledger,
)
from tests.gaps.plain import catalogue_of, source_of

NAMES = ["p/a/E1/2024", 'p/a/"E2"/2024', "p/a/E3/2024", "p/a/Ynys Môn/2024", "p/a/E5/2024"]


@pytest.mark.parametrize("names", [NAMES, NAMES[::2], NAMES[:1], []], ids=["quotes", "plain", "one", "none"])
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_hash_is_of_the_json_array_of_all_needed_cells(
    names: list[str], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_load, "_HASHED_ROWS", rows)
    reasons = ["late" if number % 2 else None for number in range(len(names))]
    cells = pl.DataFrame(
        {"cell_id": [*names, "p/a/E9/2024"], "need": ["needed"] * len(names) + [NOT_NEEDED],
         "reason": [*reasons, "not_applicable"], "proxy_measure": [None] * (len(names) + 1),
         "other_reasons": [None] * (len(names) + 1)},
        schema_overrides={"reason": pl.String, "proxy_measure": pl.String, "other_reasons": pl.String},
    )  # fmt: skip
    pairs = sorted([name, reason or ""] for name, reason in zip(names, reasons, strict=True))
    expected = hashlib.sha256(json.dumps(pairs).encode()).hexdigest()
    assert hash_cells(cells.reverse()) == expected


DAY = [date(2026, 1, n) for n in range(1, 9)]
DECLARED = {"m": ("a", "1")}


def cells(**reasons: str | None) -> pl.DataFrame:
    """Make one cell for each place; a reason, or null where there is a figure."""
    rows = [
        {"cell_id": f"p/m/{place}/latest", "problem": "p", "need": "needed", "measure": "m", "place_code": place,
         "value": None if reason else 1.0, "reason": reason, "data_owner": "h"}
        for place, reason in reasons.items()
    ]  # fmt: skip
    return table_from_records(rows, CELL_COLUMNS)


def ledger_of(*builds: pl.DataFrame, declared: list[dict[str, Any]] | None = None) -> Ledger:
    """Make a ledger of a build a day."""
    ledger = empty_ledger()
    for number, build in enumerate(builds):
        ledger = add_build(ledger, build, DAY[number], f"build {number}", declared[number] if declared else DECLARED)
    return ledger


def rewrite(path: Path, **footer: str | None) -> None:
    """Change entries of the footer of a ledger; None removes one."""
    before = pl.read_parquet_metadata(path)
    said = {name: text for name, text in {**before, **footer}.items() if text is not None and name != "ARROW:schema"}
    pl.read_parquet(path).write_parquet(path, metadata=said)


def equal(one: Ledger, other: Ledger) -> bool:
    return one[2:] == other[2:] and one.sightings.equals(other.sightings) and one.builds.equals(other.builds)


TWO = [cells(a="late", b=None), cells(a="late", b="late"), cells(a=None, b="late")]


def test_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert equal(read_ledger(tmp_path, "p"), empty_ledger())
    declared = [DECLARED, DECLARED, {"m": ("b", "1")}]
    ledger = ledger_of(*TWO, declared=declared)
    write_ledger(tmp_path, "p", ledger, "key")
    again = read_ledger(tmp_path, "p")
    assert equal(again, ledger) and not again.has_old_reasons and again.sightings.height == 3
    assert [note.declared for note in again.notes] == declared
    footer = pl.read_parquet_metadata(ledger_path(tmp_path, "p"))
    stored = json.loads(footer["commonground_builds"])
    assert [row["declared"] for row in stored] == [{"m": ["a", "1"]}, None, {"m": ["b", "1"]}]
    assert (footer["commonground_ledger"], footer["commonground_cells"]) == ("5", "key")
    write_ledger(tmp_path, "p", ledger_of(TWO[0]), "key")
    assert read_ledger(tmp_path, "p").last == 1, "another version of the file is read anew"
    write_ledger(tmp_path, "p", empty_ledger(), "key")
    assert equal(read_ledger(tmp_path, "p"), empty_ledger())


@pytest.mark.parametrize("version", ["4", "3"])
def test_ledger_of_an_earlier_version_has_old_reasons_and_keeps_them(version: str, tmp_path: Path) -> None:
    ledger = ledger_of(*TWO)
    write_ledger(tmp_path, "p", ledger, "key")
    rewrite(ledger_path(tmp_path, "p"), commonground_ledger=version)
    old = read_ledger(tmp_path, "p")
    assert equal(old, ledger._replace(has_old_reasons=True))
    write_ledger(tmp_path, "q", old, "key")
    assert pl.read_parquet_metadata(ledger_path(tmp_path, "q"))["commonground_ledger"] == "4"


def test_ledger_of_version_2_has_old_names_of_columns(tmp_path: Path) -> None:
    ledger = ledger_of(*TWO)
    write_ledger(tmp_path, "p", ledger, "key")
    path = ledger_path(tmp_path, "p")
    footer = pl.read_parquet_metadata(path)
    names = {new: old for old, new in COLUMNS["gap_ledger"].items()}
    table = pl.read_parquet(path).rename(names, strict=False)
    assert "closed_because" in table.columns
    checksum = hash_bytes(f"{table.write_csv()}\x00{footer['commonground_builds']}".encode())
    said = {**footer, "commonground_ledger": "2", "commonground_key": checksum}
    del said["ARROW:schema"]
    table.write_parquet(path, metadata=said)
    assert equal(read_ledger(tmp_path, "p"), ledger._replace(has_old_reasons=True))


def test_ledger_without_a_version_has_spells(tmp_path: Path) -> None:
    """The last build has the hash of its cells; those before have none. Builds have no last day of their own."""
    ledger = ledger_of(*TWO)
    builds = [{**row, "day": row["day"].isoformat(), "last_day": None} for row in ledger.builds.to_dicts()]
    footer = {"commonground_builds": json.dumps(builds), "commonground_contents": "the last"}
    path = ledger_path(tmp_path, "p")
    path.parent.mkdir()
    ledger.spells.write_parquet(path, metadata=footer)
    old = read_ledger(tmp_path, "p")
    assert old.has_old_reasons and [note.contents for note in old.notes] == ["", "", "the last"]
    assert all(note.declared == {} for note in old.notes)
    assert old.builds["last_day"].to_list() == old.builds["day"].to_list() == DAY[:3]
    assert old.spells.equals(ledger.spells)


@pytest.mark.parametrize(
    ("footer", "complaint"),
    [
        ({"commonground_ledger": "6"}, "found version 6, expected 5; use the version"),
        ({"commonground_key": "x"}, "its checksum does not match"),
        ({"commonground_ledger": "2"}, "its checksum does not match"),
        ({"commonground_builds": "[]"}, "its checksum does not match"),
        ({"commonground_builds": None}, "not readable"),
    ],
)
def test_damaged_ledger_is_named_and_not_changed(
    footer: dict[str, Any], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_load, "public_input_sources", lambda *_: ())
    write_ledger(tmp_path, "p", ledger_of(*TWO), "key")
    rewrite(path := ledger_path(tmp_path, "p"), **footer)
    content = path.read_bytes()
    with pytest.raises(UnreadableError, match=rf"p\.parquet: the gap ledger .*{complaint}"):
        read_ledger(tmp_path, "p")
    project = project_at(tmp_path, DAY[4])
    assert equal(load_ledger(project, "p"), empty_ledger()) and load_opening_days(project, "p").rows() == []
    assert path.read_bytes() == content


def project_at(home: Path, day: date) -> Project:
    problem = SimpleNamespace(header=SimpleNamespace(owner="o"), measures=("m",))
    catalogue = catalogue_of(s=source_of("m"), t=source_of("n"))._replace(
        problems={"p": problem}, acceptances={}, declaration_hashes={"s": "0123456789abcdef", "t": "f" * 16}
    )  # type: ignore[arg-type]
    return Project(catalogue, home, day)


def record(home: Path, *builds: pl.DataFrame, key: str = "k") -> None:
    """Store the cells of problem p with a key, and a ledger of some builds with the key of the cells."""
    write_table(state_path(home, "cell", "p"), cells(a="late"), key)
    write_ledger(home, "p", ledger_of(*builds), "k")


NOW = clock_at(datetime(2026, 1, 8, tzinfo=UTC))


def test_last_build_is_read_from_the_footer_alone(tmp_path: Path) -> None:
    assert read_last_build(tmp_path, "p") == (0, date.min)
    record(tmp_path, *TWO)
    assert read_last_build(tmp_path, "p") == (3, DAY[2])
    path = ledger_path(tmp_path, "p")
    for builds in ("[]", "{", '[{"build": 1}]', '[{"build": null, "day": "2026-01-01"}]', None):
        rewrite(path, commonground_builds=builds)
        assert read_last_build(tmp_path, "p") == (0, date.min)
    path.write_bytes(b"PAR1")
    assert read_last_build(tmp_path, "p") == (0, date.min)


@pytest.mark.parametrize(
    ("day", "today", "key", "current"),
    [
        (DAY[2], 8, "k", True), (DAY[2], 8, "other", False), (DAY[5], 8, "k", True), (DAY[5], 8, "other", False),
        (DAY[1], 8, "other", True), (DAY[1], 3, "other", True), (DAY[1], 2, "k", False), (DAY[2], 2, "k", True),
    ],
)  # fmt: skip
def test_ledger_is_current_with_the_cells_or_with_a_later_build(
    day: date, today: int, key: str, current: bool, tmp_path: Path
) -> None:
    """The last build is of the third day. Where that day is still in the future, it does not count."""
    record(tmp_path, *TWO, key=key)
    with clock_at(datetime(2026, 1, today, tzinfo=UTC)):
        assert is_ledger_current(project_at(tmp_path, day), "p") == current


def test_problem_without_a_ledger_has_no_current_one(tmp_path: Path) -> None:
    write_table(state_path(tmp_path, "cell", "p"), cells(), "")
    assert not is_ledger_current(project_at(tmp_path, DAY[0]), "p")


def test_build_is_added_with_its_key_and_declarations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_load, "read_log", lambda _: [])
    write_table(state_path(tmp_path, "cell", "p"), cells(a="late"), "key 1")
    with clock_at(datetime(2026, 1, 8, tzinfo=UTC)):
        update_ledger(project_at(tmp_path, DAY[0]), "p", cells(a="late"))
        update_ledger(project_at(tmp_path, DAY[2]), "p", cells(a="late"))
        assert read_last_days(tmp_path) == {"p": DAY[2]} and read_last_build(tmp_path, "p") == (1, DAY[0])
        write_table(state_path(tmp_path, "cell", "p"), cells(a=None), "key 2")
        update_ledger(project_at(tmp_path, DAY[3]), "p", cells(a=None))
        ledger = read_ledger(tmp_path, "p")
        assert read_last_days(tmp_path) == {}
        assert ledger.builds.select("day", "last_day").rows() == [(DAY[0], DAY[2]), (DAY[3], DAY[3])]
        assert pl.read_parquet_metadata(ledger_path(tmp_path, "p"))["commonground_cells"] == "key 2"
        assert [note.contents for note in ledger.notes] == [hash_cells(cells(a="late")), hash_cells(cells(a=None))]
        assert ledger.notes[0].declared == {"m": ("0123456789ab", hash_bytes(b"")[:12])}
        before = ledger_path(tmp_path, "p").read_bytes()
        write_table(state_path(tmp_path, "cell", "p"), cells(b="late"), "key 3")
        update_ledger(project_at(tmp_path, DAY[1]), "p", cells(b="late"))
    assert ledger_path(tmp_path, "p").read_bytes() == before, "a day before the last build adds nothing"


def test_other_tables_of_the_same_day_are_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_load, "read_log", lambda _: [])
    record(tmp_path, *TWO, key="other")
    update_ledger(project_at(tmp_path, DAY[2]), "p", cells(a="late", b=None))
    ledger = read_ledger(tmp_path, "p")
    assert ledger.builds["day"].to_list() == [*DAY[:3], DAY[2]]
    assert ledger.spells.filter(pl.col("closed").is_null())["place_code"].to_list() == ["a"]


def test_day_of_today_is_not_moved_back(tmp_path: Path) -> None:
    record(tmp_path, *TWO)
    for today, expected in ((6, DAY[5]), (5, DAY[3])):
        with clock_at(datetime(2026, 1, today, tzinfo=UTC)):
            update_ledger(project_at(tmp_path, DAY[5]), "p", cells(a="late"))
            update_ledger(project_at(tmp_path, DAY[3]), "p", cells(a="late"))
        assert read_last_days(tmp_path) == {"p": expected}


def test_build_in_the_future_is_refused_with_the_command_that_removes_it(tmp_path: Path) -> None:
    record(tmp_path, *TWO, key="other")
    with (
        clock_at(datetime(2026, 1, 2, tzinfo=UTC)),
        pytest.raises(UnreadableError, match=r"a build as of 2026-01-03, .* `commonground ledger --remove-build"),
    ):
        update_ledger(project_at(tmp_path, DAY[1]), "p", cells(a="late"))
    with clock_at(datetime(2026, 1, 3, tzinfo=UTC)):
        update_ledger(project_at(tmp_path, DAY[1]), "p", cells(a="late"))
    assert read_last_build(tmp_path, "p") == (3, DAY[2])


def test_declarations_have_the_files_that_are_released_by_the_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def entry(source: str, sha: str, day: date, is_new: bool = True) -> Any:
        return SimpleNamespace(source=source, sha256=sha, released=day, is_new_release=is_new)

    log = [
        entry("s", "one", DAY[0]), entry("t", "other", DAY[0]), entry("s", "again", DAY[0], False),
        entry("s", "two", DAY[2]),
    ]  # fmt: skip
    monkeypatch.setattr(ledger_load, "read_log", lambda home: log if home == tmp_path else [])
    first, second = f"one {DAY[0]}", f"one {DAY[0]}\x00two {DAY[2]}"
    for day, files in ((DAY[1], first), (DAY[2], second), (DAY[3], second)):
        hashes = hash_declarations(project_at(tmp_path, day), "p")
        assert hashes == {"m": ("0123456789ab", hash_bytes(files.encode())[:12])}


def test_opening_days_are_of_the_gaps_open_on_the_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_load, "public_input_sources", lambda *_: ())
    assert load_opening_days(project_at(tmp_path, DAY[0]), "p").rows() == []
    record(tmp_path, cells(a="late", b="late"), cells(a=None, b="late", c="late"), cells(a="late", b="late", c=None))
    expected = {
        DAY[0]: [("p/m/a/latest", DAY[0]), ("p/m/b/latest", DAY[0])],
        DAY[1]: [("p/m/b/latest", DAY[0]), ("p/m/c/latest", DAY[1])],
        DAY[2]: [("p/m/a/latest", DAY[2]), ("p/m/b/latest", DAY[0])],
        DAY[5]: [("p/m/a/latest", DAY[2]), ("p/m/b/latest", DAY[0])],
    }
    for day in [*expected, *reversed(expected)]:
        assert load_opening_days(project_at(tmp_path, day), "p").rows() == expected[day]


def test_gaps_are_of_the_measures_that_are_still_declared(tmp_path: Path) -> None:
    record(tmp_path, cells(a="late", b=None), cells(a=None, b="late"))
    project = project_at(tmp_path, DAY[4])
    gaps = load_gaps(project, "p")
    assert gaps.select("place_code", "state", "problem_owner").rows() == [("a", "closed", "o"), ("b", "open", "o")]
    assert load_gaps(project, "p", read_ledger(tmp_path, "p")).equals(gaps)
    assert load_gaps(project_at(tmp_path, DAY[0]), "p")["state"].to_list() == ["open"], "as on the day of the build"
    assert load_gaps(project, "q").is_empty() and load_gaps(project, "p", empty_ledger()).is_empty()
    gone = project._replace(catalogue=project.catalogue._replace(measures={"n": project.catalogue.measures["n"]}))
    assert load_gaps(gone, "p").is_empty()
