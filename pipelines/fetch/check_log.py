"""The log of road checks in a store: an inferred road is scheduled once its check has succeeded."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from pipelines.core.snapshots import snapshots_dir
from pipelines.declarations.source import Source


class CheckEntry(NamedTuple):
    """One line of the log: source, hash of its address, time and result."""

    source: str
    road: str
    checked_at: str
    result: str
    detail: str


def log_check(home: Path, name: str, source: Source, now: str, result: str, detail: str) -> None:
    """Append the result of a check to the log of the store."""
    path = _log_path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = CheckEntry(name, _hash_road(source), now, result, detail)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry._asdict(), ensure_ascii=False) + "\n")


def has_passed_check(home: Path, name: str, source: Source) -> bool:
    """Return whether a check of the declared address has succeeded in a store."""
    road = _hash_road(source)
    return any(entry[:2] == (name, road) and entry.result == "works" for entry in _read_entries(home))


def is_scheduled(home: Path, name: str, source: Source) -> bool:
    """Return whether a source is fetched on schedule: its road is recorded or documented, or has passed a check."""
    return source.has_proven_road or (source.is_refreshable and has_passed_check(home, name, source))


def _read_entries(home: Path) -> list[CheckEntry]:
    """Read the log, without lines that a crash left incomplete."""
    path = _log_path(home)
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            entries.append(CheckEntry(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return entries


def _hash_road(source: Source) -> str:
    road = source.url or (source.fetch.model_dump_json() if source.fetch else "")
    return hashlib.sha256(road.encode()).hexdigest()[:12]


def _log_path(home: Path) -> Path:
    return snapshots_dir(home) / "checks.jsonl"
