"""The mark of a command that will publish: others stop before their work, and a killed command blocks none for long."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest

from pipelines.core import bucket_mark
from pipelines.core.bucket_mark import EXPIRY, MARK, mark_build
from pipelines.core.errors import CommongroundError
from tests.bucket import MemoryBucket


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


def mark_of_another(bucket: MemoryBucket, machine: str, process: int) -> None:
    mark = {"machine": machine, "process": process, "token": "x", "started_at": "2026-11-29T10:00:00+00:00"}
    bucket.write(MARK, json.dumps(mark).encode())


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_mark_exists_while_the_command_runs(bucket: MemoryBucket) -> None:
    with mark_build(bucket):
        assert MARK in bucket.objects
    assert MARK not in bucket.objects


def test_command_on_another_machine_is_refused_with_its_start(bucket: MemoryBucket) -> None:
    mark_of_another(bucket, "elsewhere", 7)
    message = r"since 2026-11-29T10:00:00.*process 7 of elsewhere.*nothing was done"
    with pytest.raises(CommongroundError, match=message), mark_build(bucket):
        pytest.fail("the block ran")
    assert b"elsewhere" in bucket.objects[MARK].content


def test_command_of_a_running_process_here_is_refused(bucket: MemoryBucket) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        mark_of_another(bucket, bucket_mark.platform.node(), process.pid)
        with pytest.raises(CommongroundError, match="another command"), mark_build(bucket):
            pytest.fail("the block ran")


def test_killed_command_of_this_machine_is_no_obstacle(bucket: MemoryBucket) -> None:
    mark_of_another(bucket, bucket_mark.platform.node(), ended_process())
    with mark_build(bucket):
        assert b'"token": "x"' not in bucket.objects[MARK].content


def test_mark_of_another_machine_expires(bucket: MemoryBucket) -> None:
    mark_of_another(bucket, "elsewhere", 7)
    bucket.times[MARK] -= EXPIRY + timedelta(seconds=1)
    with mark_build(bucket):
        assert b"elsewhere" not in bucket.objects[MARK].content


def test_mark_is_written_again_while_the_command_runs(bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_mark, "RENEWAL", timedelta(milliseconds=1))
    writes = []
    bucket.before = writes.append
    with mark_build(bucket):
        while len(writes) < 3:
            pass
    assert set(writes) == {MARK}


def test_mark_of_a_later_command_stays(bucket: MemoryBucket) -> None:
    with mark_build(bucket):
        mark_of_another(bucket, "elsewhere", 7)
    assert b"elsewhere" in bucket.objects[MARK].content
