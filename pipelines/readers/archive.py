"""Extraction of one file from its gzip or zip, decoding of text, and refusal of web pages."""

import fnmatch
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import IO

from pipelines.core.errors import UnreadableError
from pipelines.core.limits import MIN_UNPACKED_BYTES, UNPACKED, unpacked_bytes_limit
from pipelines.core.visible import escape_invisible, escape_invisible_bytes

_PIECE = 1 << 20
_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, OSError,
           ValueError, MemoryError)  # fmt: skip
_WEB_PAGE_STARTS = (b"<!doctype html", b"<html", b"<?xml version", b"<head", b"<body")
_WORKBOOK = ("[Content_Types].xml", "content.xml")
"""Parts that identify a workbook. A workbook is a zip; an archive of workbooks lacks these parts."""
_ARTICLED = {"excel": "an Excel", "ods": "an ODS"}


def unpack_file(content: bytes, member: str | None, file: str, kind: str) -> tuple[bytes, str]:
    """Extract a file from its gzip or zip. Returns its bytes and its name.

    Raises UnreadableError where the file is empty, truncated, too large or a web page.
    """
    if not content or content.isspace():
        raise UnreadableError(f"{file}: found an empty file, expected {kind}; fetch it again")
    packed_size = len(content)
    if content[:2] == b"\x1f\x8b":
        content = _gunzip_file(content, file)
    if content[:4] == b"PK\x03\x04":
        content, file = _extract_member(content, member, file, kind, packed_size)
    if content[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_WEB_PAGE_STARTS):
        raise UnreadableError(
            f"{file}: found a web page, expected {kind}; the address may have changed or need a login"
        )
    return content, file


def _gunzip_file(content: bytes, file: str) -> bytes:
    try:
        return _read_within_limit(lambda: gzip.open(io.BytesIO(content)), len(content), file)
    except (EOFError, OSError, zlib.error) as error:
        raise UnreadableError(f"{file}: found a truncated or damaged gzip ({error}); fetch it again") from error


def _read_within_limit(open_stream: Callable[[], IO[bytes] | gzip.GzipFile], packed_size: int, file: str) -> bytes:
    """Decompress a file within the size limit; above a safe size, measure it before loading it into memory."""
    with open_stream() as stream:
        content = stream.read(MIN_UNPACKED_BYTES + 1)
    if len(content) <= MIN_UNPACKED_BYTES:
        return content
    del content
    most, size = unpacked_bytes_limit(packed_size), 0
    with open_stream() as stream:
        while piece := stream.read(_PIECE):
            size += len(piece)
            if size > most:
                raise UnreadableError(
                    f"{file}: {packed_size:,} bytes decompress to over {most:,}, which is more than "
                    f"expected of a table; "
                    f"inspect the file, and if it is valid set {UNPACKED} to the MB to allow"
                )
    with open_stream() as stream:
        return stream.read(size)


def _extract_member(content: bytes, member: str | None, file: str, kind: str, packed_size: int) -> tuple[bytes, str]:
    """Extract the one member of an archive; return a workbook, itself an archive, unchanged."""
    workbook = kind in ("excel", "ods")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if workbook and any(name in _WORKBOOK for name in archive.namelist()):
                return content, file
            info = archive.getinfo(_find_member_name(archive, member, file))
            file = f"{file}/{escape_invisible(info.filename)}"
            # The size stated in the archive may be false; the size of the file itself can't be.
            return _read_within_limit(lambda: archive.open(info), min(packed_size, info.compress_size), file), file
    except _BROKEN as error:
        if workbook:
            raise UnreadableError(
                f"{file}: not {_ARTICLED[kind]} file, or truncated ({error}); fetch it again"
            ) from error
        raise UnreadableError(f"{file}: found a truncated or damaged zip ({error}); fetch it again") from error


def _find_member_name(archive: zipfile.ZipFile, member: str | None, file: str) -> str:
    """Return the name of the declared member, which may be a pattern with *, or of the only member."""
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    matches = [name for name in names if fnmatch.fnmatchcase(name, member)] if member and "*" in member else names
    exact = [name for name in names if name == member] or matches
    if len(exact) != 1 or (member and "*" not in member and exact != [member]):
        raise UnreadableError(
            f"{file}: found members {', '.join(names[:8])}, expected {member or 'one, or member: declared'}"
            f"{f' ({len(exact)} match)' if member and '*' in member else ''}"
        )
    path = PurePosixPath(exact[0].replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise UnreadableError(f"{file}: member {exact[0]!r} has a path outside the archive; not read")
    return exact[0]


_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
"""A letter outside ASCII, as UTF-8 writes it."""


def decode_text(content: bytes, file: str) -> bytes:
    """Return a text file as UTF-8 without a byte order mark.

    A file is UTF-16 by its byte order mark, else UTF-8, else Windows-1252. Raises UnreadableError for a file that is
    partly UTF-8, as after damage, and for bytes that none of them has.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        content = _recode(content, "utf-16", file)
    elif not content.isascii():
        content = _check_utf8(content, file)
    if b"\x00" in content:
        raise UnreadableError(f"{file}: found zero bytes, expected text")
    return escape_invisible_bytes(content.removeprefix(b"\xef\xbb\xbf"))


def _check_utf8(content: bytes, file: str) -> bytes:
    try:
        content.decode("utf-8")
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        if _MULTIBYTE.search(content):
            raise UnreadableError(
                f"{file}: not UTF-8 at byte {start} ({content[max(0, start - 12) : start + 4]!r}), UTF-8 elsewhere: it "
                "is damaged; fetch it again"
            ) from error
        return _recode(content, "cp1252", file)
    return content


def _recode(content: bytes, encoding: str, file: str) -> bytes:
    try:
        return content.decode(encoding).encode()
    except UnicodeError as error:
        raise UnreadableError(
            f"{file}: not UTF-8, and not {encoding} at byte {getattr(error, 'start', 0)}; save the file as UTF-8"
        ) from error
