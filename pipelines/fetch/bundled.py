"""Import of the files bundled with the project as snapshots of the store."""

from datetime import UTC, datetime
from pathlib import Path

from pipelines.core.store import Snapshot, digest, keep_bytes, put, snapshots
from pipelines.declarations.catalogue import Catalogue


def take_in(home: Path, catalogue: Catalogue, name: str) -> None:
    """Store the releases bundled with the project as if they had been fetched, and repair damaged copies."""
    source = catalogue.sources[name]
    for release in source.releases:
        path = catalogue.sources_dir / release.file
        if not path.is_file():
            continue
        content = path.read_bytes()
        held = [s for s in snapshots(home, name) if (s.file, s.released) == (path.name, release.released)]
        if held and held[-1].sha256 == digest(content):
            keep_bytes(home, content, not source.shown)
            continue
        now = datetime.now(UTC).isoformat(timespec="seconds")
        put(
            home,
            content,
            Snapshot(
                name, digest(content), release.released, release.label, now, "starter", path.name, len(content),
                source.licence,
            ),
            not source.shown,
        )  # fmt: skip
