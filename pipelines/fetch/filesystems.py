"""Files on the user's own storage: a path, or any address that fsspec supports (file, s3, sftp and others)."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from pipelines.core.errors import FetchError
from pipelines.fetch.response import Request, validate_content, validate_size
from pipelines.fetch.urls import redact_address, safe_file_name

SCHEMES = ("abfs", "az", "file", "gs", "s3", "sftp", "smb")
"""Address schemes that are read as files. FTP is excluded because it is not encrypted."""

_SCHEME_PREFIX = re.compile(r"([a-z][a-z0-9+.-]+)://", re.I)
_PLUGINS = {"s3": "s3fs", "sftp": "paramiko", "gs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "smb": "smbprotocol"}


class FileContent(NamedTuple):
    """A file that was read: its bytes, its name, its origin and the day of its last change."""

    content: bytes
    name: str
    origin: str
    change_day: date | None


def is_file_address(url: str) -> bool:
    """Return whether an address is a file, not a web page: an absolute path, or a scheme in SCHEMES."""
    match = _SCHEME_PREFIX.match(url)
    return match[1].lower() in SCHEMES if match else Path(url).is_absolute()


def read_file_address(request: Request) -> FileContent:
    """Read a file. For a folder or a pattern with *, read the last file by name, without hidden files.

    Raises FetchError where no file exists, or where the fsspec plugin for the address is not installed.
    """
    where = redact_address(request.url)
    try:
        return _read_with_fsspec(request, where)
    except ImportError as error:
        scheme = request.url.partition("://")[0].lower()
        plugin = _PLUGINS.get(scheme, "a plugin of fsspec")
        raise FetchError(
            f"{request.name}: {where}: {scheme} addresses need {plugin}, which is not installed; install it, or "
            f"download the file and add it with `commonground add {request.name} FILE --released DAY`"
        ) from error
    except (OSError, ValueError) as error:
        raise FetchError(f"{request.name}: {where}: can't be read ({error}); check its path and permissions") from error


def _read_with_fsspec(request: Request, where: str) -> FileContent:
    import fsspec

    if "::" in request.url:
        raise FetchError(f"{request.name}: {where}: nested addresses are not supported; name the file itself")
    system, path = fsspec.core.url_to_fs(request.url)
    path = _select_path(system, path, request)
    validate_size(request, int(system.size(path) or 0))
    content = system.cat_file(path)
    validate_content(request, content)
    return FileContent(
        content,
        safe_file_name(path),
        f"file {redact_address(system.unstrip_protocol(path))}",
        _read_change_day(system, path),
    )


def _select_path(system, path: str, request: Request) -> str:  # type: ignore[no-untyped-def]
    if "*" in path or system.isdir(path):
        entries = system.glob(path if "*" in path else f"{path.rstrip('/')}/*")
        files = sorted(
            entry for entry in entries if not safe_file_name(entry).startswith(("_", "~")) and system.isfile(entry)
        )
        if not files:
            raise FetchError(
                f"{request.name}: {redact_address(request.url)}: found no file; add a file, or correct the url"
            )
        path = files[-1]
    if not system.isfile(path):
        raise FetchError(
            f"{request.name}: {redact_address(request.url)}: does not exist; add the file, or correct the url"
        )
    return path


def _read_change_day(system, path: str) -> date | None:  # type: ignore[no-untyped-def]
    try:
        modified: datetime = system.modified(path)
    except (NotImplementedError, OSError, KeyError, TypeError):
        return None
    return modified.astimezone(UTC).date()
