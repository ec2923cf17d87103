"""The catalogue of a store in a bucket: one small object that names everything current.

    catalogue.json            the number of the current build, and the hash of its manifest
    manifests/<sha256>.json   every file of the store: path, sha256, size and modification time
    objects/<sha256>          the bytes of a file, never changed
    out/                      copies of the current output files, for programs that do not read the catalogue
    out.json                  the manifest that the copies under out/ follow

A build writes its objects and its manifest under new keys. It then replaces catalogue.json, on the condition that no
other build has replaced it since this one read it. Readers read catalogue.json once, and then objects that never
change. So a killed build leaves only objects that nothing names.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from mimetypes import guess_type
from typing import Any, NamedTuple
from uuid import uuid4

from pipelines.core.clock import current_time
from pipelines.core.errors import CommongroundError, UnreadableError
from pipelines.core.object_store import ObjectStore
from pipelines.core.store import hash_bytes

CATALOGUE = "catalogue.json"
COPIES = "out.json"
FORMAT = 1
OUTPUTS = "out/"
KEPT_AFTER = timedelta(days=1)
"""Age from which objects that no recent manifest names are removed: readers and builders may still use younger ones."""


class StoredFile(NamedTuple):
    """A file of a store: the hash of its bytes, its size, and its modification time when it was written."""

    sha256: str
    size: int
    modified_ns: int


Files = dict[str, StoredFile]
"""Files of a store by their path in it."""


class Edition(NamedTuple):
    """A published state of a store: its number, its files, the hash of its manifest, and the tag of the catalogue."""

    build: int
    files: Files
    manifest: str
    tag: str | None


NOTHING = Edition(0, {}, "", None)
"""The state of a bucket without a catalogue."""


def object_key(sha256: str) -> str:
    """Return the key of an object by the hash of its bytes."""
    return f"objects/{sha256}"


def read_edition(bucket: ObjectStore) -> Edition:
    """Read the current build. Raises UnreadableError for a catalogue of a later version or without its manifest."""
    stored = bucket.read(CATALOGUE)
    if stored is None:
        return NOTHING
    catalogue = _parse_catalogue(bucket, stored.content)
    return Edition(catalogue["build"], read_files(bucket, catalogue["manifest"]), catalogue["manifest"], stored.tag)


def _parse_catalogue(bucket: ObjectStore, content: bytes) -> dict[str, Any]:
    try:
        catalogue: dict[str, Any] = json.loads(content)
        if catalogue["format"] > FORMAT:
            raise CommongroundError(
                f"{bucket.address}/{CATALOGUE}: found format {catalogue['format']}, expected at most {FORMAT}; a later "
                "version of Commonground wrote this store: use that version, or choose another store"
            )
        return {**catalogue, "build": int(catalogue["build"]), "manifest": str(catalogue["manifest"])}
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(
            f"{bucket.address}/{CATALOGUE}: not a catalogue ({error}); restore an earlier version of this object"
        ) from error


def read_files(bucket: ObjectStore, manifest: str) -> Files:
    """Read the files that a manifest names."""
    key = f"manifests/{manifest}.json"
    stored = bucket.read(key)
    if stored is None or hash_bytes(stored.content) != manifest:
        raise UnreadableError(
            f"{bucket.address}/{key}: missing or damaged; restore an earlier version of {CATALOGUE}, or of this object"
        )
    return {path: StoredFile(*entry) for path, entry in json.loads(stored.content)["files"].items()}


def publish_edition(bucket: ObjectStore, base: Edition, files: Files) -> Edition:
    """Publish the files of a store by one conditional write, after their objects; return the new state.

    Raises CommongroundError, and publishes nothing, where another build was published since `base` was read.
    """
    content = json.dumps({"files": {path: list(files[path]) for path in sorted(files)}}, separators=(",", ":")).encode()
    manifest, token = hash_bytes(content), uuid4().hex
    bucket.write(f"manifests/{manifest}.json", content)
    catalogue = {
        "format": FORMAT, "build": base.build + 1, "manifest": manifest, "previous": base.manifest, "token": token,
        "published_at": current_time().isoformat(timespec="seconds"),
    }  # fmt: skip
    is_written = bucket.write_if_unchanged(CATALOGUE, json.dumps(catalogue).encode(), base.tag)
    now = bucket.read(CATALOGUE)
    # A repeated request is refused where the first succeeded and its response was lost: the token tells.
    if not is_written and (now is None or _parse_catalogue(bucket, now.content).get("token") != token):
        raise CommongroundError(
            f"{bucket.address}: another build was published while this one ran; nothing of this one was published: "
            "run the command again"
        )
    return Edition(base.build + 1, files, manifest, now.tag if now else None)


def refuse_without_conditions(bucket: ObjectStore) -> None:
    """Raise CommongroundError where the server writes an object although its condition fails."""
    if bucket.write_if_unchanged("condition.test", b"", '"no object has this tag"'):
        raise CommongroundError(
            f"{bucket.address}: this server ignores the conditions of conditional writes, so that two builds could "
            "overwrite each other; nothing was published: use a server with If-Match"
        )


def copy_outputs(bucket: ObjectStore, edition: Edition) -> None:
    """Copy the current output files to their own names under out/, and remove those of earlier builds.

    A build that ends meanwhile publishes other files: they are copied too, until out/ follows the catalogue.
    """
    while True:
        copied = _read_copies(bucket)
        if copied == edition.manifest:
            return
        before = _select_outputs(read_files(bucket, copied)) if copied else None
        wanted = _select_outputs(edition.files)
        # Until the copies are whole, a later build copies every file.
        bucket.write(COPIES, json.dumps({"manifest": edition.manifest, "is_whole": False}).encode())
        there = before if before is not None else dict.fromkeys(bucket.list_keys(OUTPUTS), "")
        changed = {path: object_key(sha256) for path, sha256 in wanted.items() if there.get(path) != sha256}
        bucket.copy(changed)
        bucket.remove([path for path in there if path not in wanted])
        bucket.write(COPIES, json.dumps({"manifest": edition.manifest, "is_whole": True}).encode())
        edition = read_edition(bucket)


def _select_outputs(files: Files) -> dict[str, str]:
    return {path: file.sha256 for path, file in files.items() if path.startswith(OUTPUTS)}


def _read_copies(bucket: ObjectStore) -> str:
    """Return the manifest that the copies under out/ follow; blank where the last copying did not end."""
    stored = bucket.read(COPIES)
    state = json.loads(stored.content) if stored else {"is_whole": False}
    return str(state["manifest"]) if state["is_whole"] else ""


def guess_content_type(key: str) -> str:
    """Return the media type of an output file, by which a browser shows a page from a bucket."""
    return guess_type(key)[0] or "application/octet-stream"


def prune_objects(bucket: ObjectStore, edition: Edition) -> None:
    """Remove objects and manifests that are older than a day and that no manifest of the last day names."""
    limit = current_time() - KEPT_AFTER
    manifests = bucket.list_keys("manifests/")
    current = f"manifests/{edition.manifest}.json"
    recent = {key for key, written in manifests.items() if written > limit} | {current}
    kept = {
        object_key(file.sha256) for key in recent for file in _read_kept_files(bucket, key, edition, current).values()
    }
    objects = bucket.list_keys("objects/")
    bucket.remove([key for key, written in objects.items() if written <= limit and key not in kept])
    bucket.remove([key for key in manifests if key not in recent])


def _read_kept_files(bucket: ObjectStore, key: str, edition: Edition, current: str) -> Mapping[str, StoredFile]:
    if key == current:
        return edition.files
    return read_files(bucket, key.removeprefix("manifests/").removesuffix(".json"))
