"""Files that travel with the project become snapshots of the store."""

from datetime import UTC, datetime
from pathlib import Path

from pipelines.core.store import Snapshot, digest, keep_bytes, put, snapshots
from pipelines.declarations.catalogue import Catalogue


def take_in(home: Path, catalogue: Catalogue, name: str) -> None:
    """Put the releases that travel with the project into the store, as if they had been fetched; mend them there."""
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
