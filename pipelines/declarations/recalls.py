"""Releases that a publisher has recalled, as declared."""

from pathlib import Path

from pipelines.core.store import Snapshot
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import Withdrawn


def recall_of(source: Source, snapshot: Snapshot) -> Withdrawn | None:
    """Say that a file was recalled by its publisher, if its declaration says so by name and day or by sha256."""
    named = [
        release.withdrawn
        for release in source.releases
        if (Path(release.file).name, release.released) == (snapshot.file, snapshot.released)
    ]
    hashed = [told for start, told in source.withdrawn.items() if snapshot.sha256.startswith(start)]
    return next((told for told in (*named, *hashed) if told), None)


def said(recall: Withdrawn) -> str:
    """Say in one clause that a release was recalled, why, and where that can be read."""
    return f"recalled by its publisher on {recall.when}: {recall.reason} ({recall.link})"
