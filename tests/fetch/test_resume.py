"""Resumption of large downloads, without joining parts of two files."""

import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.core import snapshots
from pipelines.fetch.refresh import refresh_source
from pipelines.fetch.response import Limits
from tests.fetch.test_refresh import NOW, TODAY, source
from tests.publisher import Publisher, Reply, breaking, cut_short, publishing, ranged, says

ROWS = b"".join(b"E%08d,%d\n" % (n, n) for n in range(20_000))
FILE = b"code,value\n" + ROWS
LIMITS = Limits(attempts=2, seconds=3.0, bytes=10_000_000, wait=0.01, keep=1_000)


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with publishing() as server:
        yield server


def fetch(home: Path, office: Publisher, *replies: Reply, limits: Limits = LIMITS) -> bytes:
    url = office.at("/a.csv", *replies)
    outcome = refresh_source(home, "claimants", source(url), today=TODAY, now=NOW, limits=limits)
    assert outcome.snapshot, outcome.detail
    assert not list(snapshots.snapshots_dir(home).glob(".part*")), "no partial file remains"
    return snapshots.read_snapshot(home, outcome.snapshot.sha256)


def test_only_the_remainder_is_requested(tmp_path: Path, office: Publisher) -> None:
    assert fetch(tmp_path, office, breaking(FILE, 200_000), ranged(FILE)) == FILE
    assert office.asked[1].headers["range"] == f"bytes={200_000 - 65_536}-"
    assert office.asked[1].headers["if-range"] == '"1"'


def test_partial_download_is_stored_for_the_next_refresh(tmp_path: Path, office: Publisher) -> None:
    url = office.at("/a.csv", breaking(FILE, 150_000))
    once = LIMITS._replace(attempts=1)
    failed = refresh_source(tmp_path, "claimants", source(url), today=TODAY, now=NOW, limits=once)
    assert failed.result == "failed" and "a truncated file" in failed.detail
    assert (snapshots.snapshots_dir(tmp_path) / ".part-claimants").stat().st_size == 150_000
    assert fetch(tmp_path, office, ranged(FILE), limits=once) == FILE
    assert "range" in office.asked[-1].headers


def test_changed_file_is_fetched_again(tmp_path: Path, office: Publisher) -> None:
    later = FILE.replace(b"E0000", b"E1111")
    assert fetch(tmp_path, office, breaking(FILE, 200_000), ranged(later, '"2"')) == later


def test_changed_file_under_the_same_etag_is_not_joined(tmp_path: Path, office: Publisher) -> None:
    later = FILE.replace(b"E0000", b"E1111")
    actual = fetch(tmp_path, office, breaking(FILE, 200_000), ranged(later), limits=LIMITS._replace(attempts=3))
    assert actual == later


def test_longer_file_under_the_same_etag_is_not_joined(tmp_path: Path, office: Publisher) -> None:
    later = FILE + b"E99999999,1\n"
    actual = fetch(tmp_path, office, breaking(FILE, 200_000), ranged(later), limits=LIMITS._replace(attempts=3))
    assert actual == later


def test_server_without_ranges_sends_the_whole_file_again(tmp_path: Path, office: Publisher) -> None:
    assert fetch(tmp_path, office, breaking(FILE, 200_000), says(200, FILE, ETag='"1"')) == FILE


def test_unsatisfiable_range_deletes_the_stored_part(tmp_path: Path, office: Publisher) -> None:
    replies = (breaking(FILE, 200_000), says(416), says(200, FILE))
    assert fetch(tmp_path, office, *replies, limits=LIMITS._replace(attempts=3)) == FILE
    assert "range" not in office.asked[2].headers


def test_nothing_is_stored_without_a_version(tmp_path: Path, office: Publisher) -> None:
    assert fetch(tmp_path, office, cut_short(FILE[:9_000], len(FILE)), says(200, FILE)) == FILE
    assert "range" not in office.asked[1].headers


def test_weak_etag_is_no_version(tmp_path: Path, office: Publisher) -> None:
    assert fetch(tmp_path, office, breaking(FILE, 200_000, 'W/"1"'), says(200, FILE)) == FILE
    assert "range" not in office.asked[1].headers


def test_archive_truncated_by_a_wrong_content_length_is_refused(tmp_path: Path, office: Publisher) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", FILE)

    def short(handler):  # type: ignore[no-untyped-def]
        handler.begin(200, {"Content-Length": "2000"})
        handler.wfile.write(packed.getvalue())
        handler.close_connection = True

    url = office.at("/a.zip", short)
    outcome = refresh_source(tmp_path, "claimants", source(url), today=TODAY, now=NOW, limits=LIMITS)
    assert outcome.result == "failed" and "a truncated archive" in outcome.detail


def test_progress_is_reported_during_the_download(tmp_path: Path, office: Publisher) -> None:
    progress: list[tuple[int, int]] = []
    url = office.at("/a.csv", says(200, FILE))
    begun = time.monotonic()
    refresh_source(
        tmp_path,
        "claimants",
        source(url),
        today=TODAY,
        now=NOW,
        limits=LIMITS,
        on_progress=lambda *n: progress.append(n),
    )
    assert progress[-1] == (len(FILE), len(FILE)) and time.monotonic() - begun < 3
    assert [size for size, _ in progress] == sorted(size for size, _ in progress)
