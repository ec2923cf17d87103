"""A bucket on a loopback server: what the server answers, and what a user reads where it does not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.core.errors import FetchError
from pipelines.core.object_store import ObjectStore
from pipelines.fetch import open_bucket
from pipelines.fetch.buckets import _Bucket
from tests.bucket import loopback_bucket


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with loopback_bucket() as address:
        yield address


@pytest.fixture
def bucket(address: str, request: pytest.FixtureRequest) -> ObjectStore:
    return open_bucket(f"{address}/{request.node.name}")


def test_conditional_write_needs_the_tag_that_was_read(bucket: ObjectStore) -> None:
    assert not bucket.write_if_unchanged("a", b"0", '"no such tag"')
    assert bucket.write_if_unchanged("a", b"1", None)
    assert not bucket.write_if_unchanged("a", b"2", None)
    stored = bucket.read("a")
    assert stored and stored.content == b"1"
    assert bucket.write_if_unchanged("a", b"2", stored.tag)
    assert not bucket.write_if_unchanged("a", b"3", stored.tag)
    now = bucket.read("a")
    assert now and now.content == b"2"


def test_conditional_write_on_a_server_that_compares_tags_with_their_quotes(
    bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = _Bucket._put

    def put_as_ceph(self: _Bucket, key: str, content: bytes, **more: str) -> None:
        if '"' in (tag := more.get("IfMatch", "")):
            more["IfMatch"] = tag.replace('"', "'")
        put(self, key, content, **more)

    monkeypatch.setattr(_Bucket, "_put", put_as_ceph)
    bucket.write("a", b"1")
    stored = bucket.read("a")
    assert stored and bucket.write_if_unchanged("a", b"2", stored.tag)
    assert not bucket.write_if_unchanged("a", b"3", stored.tag)
    now = bucket.read("a")
    assert now and now.content == b"2"


def test_missing_object_is_null(bucket: ObjectStore) -> None:
    assert bucket.read("nothing") is None


def test_files_go_there_and_back_and_are_listed_and_removed(bucket: ObjectStore, tmp_path: Path) -> None:
    files = {f"objects/{number}": tmp_path / str(number) for number in range(40)}
    for number, path in enumerate(files.values()):
        path.write_bytes(bytes(number))
    bucket.upload(files)
    bucket.copy({"out/a.html": "objects/7"})
    assert set(bucket.list_keys("objects/")) == set(files)
    assert set(bucket.list_keys("out/")) == {"out/a.html"}
    back = {key: tmp_path / f"{path.name} back" for key, path in files.items()}
    bucket.download(back)
    assert [path.read_bytes() for path in back.values()] == [bytes(number) for number in range(40)]
    bucket.remove(files)
    assert bucket.list_keys("objects/") == {}


def test_missing_bucket_is_one_sentence(address: str) -> None:
    with pytest.raises(FetchError, match=r"the bucket can't be used .*; check its name"):
        open_bucket(address.replace("figures", "another")).read("catalogue.json")


def test_address_without_a_bucket_is_refused() -> None:
    pytest.importorskip("s3fs", reason="the extra [s3] is not installed")
    with pytest.raises(FetchError, match="found no bucket"):
        open_bucket("s3://")


def test_server_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs", reason="the extra [s3] is not installed")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(FetchError, match="the bucket can't be used"):
        open_bucket("s3://figures/nowhere").read("catalogue.json")
