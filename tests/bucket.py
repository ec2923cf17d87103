"""A bucket in memory, and one on a loopback server, for tests of stores in buckets."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import pytest

from pipelines.core.object_store import StoredObject


class Killed(BaseException):
    """End of a command at an operation of the bucket, as by a signal."""


class MemoryBucket:
    """Objects in memory. `before` is called before each change of an object, and may raise."""

    address = "s3://memory/store"

    def __init__(self) -> None:
        self.objects: dict[str, StoredObject] = {}
        self.times: dict[str, datetime] = {}
        self.now = datetime.now(UTC)
        self.before: Callable[[str], None] = lambda _: None
        self.has_conditions = True
        self._writes = 0

    def read(self, key: str) -> StoredObject | None:
        return self.objects.get(key)

    def write(self, key: str, content: bytes) -> None:
        self.before(key)
        self._writes += 1
        self.objects[key] = StoredObject(content, str(self._writes))
        self.times[key] = self.now

    def write_if_unchanged(self, key: str, content: bytes, tag: str | None) -> bool:
        stored = self.objects.get(key)
        if self.has_conditions and (stored.tag if stored else None) != tag:
            return False
        self.write(key, content)
        return True

    def upload(self, files: Mapping[str, Path]) -> None:
        for key, path in files.items():
            self.write(key, path.read_bytes())

    def download(self, files: Mapping[str, Path]) -> None:
        for key, path in files.items():
            path.write_bytes(self.objects[key].content)

    def copy(self, sources: Mapping[str, str]) -> None:
        for key, source in sources.items():
            self.write(key, self.objects[source].content)

    def list_keys(self, prefix: str) -> dict[str, datetime]:
        return {key: time for key, time in self.times.items() if key.startswith(prefix)}

    def remove(self, keys: Collection[str]) -> None:
        for key in keys:
            self.before(key)
            self.objects.pop(key, None)
            self.times.pop(key, None)


@contextmanager
def loopback_bucket() -> Iterator[str]:
    """Serve a bucket on the loopback address with moto; set the environment, and yield the address of a store.

    Skip the test where one of the two packages is missing. They are imported here, because each worker collects tests.
    """
    pytest.importorskip("s3fs", reason="the extra [s3] is not installed")
    pytest.importorskip("moto.server", reason="moto, the loopback server of buckets, is not installed")
    from botocore.session import get_session
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-west-2",
    }  # fmt: skip
    try:
        with patch.dict(os.environ, settings):
            place = {"LocationConstraint": "eu-west-2"}
            name = f"figures-{uuid4().hex}"  # servers of one process share their buckets
            get_session().create_client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=place)
            yield f"s3://{name}/store"
    finally:
        server.stop()
