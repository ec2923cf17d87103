"""Files of one's own by the same road: a path, or any address that fsspec knows (file, s3, sftp and others)."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from pipelines.core.errors import FetchError
from pipelines.fetch.response import Wanted, see_content, see_size
from pipelines.fetch.urls import public, safe_name

SCHEMES = ("abfs", "az", "file", "gs", "s3", "sftp", "smb")
"""Kinds of address that are read as files; ftp is none of them, since it is not encrypted."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.I)
_PLUGINS = {"s3": "s3fs", "sftp": "paramiko", "gs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "smb": "smbprotocol"}


class Taken(NamedTuple):
    """A file as it was taken: its bytes, its name, where from, and the day it was last changed."""

    content: bytes
    name: str
    origin: str
    changed: date | None


def is_file_address(url: str) -> bool:
    """Tell an address of files from one on the web: a whole path, or a scheme of SCHEMES."""
    match = _SCHEME.match(url)
    return match[1].lower() in SCHEMES if match else Path(url).is_absolute()


def taken(wanted: Wanted) -> Taken:
    """Take a file; of a folder, or where * stands for any text, the last by name that is no hidden one.

    Raises FetchError where there is none, or where the plugin that its address needs is not installed.
    """
    where = public(wanted.url)
    try:
        return _taken(wanted, where)
    except ImportError as error:
        scheme = wanted.url.partition("://")[0].lower()
        plugin = _PLUGINS.get(scheme, "a plugin of fsspec")
        raise FetchError(
            f"{wanted.name}: {where}: addresses of {scheme} need {plugin}, which is not installed; install it, "
            f"or take the file by hand and keep it with `commonground add {wanted.name} FILE --released DAY`"
        ) from error
    except (OSError, ValueError) as error:
        raise FetchError(
            f"{wanted.name}: {where}: can't be read ({error}); see its path and who may read it"
        ) from error


def _taken(wanted: Wanted, where: str) -> Taken:
    import fsspec

    if "::" in wanted.url:
        raise FetchError(f"{wanted.name}: {where}: one address inside another is not read; name the file itself")
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
            raise FetchError(f"{wanted.name}: {public(wanted.url)}: holds no file; put one there, or correct the url")
        path = files[-1]
    if not system.isfile(path):
        raise FetchError(f"{wanted.name}: {public(wanted.url)}: is not there; put the file there, or correct the url")
    return path


def _changed(system, path: str) -> date | None:  # type: ignore[no-untyped-def]
    try:
        changed: datetime = system.modified(path)
    except (NotImplementedError, OSError, KeyError, TypeError):
        return None
    return changed.astimezone(UTC).date()
