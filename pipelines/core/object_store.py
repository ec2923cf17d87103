"""Interface of an object store, such as a bucket: objects by key, and one conditional write.

The room `fetch` opens one over the network. What a store of Commonground writes there is in bucket_catalogue.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

BUCKET_PREFIX = "s3://"

EVERYTHING = ("",)
QUERY_FILES = ("layout.json", "out/commonground.", "outputs.json")
TABLE_FILES = (*QUERY_FILES, "ledger/", "notices/", "parsed.txt", "snapshots/log.jsonl", "state/")
"""Starts of the paths of files that a command needs: all; for a query; or for tables."""


class StoredObject(NamedTuple):
    """An object as read: its bytes, and the tag that a conditional write compares."""

    content: bytes
    tag: str


class ObjectStore(Protocol):
    """Objects under one address. Each method raises CommongroundError where the server does not do its work."""

    @property
    def address(self) -> str:
        """Return the address, such as s3://bucket/prefix."""

    def read(self, key: str) -> StoredObject | None:
        """Read an object; null where there is none."""

    def write(self, key: str, content: bytes) -> None:
        """Write an object, whether it exists or not."""

    def write_if_unchanged(self, key: str, content: bytes, tag: str | None) -> bool:
        """Write an object only if it still has a tag, or only if there is none where the tag is null.

        Return whether it was written.
        """

    def upload(self, files: Mapping[str, Path]) -> None:
        """Write files as objects, by key."""

    def download(self, files: Mapping[str, Path]) -> None:
        """Read objects into files, by key."""

    def copy(self, sources: Mapping[str, str]) -> None:
        """Copy objects on the server: the key of each source, by new key."""

    def list_keys(self, prefix: str) -> dict[str, datetime]:
        """List the keys with a prefix, with the time at which the server last wrote each."""

    def remove(self, keys: Collection[str]) -> None:
        """Remove objects; a missing one is no error."""


def is_bucket_address(setting: str) -> bool:
    """Return whether the setting of a store names a bucket, not a directory."""
    return setting.startswith(BUCKET_PREFIX)
