"""A store in a bucket: each published build is whole, whatever ends a build and whoever else builds."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.bucket_catalogue import CATALOGUE, KEPT_AFTER, object_key, read_edition
from pipelines.core.bucket_view import StoreView, finish_publication, open_view, publish_view
from pipelines.core.errors import CommongroundError
from pipelines.core.object_store import QUERY_FILES
from pipelines.core.store import hash_bytes
from tests.bucket import Killed, MemoryBucket

FIRST = {"out/a.html": b"first a", "out/places/b.html": b"first b", "state/cell/p.parquet": b"cells 1",
         "ledger/p.parquet": b"ledger 1", "snapshots/log.jsonl": b"line 1\n"}  # fmt: skip
SECOND = {"out/a.html": b"second a", "out/c.html": b"second c", "state/cell/p.parquet": b"cells 2",
          "ledger/p.parquet": b"ledger 2", "snapshots/log.jsonl": b"line 1\nline 2\n"}  # fmt: skip


def fill(home: Path, files: dict[str, bytes]) -> None:
    """Make a directory have these files alone, each put in place of the last."""
    for path in [path for path in home.rglob("*") if path.is_file()]:
        path.unlink()
    for name, content in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def contents(home: Path) -> dict[str, bytes]:
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def build(bucket: MemoryBucket, cache: Path, files: dict[str, bytes]) -> StoreView:
    with open_view(bucket, cache) as view:
        fill(view.home, files)
        published = publish_view(view)
        finish_publication(published)
    return published


def read(bucket: MemoryBucket, cache: Path) -> dict[str, bytes]:
    with open_view(bucket, cache) as view:
        return contents(view.home)


def copies(bucket: MemoryBucket) -> dict[str, bytes]:
    return {key: item.content for key, item in bucket.objects.items() if key.startswith("out/")}


def outputs(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if name.startswith("out/")}


def test_published_files_come_back_on_another_machine(tmp_path: Path) -> None:
    bucket = MemoryBucket()
    assert read(bucket, tmp_path / "one") == {}
    assert build(bucket, tmp_path / "one", FIRST).edition.build == 1
    assert build(bucket, tmp_path / "one", SECOND).edition.build == 2
    assert read(bucket, tmp_path / "two") == SECOND
    assert copies(bucket) == outputs(SECOND)


def test_unchanged_view_publishes_nothing(tmp_path: Path) -> None:
    bucket = MemoryBucket()
    build(bucket, tmp_path, FIRST)
    before = dict(bucket.objects)
    with open_view(bucket, tmp_path) as view:
        assert publish_view(view) is view
    assert bucket.objects == before


def test_second_of_two_builds_is_refused_and_publishes_nothing(tmp_path: Path) -> None:
    bucket = MemoryBucket()
    build(bucket, tmp_path / "one", FIRST)
    with open_view(bucket, tmp_path / "two") as late:
        fill(late.home, {**FIRST, "out/a.html": b"late"})
        build(bucket, tmp_path / "one", SECOND)
        with pytest.raises(CommongroundError, match="another build was published"):
            publish_view(late)
    assert read(bucket, tmp_path / "three") == SECOND


def test_first_build_of_two_in_an_empty_bucket_wins(tmp_path: Path) -> None:
    bucket = MemoryBucket()
    with open_view(bucket, tmp_path / "two") as late:
        fill(late.home, SECOND)
        build(bucket, tmp_path / "one", FIRST)
        with pytest.raises(CommongroundError, match="another build was published"):
            publish_view(late)
    assert read(bucket, tmp_path / "three") == FIRST


def killing_at(number: int) -> Callable[[str], None]:
    left = [number]

    def count(_: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    return count


def test_kill_at_each_operation_leaves_the_old_or_the_new_state(tmp_path: Path) -> None:
    seen, number = [], 0
    while True:
        bucket = MemoryBucket()
        build(bucket, tmp_path / f"{number} a", FIRST)
        bucket.before = killing_at(number)
        try:
            build(bucket, tmp_path / f"{number} a", SECOND)
        except Killed:
            pass
        else:
            break
        bucket.before = lambda _: None
        now = read(bucket, tmp_path / f"{number} b")
        assert now in (FIRST, SECOND)
        seen.append(now == SECOND)
        build(bucket, tmp_path / f"{number} b", SECOND)
        assert read(bucket, tmp_path / f"{number} c") == SECOND
        assert copies(bucket) == outputs(SECOND)
        number += 1
    assert seen == sorted(seen) and len(set(seen)) == 2 and number > 10


def test_lost_response_of_the_conditional_write_is_no_refusal(tmp_path: Path) -> None:
    bucket = MemoryBucket()
    write = bucket.write_if_unchanged

    def repeat(key: str, content: bytes, tag: str | None) -> bool:
        return write(key, content, tag) and write(key, content, tag)

    bucket.write_if_unchanged = repeat  # type: ignore[method-assign]
    assert build(bucket, tmp_path, FIRST).edition.build == 1
    assert read(bucket, tmp_path) == FIRST


def test_server_that_ignores_conditions_is_refused(tmp_path: Path) -> None:
    bucket = MemoryBucket()
    bucket.has_conditions = False
    with pytest.raises(CommongroundError, match="ignores the conditions"):
        build(bucket, tmp_path, FIRST)
    assert CATALOGUE not in bucket.objects


def test_reader_keeps_its_state_while_builds_are_published_and_pruned(tmp_path: Path) -> None:
    bucket = MemoryBucket()
    build(bucket, tmp_path / "one", FIRST)
    edition = read_edition(bucket)
    with open_view(bucket, tmp_path / "two") as view:
        build(bucket, tmp_path / "one", SECOND)
        assert contents(view.home) == FIRST
    assert all(object_key(file.sha256) in bucket.objects for file in edition.files.values())


def test_objects_that_nothing_names_go_after_a_day(tmp_path: Path) -> None:
    bucket = MemoryBucket()
    build(bucket, tmp_path, FIRST)
    bucket.times = {key: time - KEPT_AFTER - timedelta(hours=1) for key, time in bucket.times.items()}
    build(bucket, tmp_path, {**SECOND, "out/a.html": FIRST["out/a.html"]})
    assert object_key(hash_bytes(FIRST["out/a.html"])) in bucket.objects
    assert object_key(hash_bytes(FIRST["out/places/b.html"])) not in bucket.objects
    assert read(bucket, tmp_path / "two")["out/c.html"] == b"second c"


def test_damaged_object_is_refused(tmp_path: Path) -> None:
    bucket = MemoryBucket()
    build(bucket, tmp_path / "one", FIRST)
    bucket.write(object_key(hash_bytes(b"cells 1")), b"cells x")
    with pytest.raises(CommongroundError, match="do not have this hash"):
        read(bucket, tmp_path / "two")


def test_catalogue_of_a_later_format_is_refused(tmp_path: Path) -> None:
    bucket = MemoryBucket()
    bucket.write(CATALOGUE, json.dumps({"format": 2}).encode())
    with pytest.raises(CommongroundError, match="later version"):
        read(bucket, tmp_path)


def test_query_needs_the_file_of_the_analyst_alone(tmp_path: Path) -> None:
    bucket = MemoryBucket()
    build(bucket, tmp_path, {**FIRST, "out/commonground.duckdb": b"db", "outputs.json": b"{}"})
    with open_view(bucket, tmp_path, QUERY_FILES) as view:
        assert set(contents(view.home)) == {"out/commonground.duckdb", "outputs.json"}


def test_appending_to_a_log_does_not_change_the_cache(tmp_path: Path) -> None:
    bucket = MemoryBucket()
    build(bucket, tmp_path, FIRST)
    with open_view(bucket, tmp_path) as view, (view.home / "snapshots/log.jsonl").open("ab") as file:
        file.write(b"line 2\n")
    assert read(bucket, tmp_path) == FIRST


def test_view_of_a_killed_command_is_removed_by_the_next(tmp_path: Path) -> None:
    bucket = MemoryBucket()
    left = tmp_path / "views" / ("0" * 32)
    (left / "out").mkdir(parents=True)
    with open_view(bucket, tmp_path) as mine, open_view(bucket, tmp_path) as other:
        assert mine.home.is_dir() and other.home.is_dir()
        assert not left.exists()


@given(steps=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["open", "publish", "kill"])), max_size=24))
def test_no_published_build_is_lost_whatever_the_order_of_builders(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str]]
) -> None:
    bucket, base, count = MemoryBucket(), tmp_path_factory.mktemp("builders"), 0
    opened: dict[int, tuple[StoreView, Callable[[], object]]] = {}
    for builder, step in steps:
        if step == "open" and builder not in opened:
            context = open_view(bucket, base / str(builder))
            opened[builder] = (context.__enter__(), lambda context=context: context.__exit__(None, None, None))
        elif step != "open" and builder in opened:
            view, close = opened.pop(builder)
            line = view.home / "snapshots/log.jsonl"
            line.parent.mkdir(exist_ok=True)
            line.write_bytes((line.read_bytes() if line.is_file() else b"") + f"{builder}\n".encode())
            if step == "publish":
                try:
                    publish_view(view)
                    count += 1
                except CommongroundError:
                    assert view.edition.build < count
            close()
    for _, close in opened.values():
        close()
    log = read(bucket, base / "reader").get("snapshots/log.jsonl", b"")
    assert log.count(b"\n") == count == read_edition(bucket).build
