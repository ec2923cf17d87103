"""The mark of a command that will publish to a bucket: another command sees it, and stops before its work.

    building.json   who builds: machine, process, command's token and start; written again while the command runs

The mark only saves work. The conditional write of the catalogue alone decides which build is published.
"""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Event, Thread
from uuid import uuid4

from pipelines.core.clock import current_time
from pipelines.core.errors import CommongroundError
from pipelines.core.object_store import ObjectStore

MARK = "building.json"
RENEWAL = timedelta(seconds=20)
"""Time after which a running command writes its mark again."""
EXPIRY = timedelta(seconds=90)
"""Age at which the mark of another machine expires, because its command was killed."""


@contextmanager
def mark_build(bucket: ObjectStore) -> Iterator[None]:
    """Mark the bucket as being built during the block.

    Raises CommongroundError where another command marks it: of a running process of this machine, or within EXPIRY.
    """
    _refuse_marked(bucket)
    token, ended = uuid4().hex, Event()
    content = json.dumps({
        "machine": platform.node(), "process": os.getpid(), "token": token,
        "started_at": current_time().isoformat(timespec="seconds"),
    }).encode()  # fmt: skip
    bucket.write(MARK, content)
    renewing = Thread(target=_renew, args=(bucket, content, ended), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        with suppress(CommongroundError):
            stored = bucket.read(MARK)
            if stored and stored.content == content:
                bucket.remove([MARK])


def _renew(bucket: ObjectStore, content: bytes, ended: Event) -> None:
    while not ended.wait(RENEWAL.total_seconds()):
        with suppress(CommongroundError):
            bucket.write(MARK, content)


def _refuse_marked(bucket: ObjectStore) -> None:
    stored, written = bucket.read(MARK), bucket.list_keys(MARK).get(MARK)
    if stored is None or written is None or current_time() - written > EXPIRY:
        return
    mark = json.loads(stored.content)
    if mark["machine"] == platform.node() and not _is_running(int(mark["process"])):
        return
    raise CommongroundError(
        f"{bucket.address}: another command has been changing this store since {mark['started_at']} (process "
        f"{mark['process']} of {mark['machine']}); nothing was done: run the command again when it has ended. The mark "
        f"of a killed command expires after {EXPIRY.seconds} seconds"
    )


def _is_running(process: int) -> bool:
    """Return whether a process of this machine runs, other than this one; true where the system can't tell."""
    if process == os.getpid():
        return False
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
