"""The log of fetches: an appended line is read without the whole file, and equals what a fresh reader gets."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.core import snapshots
from pipelines.core.snapshots import Snapshot, append_log, read_log, snapshots_dir, source_snapshots

LINE = Snapshot("a", "0" * 64, date(2026, 1, 1), "", "2026-01-02T00:00:00", "starter", "a.csv", 1, "none", change="new")


def read_afresh(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Snapshot], list[Snapshot]]:
    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "_LOGS", {})
        return read_log(home), source_snapshots(home, "a")


def test_log_after_each_line_equals_a_fresh_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        LINE,
        LINE._replace(source="b", label="\x1b"),
        LINE._replace(change="same"),
        LINE._replace(sha256="1" * 64),
    ]
    assert read_log(tmp_path) == []
    for number, line in enumerate(lines, 1):
        before = read_log(tmp_path)
        append_log(tmp_path, line)
        assert (read_log(tmp_path), source_snapshots(tmp_path, "a")) == read_afresh(tmp_path, monkeypatch)
        assert len(read_log(tmp_path)) == number and len(before) == number - 1
    assert [entry.sha256[0] for entry in source_snapshots(tmp_path, "a")] == ["0", "1"]


def test_appended_lines_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append_log(tmp_path, LINE)
    read_log(tmp_path)
    monkeypatch.setattr(snapshots, "read_log_lines", lambda _: pytest.fail("the whole log was read"))
    append_log(tmp_path, LINE._replace(source="b"))
    assert [entry.source for entry in read_log(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize("is_read", [True, False])
def test_line_after_an_incomplete_one_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_read: bool) -> None:
    append_log(tmp_path, LINE)
    with (snapshots_dir(tmp_path) / "log.jsonl").open("ab") as file:
        file.write(b'{"source": "b", "sha')
    if is_read:
        assert len(read_log(tmp_path)) == 1
    append_log(tmp_path, LINE._replace(source="c"))
    assert [entry.source for entry in read_log(tmp_path)] == ["a", "c"]
    assert read_log(tmp_path) == read_afresh(tmp_path, monkeypatch)[0]


def test_line_of_another_process_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append_log(tmp_path, LINE)
    assert len(read_log(tmp_path)) == 1
    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "_LOGS", {})
        append_log(tmp_path, LINE._replace(source="b"))
    append_log(tmp_path, LINE._replace(source="c"))
    assert [entry.source for entry in read_log(tmp_path)] == ["a", "b", "c"]


def test_line_of_another_process_during_a_write_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append_log(tmp_path, LINE)
    assert len(read_log(tmp_path)) == 1
    log = snapshots_dir(tmp_path) / "log.jsonl"
    other = log.read_bytes().replace(b'"a"', b'"b"', 1)

    def write_meanwhile(path: Path) -> bool:
        with path.open("ab") as file:
            file.write(other)
        return False

    monkeypatch.setattr(snapshots, "_is_torn", write_meanwhile)
    append_log(tmp_path, LINE._replace(source="c"))
    assert [entry.source for entry in read_log(tmp_path)] == ["a", "b", "c"]
