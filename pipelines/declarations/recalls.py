"""Declared recalls of releases by their publishers."""

from pathlib import Path

from pipelines.core.store import Snapshot
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import Withdrawn


def recall_of(source: Source, snapshot: Snapshot) -> Withdrawn | None:
    """Return the recall that a source declares for a file, by name and day or by sha256; null where there is none."""
    named = [
        release.withdrawn
        for release in source.releases
        if (Path(release.file).name, release.released) == (snapshot.file, snapshot.released)
    ]
    hashed = [told for start, told in source.withdrawn.items() if snapshot.sha256.startswith(start)]
    return next((told for told in (*named, *hashed) if told), None)


def said(recall: Withdrawn) -> str:
    """Describe a recall in one clause: its day, its reason and the link to the notice."""
    return f"recalled by its publisher on {recall.when}: {recall.reason} ({recall.link})"
