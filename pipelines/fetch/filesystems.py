"""Files on the user's own storage: a path, or any address that fsspec supports (file, s3, sftp and others)."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from pipelines.core.errors import FetchError
from pipelines.fetch.response import Wanted, see_content, see_size
from pipelines.fetch.urls import public, safe_name

SCHEMES = ("abfs", "az", "file", "gs", "s3", "sftp", "smb")
"""Address schemes that are read as files. FTP is excluded because it is not encrypted."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.I)
_PLUGINS = {"s3": "s3fs", "sftp": "paramiko", "gs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "smb": "smbprotocol"}


class Taken(NamedTuple):
    """A file that was read: its bytes, its name, its origin and the day of its last change."""

    content: bytes
    name: str
    origin: str
    changed: date | None


def is_file_address(url: str) -> bool:
    """Return whether an address is a file, not a web page: an absolute path, or a scheme in SCHEMES."""
    match = _SCHEME.match(url)
    return match[1].lower() in SCHEMES if match else Path(url).is_absolute()


def taken(wanted: Wanted) -> Taken:
    """Read a file. For a folder or a pattern with *, read the last file by name, without hidden files.

    Raises FetchError where no file exists, or where the fsspec plugin for the address is not installed.
    """
    where = public(wanted.url)
    try:
        return _taken(wanted, where)
    except ImportError as error:
        scheme = wanted.url.partition("://")[0].lower()
        plugin = _PLUGINS.get(scheme, "a plugin of fsspec")
        raise FetchError(
            f"{wanted.name}: {where}: {scheme} addresses need {plugin}, which is not installed; install it, or "
            f"download the file and add it with `commonground add {wanted.name} FILE --released DAY`"
        ) from error
    except (OSError, ValueError) as error:
        raise FetchError(f"{wanted.name}: {where}: can't be read ({error}); check its path and permissions") from error


def _taken(wanted: Wanted, where: str) -> Taken:
    import fsspec

    if "::" in wanted.url:
        raise FetchError(f"{wanted.name}: {where}: nested addresses are not supported; name the file itself")
    system, path = fsspec.core.url_to_fs(wanted.url)
    path = _last(system, path, wanted)
    see_size(wanted, int(system.size(path) or 0))
    content = system.cat_file(path)
    see_content(wanted, content)
    return Taken(content, safe_name(path), f"file {public(system.unstrip_protocol(path))}", _changed(system, path))


def _last(system, path: str, wanted: Wanted) -> str:  # type: ignore[no-untyped-def]
    if "*" in path or system.isdir(path):
        listed = system.glob(path if "*" in path else f"{path.rstrip('/')}/*")
        files = sorted(each for each in listed if not safe_name(each).startswith(("_", "~")) and system.isfile(each))
        if not files:
            raise FetchError(f"{wanted.name}: {public(wanted.url)}: found no file; add a file, or correct the url")
        path = files[-1]
    if not system.isfile(path):
        raise FetchError(f"{wanted.name}: {public(wanted.url)}: does not exist; add the file, or correct the url")
    return path


def _changed(system, path: str) -> date | None:  # type: ignore[no-untyped-def]
    try:
        changed: datetime = system.modified(path)
    except (NotImplementedError, OSError, KeyError, TypeError):
        return None
    return changed.astimezone(UTC).date()
