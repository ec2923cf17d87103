"""Declared recalls of releases by their publishers."""

from pathlib import Path

from pipelines.core.snapshots import Snapshot
from pipelines.declarations.source import Source
from pipelines.declarations.source_parts import Recall


def find_recall(source: Source, snapshot: Snapshot) -> Recall | None:
    """Return the recall that a source declares for a file, by name and day or by sha256; null where there is none."""
    by_name = [
        release.withdrawn
        for release in source.releases
        if (Path(release.file).name, release.released) == (snapshot.file, snapshot.released)
    ]
    by_hash = [recall for start, recall in source.withdrawn.items() if snapshot.sha256.startswith(start)]
    return next((recall for recall in (*by_name, *by_hash) if recall), None)


def describe_recall(recall: Recall) -> str:
    """Describe a recall in one clause: its day, its reason and the link to the notice."""
    return f"recalled by its publisher on {recall.when}: {recall.reason} ({recall.link})"
