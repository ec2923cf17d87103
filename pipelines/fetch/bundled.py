"""Import of the files bundled with the project as snapshots of the store."""

from pathlib import Path

from pipelines.core.clock import current_time
from pipelines.core.store import Snapshot, hash_bytes, source_snapshots, store_bytes, store_snapshot
from pipelines.declarations.catalogue import Catalogue


def import_bundled_releases(home: Path, catalogue: Catalogue, name: str) -> None:
    """Store the releases bundled with the project as if they had been fetched, and repair damaged copies."""
    source = catalogue.sources[name]
    for release in source.releases:
        path = catalogue.sources_dir / release.file
        if not path.is_file():
            continue
        content = path.read_bytes()
        stored = [s for s in source_snapshots(home, name) if (s.file, s.released) == (path.name, release.released)]
        if stored and stored[-1].sha256 == hash_bytes(content):
            store_bytes(home, content, not source.is_public)
            continue
        now = current_time().isoformat(timespec="seconds")
        store_snapshot(
            home,
            content,
            Snapshot(
                name, hash_bytes(content), release.released, release.label, now, "starter", path.name, len(content),
                source.licence,
            ),
            not source.is_public,
        )  # fmt: skip
