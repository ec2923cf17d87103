"""Users' files: only unchanged files in the manifest are replaced or removed."""

import json
import os
from pathlib import Path

import duckdb
import pytest

from pipelines.core.errors import UnreadableError
from pipelines.core.manifest import edit_manifest, manifest_path, read_manifest
from pipelines.core.output_files import list_user_files, register_outputs, remove_groups, write_outputs
from pipelines.core.store import (
    hash_bytes,
    output_path,
    remove_temporary_files,
    state_path,
    write_atomically,
    write_table,
)
from pipelines.outputs.warehouse import replace_file
from pipelines.outputs.warehouse_path import POINTER_NAME, WAREHOUSE_NAME

OURS, MINE = b"ours", b"mine"


def write(home: Path, *names: str, content: bytes = OURS, of: str = "report a") -> None:
    write_outputs(home, of, ["a_source"], [(name, content) for name in names], staying=())


def files(home: Path) -> dict[str, bytes]:
    out = output_path(home, "")
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_unchanged_file_is_replaced_and_stale_file_is_removed(tmp_path: Path) -> None:
    write(tmp_path, "a.html", "a.csv")
    write(tmp_path, "a.html", content=b"newer")
    assert files(tmp_path) == {"a.html": b"newer"}
    assert read_manifest(tmp_path)["report a"].files.keys() == {"a.html"} and not list_user_files(tmp_path)


@pytest.mark.parametrize("name", ["notes.html", "a_problem.csv", "places/E00000000.html", "scenario_mine_cells.csv"])
def test_file_outside_the_manifest_is_never_removed(tmp_path: Path, name: str) -> None:
    write_atomically(output_path(tmp_path, name), MINE)
    write(tmp_path, "a.html", "places/E09000001.html")
    write(tmp_path, "b.html", of="report b")
    remove_groups(tmp_path, "report", {"b"})
    remove_temporary_files(tmp_path)
    assert files(tmp_path) == {name: MINE, "b.html": OURS}


def test_users_file_at_an_output_path_is_renamed(tmp_path: Path) -> None:
    write_atomically(output_path(tmp_path, "a.csv-metadata.json"), MINE)
    write(tmp_path, "a.csv-metadata.json")
    (name,) = list_user_files(tmp_path)
    assert name.startswith("a (yours 20") and name.endswith(").csv-metadata.json")
    assert files(tmp_path) == {"a.csv-metadata.json": OURS, name: MINE}


