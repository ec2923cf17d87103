"""Open the store of a command: a directory, or a private view of a bucket.

A directory is used directly. A bucket is read once, when the command opens it. The changes of a command are published
when it ends without an error. Otherwise the view is removed and nothing is published.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.errors import CommongroundError
from pipelines.core.object_store import EVERYTHING, is_bucket_address
from pipelines.core.paths import cache_directory, store_directory, store_setting

if TYPE_CHECKING:
    from pipelines.core.bucket_view import StoreView

PUBLISHED_CODES = (None, 0, 5, 6)
"""Exit codes of a command that did its work: without faults, with failed fetches, or with unusable files."""


class _OpenStores:
    """The views of this command, and whether it publishes what it changes."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.views: dict[Path, StoreView] = {}
        self.published: set[Path] = set()


_OPEN = _OpenStores()


def open_home(setting: str | None, needs: Sequence[str] = EVERYTHING, publishes: bool = False) -> Path:
    """Return the directory of a store: the store itself, or a view of a bucket until the command ends.

    A command that publishes marks the bucket first. Raises CommongroundError where another command marks it.
    """
    address = setting or store_setting()
    if not is_bucket_address(address):
        return Path(setting).resolve() if setting else store_directory()
    from pipelines.core.bucket_mark import mark_build
    from pipelines.core.bucket_view import open_view
    from pipelines.core.store import hash_bytes
    from pipelines.fetch import open_bucket

    bucket = open_bucket(address)
    if publishes:
        _OPEN.stack.enter_context(mark_build(bucket))
    cache = cache_directory() / hash_bytes(bucket.address.encode())[:16]
    view = _OPEN.stack.enter_context(open_view(bucket, cache, needs))
    _OPEN.views[view.home] = view
    if publishes:
        _OPEN.published.add(view.home)
    return view.home


def refuse_bucket(setting: str | None) -> None:
    """Raise CommongroundError for a store in a bucket, where a program keeps the store open."""
    address = setting or store_setting()
    if is_bucket_address(address):
        raise CommongroundError(
            f"{address}: Dagster's web pages need a directory as the store; run `commonground build` from a scheduler "
            "for a store in a bucket"
        )


def publish_store(home: Path) -> str:
    """Publish what a command changed in its view of a bucket. Return one sentence, blank where nothing was published.

    The copies of outputs follow, also those that a killed command left to do.
    """
    if home not in _OPEN.published:
        return ""
    from pipelines.core.bucket_view import finish_publication, publish_view

    before = _OPEN.views[home]
    now = _OPEN.views[home] = publish_view(before)
    is_new = now.edition.build > before.edition.build
    sentence = f"Published {now.bucket.address} (build {now.edition.build})" if is_new else ""
    try:
        finish_publication(now)
    except CommongroundError as error:
        return f"{sentence or now.bucket.address}, but the copies under out/ are not complete: {error}".strip()
    return sentence


def is_bucket_view(home: Path) -> bool:
    """Return whether the directory of a command is its view of a bucket."""
    return home in _OPEN.views


def describe_output(home: Path, path: Path) -> str:
    """Return where a user opens an output file: its path, or its address in the bucket."""
    view = _OPEN.views.get(home)
    if view is None:
        return str(path)
    return f"{view.bucket.address}/out/{path.relative_to(home / 'out').as_posix()}"


@contextmanager
def closing_stores(report: Callable[[str], None]) -> Iterator[None]:
    """Publish the views of a command that ends well, report each publication, and remove all views."""
    try:
        yield
    except SystemExit as end:
        if end.code in PUBLISHED_CODES:
            for home in list(_OPEN.published):
                report(publish_store(home))
        raise
    finally:
        _OPEN.stack.close()
        _OPEN.views.clear()
        _OPEN.published.clear()
