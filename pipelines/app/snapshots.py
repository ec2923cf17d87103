"""Content of the store as tables: all fetches, and damaged files."""

from pathlib import Path

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.snapshots import Snapshot, read_log, read_log_line, read_log_lines, read_snapshot

LISTING_COLUMNS = {
    "source": pl.String,
    "fetched_at": pl.String,
    "change": pl.String,
    "status": pl.Int64,
    "released": pl.Date,
    "dated_by": pl.String,
    "label": pl.String,
    "file": pl.String,
    "size": pl.Int64,
    "sha256": pl.String,
    "etag": pl.String,
    "last_modified": pl.String,
    "licence": pl.String,
    "origin": pl.String,
    "error": pl.String,
}
"""Columns of the fetch log, one row for each fetch, oldest first."""


def list_snapshots(home: Path, source: str | None) -> pl.DataFrame:
    """Return the fetch log of one source or of all (LISTING_COLUMNS), including failed fetches."""
    lines = [entry for entry in read_log(home) if source in (None, entry.source)]
    rows = [[getattr(entry, name) for name in LISTING_COLUMNS] for entry in lines]
    return pl.DataFrame(rows, schema=LISTING_COLUMNS, orient="row")


SIZE_PARTS = {"snapshots": "snapshots", "state": "tables", "out": "outputs", "ledger": "gap ledger"}
"""Folders of a store, and their names in its size."""


def describe_size(home: Path) -> str:
    """Describe the size of a store and of its parts in one sentence, in MB."""
    sizes = {name: sum(path.stat().st_size for path in _files(home / name)) for name in SIZE_PARTS}
    parts = ", ".join(f"{SIZE_PARTS[name]} {_format_megabytes(size)}" for name, size in sizes.items())
    return f"The store has {_format_megabytes(sum(sizes.values()))}: {parts}."


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _format_megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def select_snapshot_columns(lines: pl.DataFrame) -> pl.DataFrame:
    """Return the main columns of the fetch log, with the start of each sha256."""
    detail = pl.when(pl.col("error") != "").then("error").otherwise("origin")
    return lines.select(
        "source", "fetched_at", "change", "released", "file", "size", pl.col("sha256").str.slice(0, 12),
        detail.alias("origin or error"),
    )  # fmt: skip


def verify_snapshots(home: Path) -> tuple[int, list[str]]:
    """Check the hash of every file in the log. Return the number of files and a message for each fault."""
    entries: dict[str, Snapshot] = {}
    faults = []
    for number, line in read_log_lines(home):
        try:
            entry = read_log_line(line, number, home)
            entries.setdefault(entry.sha256, entry)
        except UnreadableError as error:
            faults.append(str(error))
    entries.pop("", None)
    file_faults = [_file_fault(home, entry) for entry in entries.values()]
    return len(entries), faults + [fault for fault in file_faults if fault]


def _file_fault(home: Path, entry: Snapshot) -> str:
    try:
        read_snapshot(home, entry.sha256)
    except UnreadableError as error:
        return f"{entry.source}: {entry.file}, released {entry.released}: {error}"
    except OSError as error:
        return f"{entry.source}: {entry.file}: cannot be read ({error}); check the permissions of the store"
    return ""