def test_file_changed_by_a_user_is_kept_at_every_build(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    for change in (b"first", b"other"):
        output_path(tmp_path, "a.csv").write_bytes(change)
        write(tmp_path, "a.csv")
    assert sorted(files(tmp_path).values()) == [b"first", b"other", OURS] and len(list_user_files(tmp_path)) == 2


def test_file_changed_by_a_user_is_not_removed_with_its_group(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "a.html")
    output_path(tmp_path, "a.csv").write_bytes(MINE)
    remove_groups(tmp_path, "report", set())
    assert files(tmp_path) == {"a.csv": MINE}
    assert list_user_files(tmp_path) == {"a.csv"}


def test_copied_file_with_another_modification_time_is_recognised(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    os.utime(output_path(tmp_path, "a.csv"), (1, 1))
    write(tmp_path, "a.csv", content=b"newer")
    assert files(tmp_path) == {"a.csv": b"newer"}


def test_killed_build_leaves_no_unlisted_file(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    register_outputs(
        tmp_path, "report a", ["a_source"], {"a.csv": hash_bytes(b"newer"), "a.html": hash_bytes(b"newer")}
    )
    write_atomically(output_path(tmp_path, "a.html"), b"newer")
    write(tmp_path, "a.csv", "a.html", content=b"newest")
    assert files(tmp_path) == {"a.csv": b"newest", "a.html": b"newest"} and not list_user_files(tmp_path)


def test_folder_or_link_at_an_output_path_belongs_to_the_user(tmp_path: Path) -> None:
    write_atomically(tmp_path / "elsewhere.html", OURS)
    output_path(tmp_path, "a.csv").mkdir(parents=True)
    write_atomically(output_path(tmp_path, "a.csv/mine.csv"), MINE)
    output_path(tmp_path, "a.html").symlink_to(tmp_path / "elsewhere.html")
    write(tmp_path, "a.csv", "a.html", content=b"newer")
    assert output_path(tmp_path, "a.csv").read_bytes() == output_path(tmp_path, "a.html").read_bytes() == b"newer"
    assert (tmp_path / "elsewhere.html").read_bytes() == OURS
    assert MINE in files(tmp_path).values() and len(list_user_files(tmp_path)) == 2


def test_changes_of_an_analyst_to_the_database_are_kept(tmp_path: Path) -> None:
    for number in range(2):
        made = output_path(tmp_path, f".making-{number}.duckdb")
        made.parent.mkdir(exist_ok=True)
        with duckdb.connect(str(made)) as con:
            con.execute(f"create table t as select {number} as n")
        path, _ = replace_file(tmp_path, made, ["a_source"])
        assert path == output_path(tmp_path, WAREHOUSE_NAME)
        if number == 0:
            with duckdb.connect(str(path)) as con:
                con.execute("create table mine as select 7 as n")
    (name,) = list_user_files(tmp_path)
    with duckdb.connect(str(output_path(tmp_path, name)), read_only=True) as con:
        assert con.sql("select n from mine").fetchall() == [(7,)]
    with duckdb.connect(str(path), read_only=True) as con:
        assert con.sql("select n from t").fetchall() == [(1,)]


def test_database_versions_in_use_are_removed_by_the_next_build(tmp_path: Path) -> None:
    """Windows does not allow a rename over an open file, so each version then has its own name."""
    old = "commonground-7-0a.duckdb"
    write_outputs(tmp_path, "warehouse", ["gone"], [(WAREHOUSE_NAME, OURS), (old, OURS), (POINTER_NAME, old.encode())])
    write_atomically(output_path(tmp_path, "commonground-mine.duckdb"), MINE)
    write_atomically(output_path(tmp_path, ".making-1.duckdb"), b"newer")
    path, _ = replace_file(tmp_path, output_path(tmp_path, ".making-1.duckdb"), ["a_source"])
    assert path == output_path(tmp_path, WAREHOUSE_NAME)
    assert files(tmp_path) == {WAREHOUSE_NAME: b"newer", "commonground-mine.duckdb": MINE}
    assert read_manifest(tmp_path)["warehouse"].input_sources == ("a_source",)


def test_manifest_of_an_earlier_store_excludes_files_changed_since(tmp_path: Path) -> None:
    for name in ("a.html", "a.csv", "mine.csv"):
        write_atomically(output_path(tmp_path, name), OURS)
    done = state_path(tmp_path, "report", "a")
    done.parent.mkdir(parents=True)
    write_table(done, duckdb.sql("select unnest(['a.html', 'a.csv']) as file").pl(), "key")
    later = done.stat().st_mtime + 3600
    os.utime(output_path(tmp_path, "a.csv"), (later, later))
    write(tmp_path, "a.html", "a.csv", content=b"newer")
    (name,) = list_user_files(tmp_path)
    assert files(tmp_path) == {"a.html": b"newer", "a.csv": b"newer", name: OURS, "mine.csv": OURS}


def test_unreadable_manifest_is_reported_and_nothing_is_written(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    manifest_path(tmp_path).write_text(json.dumps({"groups": {"report a": {"rests_on": 1}}}))
    with pytest.raises(UnreadableError, match=r"outputs\.json"):
        write(tmp_path, "a.csv", content=b"newer")
    assert files(tmp_path) == {"a.csv": OURS}
    with pytest.raises(UnreadableError), edit_manifest(tmp_path):
        pass


def test_only_temporary_files_of_the_project_are_removed(tmp_path: Path) -> None:
    ours, mine = (output_path(tmp_path, name) for name in (f".making-{'0a' * 16}.csv", ".making-of-the-report.txt"))
    for path in (ours, mine):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(MINE)
    remove_temporary_files(tmp_path)
    assert mine.is_file() and not ours.exists()


def test_file_with_the_same_content_is_not_written_again(tmp_path: Path) -> None:
    write(tmp_path, "a.html", "a.csv")
    before = {name: output_path(tmp_path, name).stat().st_mtime_ns for name in ("a.html", "a.csv")}
    write_outputs(tmp_path, "report a", ["b_source"], [("a.html", OURS), ("a.csv", b"newer")], staying=())
    after = {name: output_path(tmp_path, name).stat().st_mtime_ns for name in before}
    assert [after[name] == before[name] for name in ("a.html", "a.csv")] == [True, False]
    assert read_manifest(tmp_path)["report a"].input_sources == ("b_source",)
    output_path(tmp_path, "a.html").write_bytes(MINE)
    write(tmp_path, "a.html", "a.csv")
    (kept,) = list_user_files(tmp_path)
    assert files(tmp_path) == {"a.html": OURS, "a.csv": OURS, kept: MINE}
