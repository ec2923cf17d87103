"""Buckets of an object store that speaks S3, through s3fs: the interface of core.object_store.

The environment configures it as it does other programs: AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL and others.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.core.bucket_catalogue import guess_content_type
from pipelines.core.errors import FetchError
from pipelines.core.object_store import BUCKET_PREFIX, ObjectStore, StoredObject

_REFUSALS = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
"""Answers to a conditional write where the condition fails: the object changed, is being changed, or does not exist."""
_REQUESTS = 16
"""Number of requests at a time."""
_KEYS_PER_REMOVAL = 1000


def open_bucket(address: str) -> ObjectStore:
    """Open a bucket by its address, s3://bucket/prefix. Raises FetchError where s3fs is not installed."""
    try:
        import s3fs
    except ImportError as error:
        raise FetchError(
            f"{address}: a store in a bucket needs s3fs, which is not installed; install it with "
            "`pip install 'commonground[s3]'`, or choose a directory as the store"
        ) from error
    bucket, _, prefix = address.removeprefix(BUCKET_PREFIX).strip("/").partition("/")
    if not bucket:
        raise FetchError(f"{address}: found no bucket; expected s3://bucket/prefix")
    return _Bucket(s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True), bucket, prefix)


class _Bucket:
    """A bucket and a prefix of its keys."""

    def __init__(self, system: Any, bucket: str, prefix: str) -> None:
        self._system, self._bucket, self._prefix = system, bucket, f"{prefix}/" if prefix else ""

    @property
    def address(self) -> str:
        """Return the address of the store."""
        return f"{BUCKET_PREFIX}{self._bucket}/{self._prefix}".rstrip("/")

    def read(self, key: str) -> StoredObject | None:
        """Read an object; null where there is none."""
        with self._one_sentence(key):
            try:
                return StoredObject(*_read_object(self._system, self._bucket, self._prefix + key))
            except FileNotFoundError as error:
                if _error_code(error) == "NoSuchBucket":
                    raise
                return None

    def write(self, key: str, content: bytes) -> None:
        """Write an object, whether it exists or not."""
        with self._one_sentence(key):
            self._put(key, content)

    def write_if_unchanged(self, key: str, content: bytes, tag: str | None) -> bool:
        """Write an object on a condition; return whether it was written."""
        if tag is None:
            return self._put_if(key, content, IfNoneMatch="*")
        if self._put_if(key, content, IfMatch=tag):
            return True
        # Ceph 16 compares a tag with its quotes, so it refuses the tag of its own answer. Without quotes it accepts it.
        stored = self.read(key)
        return stored is not None and stored.tag == tag and self._put_if(key, content, IfMatch=tag.strip('"'))

    def upload(self, files: Mapping[str, Path]) -> None:
        """Write files as objects."""
        self._run_together(lambda key: self._system.put_file(str(files[key]), self._full(key)), files)

    def download(self, files: Mapping[str, Path]) -> None:
        """Read objects into files."""
        self._run_together(lambda key: self._system.get_file(self._full(key), str(files[key])), files)

    def copy(self, sources: Mapping[str, str]) -> None:
        """Copy objects on the server, each with the media type of its new name."""

        def copy_one(key: str) -> None:
            self._system.call_s3(
                "copy_object", Bucket=self._bucket, Key=self._prefix + key,
                CopySource=self._full(sources[key]), MetadataDirective="REPLACE", ContentType=guess_content_type(key),
            )  # fmt: skip

        self._run_together(copy_one, sources)

    def list_keys(self, prefix: str) -> dict[str, datetime]:
        """List keys with the time of their last write."""
        with self._one_sentence(prefix):
            entries: dict[str, dict[str, Any]] = self._system.find(self._full(prefix), detail=True)
        start = len(self._full(""))
        return {path[start:]: entry["LastModified"] for path, entry in entries.items()}

    def remove(self, keys: Collection[str]) -> None:
        """Remove objects."""
        ordered = sorted(keys)
        with self._one_sentence("objects"):
            for at in range(0, len(ordered), _KEYS_PER_REMOVAL):
                named = [{"Key": self._prefix + key} for key in ordered[at : at + _KEYS_PER_REMOVAL]]
                self._system.call_s3("delete_objects", Bucket=self._bucket, Delete={"Objects": named, "Quiet": True})

    def _full(self, key: str) -> str:
        return f"{self._bucket}/{self._prefix}{key}"

    def _put(self, key: str, content: bytes, **more: str) -> None:
        self._system.call_s3("put_object", Bucket=self._bucket, Key=self._prefix + key, Body=content, **more)

    def _put_if(self, key: str, content: bytes, **condition: str) -> bool:
        """Write an object on a condition; return whether the server accepted it."""
        with self._one_sentence(key):
            try:
                self._put(key, content, **condition)
            except OSError as error:
                if _error_code(error) not in _REFUSALS:
                    raise
                return False
        return True

    def _run_together(self, work: Callable[[str], object], keys: Collection[str]) -> None:
        with self._one_sentence(next(iter(keys), "")), ThreadPoolExecutor(_REQUESTS) as pool:
            for _ in pool.map(work, keys):
                pass

    @contextmanager
    def _one_sentence(self, key: str) -> Iterator[None]:
        """Raise what the server or the network reports as one sentence."""
        from botocore.exceptions import BotoCoreError

        try:
            yield
        except (OSError, BotoCoreError) as error:
            raise FetchError(
                f"{self.address}: the bucket can't be used ({error}; at {key or 'the bucket'}); check its name, "
                "AWS_ENDPOINT_URL and the credentials, and run the command again"
            ) from error


def _read_object(system: Any, bucket: str, key: str) -> tuple[bytes, str]:
    """Read the bytes and the tag of an object in one request, so that both are of one version."""
    from fsspec.asyn import sync

    async def read() -> tuple[bytes, str]:
        answer = await system._call_s3("get_object", Bucket=bucket, Key=key)
        async with answer["Body"] as body:
            return await body.read(), answer["ETag"]

    stored: tuple[bytes, str] = sync(system.loop, read)
    return stored


def _error_code(error: OSError) -> str:
    """Return the code of the server's answer behind an error of s3fs."""
    answer = getattr(error.__cause__, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))
