"""Snapshot store: append-only log, verification on demand, and list commands."""

import csv
import io
import json
from datetime import date
from pathlib import Path

import pytest

from pipelines.app.snapshots import list_snapshots, verify_snapshots
from pipelines.core import snapshots, store
from pipelines.core.errors import UnreadableError
from pipelines.declarations.catalogue import load_catalogue
from pipelines.fetch.bundled import import_bundled_releases
from tests.command import run

CONTENT = b"code,value\nE06000001,5\n"
SHAPES = b'{"type": "FeatureCollection", "features": [{"type": "Feature"}]}'


def snapshot(content: bytes, released: date = date(2024, 1, 1), file: str = "a.csv") -> snapshots.Snapshot:
    return snapshots.Snapshot(
        "claimants", store.hash_bytes(content), released, "", "now", "x", file, len(content), "OGL"
    )


def test_log_line_states_new_unchanged_or_redated_content(tmp_path: Path) -> None:
    result = [
        snapshots.store_snapshot(tmp_path, CONTENT, snapshot(CONTENT)).change,
        snapshots.store_snapshot(tmp_path, CONTENT, snapshot(CONTENT)).change,
        snapshots.store_snapshot(tmp_path, CONTENT, snapshot(CONTENT, date(2024, 2, 1))).change,
        snapshots.store_snapshot(tmp_path, CONTENT + b"x", snapshot(CONTENT + b"x")).change,
    ]
    assert result == ["new", "same", "redated", "new"]
    assert list_snapshots(tmp_path, "claimants")["change"].to_list() == result
    assert len(snapshots.source_snapshots(tmp_path, "claimants")) == 3, "a line that brings nothing new is no release"
    assert len(list(snapshots.snapshots_dir(tmp_path).iterdir())) == 3, "two files and the log: same bytes once"


def test_log_is_append_only(tmp_path: Path) -> None:
    path = snapshots.snapshots_dir(tmp_path) / "log.jsonl"
    snapshots.store_snapshot(tmp_path, CONTENT, snapshot(CONTENT))
    before = path.read_bytes()
    snapshots.store_snapshot(tmp_path, CONTENT, snapshot(CONTENT))
    assert path.read_bytes().startswith(before) and len(path.read_bytes()) > len(before)


def test_log_line_without_a_change_is_read(tmp_path: Path) -> None:
    snapshots.store_snapshot(tmp_path, CONTENT, snapshot(CONTENT))
    path = snapshots.snapshots_dir(tmp_path) / "log.jsonl"
    fields = json.loads(path.read_text())
    del fields["change"]
    path.write_text(json.dumps(fields) + "\n" + json.dumps({**fields, "sha256": "", "status": 304}) + "\n")
    assert [entry.sha256 for entry in snapshots.source_snapshots(tmp_path, "claimants")] == [store.hash_bytes(CONTENT)]


def test_changed_file_missing_file_and_broken_line_are_reported(tmp_path: Path) -> None:
    other = CONTENT.replace(b"5", b"6")
    snapshots.store_snapshot(tmp_path, CONTENT, snapshot(CONTENT))
    snapshots.store_snapshot(tmp_path, other, snapshot(other, file="b.csv"))
    assert verify_snapshots(tmp_path) == (2, [])
    folder = snapshots.snapshots_dir(tmp_path)
    (folder / store.hash_bytes(CONTENT)).write_bytes(CONTENT.replace(b"5", b"9"))
    (folder / store.hash_bytes(other)).unlink()
    with (folder / "log.jsonl").open("ab") as log:
        log.write(b"{broken}\n")
    files, faults = verify_snapshots(tmp_path)
    assert files == 2 and len(faults) == 3
    assert "log.jsonl:3" in faults[0] and "restore the file" in faults[0]
    assert "a.csv" in faults[1] and "the content has changed" in faults[1]
    assert "b.csv" in faults[2] and "the file is missing" in faults[2]


def test_file_is_verified_on_reading(tmp_path: Path) -> None:
    snapshots.store_snapshot(tmp_path, CONTENT, snapshot(CONTENT))
    (snapshots.snapshots_dir(tmp_path) / store.hash_bytes(CONTENT)).write_bytes(CONTENT.replace(b"5", b"9"))
    with pytest.raises(UnreadableError, match="the content has changed"):
        snapshots.read_snapshot(tmp_path, store.hash_bytes(CONTENT))


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_adding_the_same_file_repairs_a_snapshot(tmp_path: Path, damage: str) -> None:
    snapshots.store_snapshot(tmp_path, CONTENT, snapshot(CONTENT))
    path = snapshots.snapshots_dir(tmp_path) / store.hash_bytes(CONTENT)
    path.write_bytes(CONTENT.replace(b"5", b"9") if damage == "changed" else CONTENT[:5])
    if damage == "gone":
        path.unlink()
    snapshots.store_snapshot(tmp_path, CONTENT, snapshot(CONTENT))
    assert snapshots.read_snapshot(tmp_path, store.hash_bytes(CONTENT)) == CONTENT
    assert verify_snapshots(tmp_path) == (1, [])


def test_bundled_file_is_repaired_by_the_next_build_and_logged_once(tmp_path: Path) -> None:
    catalogue = load_catalogue(Path(__file__).resolve().parent.parent.parent)
    import_bundled_releases(tmp_path, catalogue, ["trafford_food_banks"])
    (stored,) = snapshots.source_snapshots(tmp_path, "trafford_food_banks")
    (snapshots.snapshots_dir(tmp_path) / stored.sha256).unlink()
    with pytest.raises(UnreadableError, match="the file is missing; run a build if the file is bundled"):
        snapshots.read_snapshot(tmp_path, stored.sha256)
    import_bundled_releases(tmp_path, catalogue, ["trafford_food_banks"])
    assert verify_snapshots(tmp_path) == (1, [])
    assert snapshots.source_snapshots(tmp_path, "trafford_food_banks") == [stored]


def test_commands_list_stored_files_and_fail_on_damage(tmp_path: Path) -> None:
    home = tmp_path / "store"
    kept = tmp_path / "a.json"
    kept.write_bytes(SHAPES)
    assert run("add", "ons_lad_boundaries", str(kept), "--released", "2024-01-01", store=home).returncode == 0
    rows = list(csv.DictReader(io.StringIO(run("snapshots", "--format", "csv", store=home).stdout)))
    # Bundled files are imported first, so that codes can be looked up. The added file comes last.
    assert {row["origin"] for row in rows[:-1]} == {"starter"}
    added = ("ons_lad_boundaries", "new", store.hash_bytes(SHAPES))
    assert tuple(rows[-1][name] for name in ("source", "change", "sha256")) == added
    listing = run("snapshots", "ons_lad_boundaries", store=home).stdout
    size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and path.parent != home)
    assert "a.json" in listing and f"The store has {size / 1e6:,.1f} MB: snapshots " in listing
    assert run("snapshots", "ons_lad_boundary", store=home).returncode == 2
    assert f"{len({row['sha256'] for row in rows})} files" in run("verify", store=home).stdout
    (snapshots.snapshots_dir(home) / store.hash_bytes(SHAPES)).write_bytes(b"")
    done = run("verify", store=home)
    assert done.returncode == 4 and "a.json" in done.stderr
