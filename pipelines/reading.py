"""From bytes as published to one frame of text: unpacked, decoded, the header found by its columns.

Nothing is typed here. A file of the wrong shape is refused with what was found and what was expected.
"""

import csv
import fnmatch
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

import polars as pl

from pipelines.errors import UnreadableError, near
from pipelines.model import Columns, Source

ROW = "_row"
HEADER_WITHIN = 200
"""A header is looked for in this many rows at the top of a file."""

UNPACKED_LIMIT = 2_000_000_000
PARQUET_ROWS_LIMIT = 10_000_000
"""More than all postcodes there have been; a damaged or hostile file may claim more than a machine can hold."""
BOMB_FROM, BOMB_RATIO = 50_000_000, 400
"""A member larger than the first, and larger than its packed size by more than the second, is not unpacked."""

_PAGE = (b"<!doctype html", b"<html", b"<?xml version", b"<head", b"<body")


class Sheet(NamedTuple):
    """A table as published: every cell text, `_row` the row of the file counted from 1."""

    frame: pl.DataFrame
    file: str


def read_sheet(content: bytes, source: Source, file: str) -> Sheet:
    """Read the bytes of one release as text columns; raise UnreadableError where they are not what they should be."""
    content, file = unpacked(content, source.member, file, source.format)
    if source.format == "excel":
        return _excel(content, required(source), file)
    if source.format == "parquet":
        return _parquet(content, required(source), file)
    text = decoded(content, source.encoding, file)
    return _csv(text, required(source), file)


def read_table_of(content: bytes, file: str) -> pl.DataFrame:
    """Read a table of the project's own: UTF-8, commas, headings in the first row, every cell text."""
    content, file = unpacked(content, None, file, "csv")
    return _csv(decoded(content, "utf-8", file), [], file).frame


def unpacked(content: bytes, member: str | None, file: str, kind: str) -> tuple[bytes, str]:
    """Take a file out of its gzip or zip; refuse one that is empty, cut short, too large or a web page."""
    if not content.strip():
        raise UnreadableError(f"{file}: empty, expected {kind}; fetch it again")
    if content[:2] == b"\x1f\x8b":
        content = _gunzipped(content, file)
    if content[:4] == b"PK\x03\x04" and kind != "excel":
        content, file = _member(content, member, file)
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower().startswith(_PAGE):
        raise UnreadableError(
            f"{file}: found a web page, expected {kind}; the address may have changed or need a login"
        )
    return content, file


def _gunzipped(content: bytes, file: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
            found = packed.read(UNPACKED_LIMIT + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise UnreadableError(f"{file}: its gzip is cut short or broken ({error}); fetch it again") from error
    if len(found) > UNPACKED_LIMIT:
        raise UnreadableError(f"{file}: unpacks to over {UNPACKED_LIMIT:,} bytes; not read")
    return found


def _member(content: bytes, member: str | None, file: str) -> tuple[bytes, str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            wanted = _named(archive, member, file)
            _refuse_bomb(archive.getinfo(wanted), file)
            return archive.read(wanted), f"{file}/{wanted}"
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UnreadableError(f"{file}: its zip is cut short or broken ({error}); fetch it again") from error


def _named(archive: zipfile.ZipFile, member: str | None, file: str) -> str:
    """Find the one member that is declared, by its name or by a pattern with *; or the only one there is."""
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    found = [name for name in names if fnmatch.fnmatchcase(name, member)] if member and "*" in member else names
    exact = [name for name in names if name == member] or found
    if len(exact) != 1 or (member and "*" not in member and exact != [member]):
        raise UnreadableError(
            f"{file}: found members {', '.join(names[:8])}, expected {member or 'one, or member: declared'}"
            f"{f' ({len(exact)} match)' if member and '*' in member else ''}"
        )
    path = PurePosixPath(exact[0].replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise UnreadableError(f"{file}: member {exact[0]!r} points out of the archive; not read")
    return exact[0]


def _refuse_bomb(info: zipfile.ZipInfo, file: str) -> None:
    """Refuse a member that is too large once unpacked, or swells beyond what text does; text swells 20 times."""
    swells = info.file_size > BOMB_FROM and info.file_size > BOMB_RATIO * max(info.compress_size, 1)
    if info.file_size > UNPACKED_LIMIT or swells:
        raise UnreadableError(f"{file}: {info.filename} unpacks to {info.file_size:,} bytes; not read")


def decoded(content: bytes, encoding: str, file: str) -> str:
    """Decode a text file by its declared encoding; say what it looks like where that fails."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UnreadableError(f"{file}: found UTF-16, expected {encoding}; declare encoding: utf-16")
    try:
        text = content.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except (UnicodeDecodeError, LookupError) as error:
        start = getattr(error, "start", 0)
        raise UnreadableError(
            f"{file}: not {encoding} at byte {start} ({content[max(0, start - 12) : start + 4]!r}); "
            "it may be cp1252: declare encoding: cp1252 if the names then read well"
        ) from error
    if "\x00" in text:
        raise UnreadableError(f"{file}: holds zero bytes, expected text; it is no {encoding} file")
    return text


def required(source: Source) -> list[tuple[str, ...]]:
    """List the headings a file must have, each with the other spellings it has had."""
    if source.header:
        return [(name,) for name in source.header]
    if source.lies_in:
        return [(name,) for name in source.area_columns]
    if source.shares:
        return [(name,) for name in source.shares.columns.model_dump().values()]
    columns = source.columns or Columns(label=("",))
    wanted = [columns.place, columns.label, columns.period, columns.status]
    wanted += [measure.column for measure in source.measures.values()] if source.layout == "long" else []
    return [names for names in wanted if names]


def _csv(text: str, wanted: list[tuple[str, ...]], file: str) -> Sheet:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=False))
    except csv.Error as error:
        raise UnreadableError(f"{file}: not a CSV file ({error}); fetch it again") from error
    return Sheet(_table(rows, wanted, file), file)


def _parquet(content: bytes, wanted: list[tuple[str, ...]], file: str) -> Sheet:
    """Read Parquet as text, nulls as blanks, like any other file; a number comes back from its text unchanged."""
    import pyarrow
    from pyarrow import parquet

    try:
        packed = parquet.ParquetFile(pyarrow.BufferReader(content))
        if packed.metadata.num_rows > PARQUET_ROWS_LIMIT:
            raise UnreadableError(f"{file}: holds over {PARQUET_ROWS_LIMIT:,} rows; not read")
        table = packed.read()
        table.validate(full=True)
        # Arrays alone: a damaged file's own notes on its columns have made Polars panic.
        frame = pl.DataFrame(dict(zip(table.schema.names, map(pl.from_arrow, table.columns), strict=True)))
        text = frame.select(pl.all().cast(pl.String).fill_null("").str.strip_chars())
    except (pyarrow.ArrowException, pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{file}: not a Parquet file, or damaged ({error}); fetch it again") from error
    if not _is_header(text.columns, wanted):
        raise UnreadableError(_no_header([text.columns], wanted, file))
    return Sheet(text.with_columns(pl.Series(ROW, range(1, text.height + 1), dtype=pl.Int64)), file)


def _excel(content: bytes, wanted: list[tuple[str, ...]], file: str) -> Sheet:
    import fastexcel

    _see_workbook(content, file)
    try:
        book = fastexcel.read_excel(content)
        sheets = {name: book.load_sheet(name, header_row=None, dtypes="string") for name in book.sheet_names}
    except (fastexcel.FastExcelError, ValueError) as error:
        raise UnreadableError(f"{file}: not an Excel file, or cut short ({error}); fetch it again") from error
    faults = []
    for name, sheet in sheets.items():
        rows = [["" if cell is None else cell for cell in row] for row in sheet.to_polars().iter_rows()]
        try:
            return Sheet(_table(rows, wanted, f"{file}[{name}]"), f"{file}[{name}]")
        except UnreadableError as error:
            faults.append(str(error))
    raise UnreadableError("\n".join(faults) or f"{file}: has no sheets")


def _see_workbook(content: bytes, file: str) -> None:
    """Refuse a workbook whose parts, which are zipped, swell like a bomb; an old .xls has none."""
    if content[:4] != b"PK\x03\x04":
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                _refuse_bomb(info, file)
    except (zipfile.BadZipFile, EOFError) as error:
        raise UnreadableError(f"{file}: not an Excel file, or cut short ({error}); fetch it again") from error


def _table(rows: list[list[str]], wanted: list[tuple[str, ...]], file: str) -> pl.DataFrame:
    """Cut the table out of the rows: from the header to the first blank row, or the end."""
    start = next((n for n, row in enumerate(rows[:HEADER_WITHIN]) if _is_header(row, wanted)), None)
    if start is None:
        raise UnreadableError(_no_header(rows, wanted, file))
    header = [cell.strip() for cell in rows[start]]
    keep = _columns(header, file)
    stop = next((n for n, row in enumerate(rows[start + 1 :], start + 1) if not any(row)), len(rows))
    body = rows[start + 1 : stop]
    data = {name: [row[n].strip() if n < len(row) else "" for row in body] for name, n in keep.items()}
    _refuse_lost_rows(rows, stop, len(header), file)
    numbers = pl.Series(ROW, range(start + 2, stop + 1), dtype=pl.Int64)
    return pl.DataFrame(data, schema=dict.fromkeys(data, pl.String)).with_columns(numbers)


def _columns(header: list[str], file: str) -> dict[str, int]:
    """Give the place of each heading; blank ones are left out, one that stands twice is refused."""
    found: dict[str, int] = {}
    for n, name in enumerate(header):
        if name in found:
            raise UnreadableError(f"{file}: heading {name!r} stands twice, in columns {found[name] + 1} and {n + 1}")
        if name:
            found[name] = n
    return found


def _refuse_lost_rows(rows: list[list[str]], stop: int, width: int, file: str) -> None:
    """Refuse a file that goes on with data after a blank row: footnotes are narrow, data are not."""
    for n, row in enumerate(rows[stop:], stop + 1):
        if width > 2 and sum(1 for cell in row if cell.strip()) > max(2, width // 2):
            raise UnreadableError(
                f"{file}: row {n} looks like data after the blank row {stop + 1}, where the table should have ended"
            )


def _is_header(row: list[str], wanted: list[tuple[str, ...]]) -> bool:
    cells = {cell.strip() for cell in row}
    return all(any(name in cells for name in names) for names in wanted)


def _no_header(rows: list[list[str]], wanted: list[tuple[str, ...]], file: str) -> str:
    best = max(rows[:HEADER_WITHIN], key=lambda row: sum(1 for cell in row if cell.strip()), default=[])
    cells = [cell.strip() for cell in best if cell.strip()]
    missing = [" or ".join(names) for names in wanted if not any(name in cells for name in names)]
    hints = "; ".join(f"{names}: {near(names.split(' or ')[0], cells)}" for names in missing[:3])
    shown = ", ".join(cells[:8]) + (" ..." if len(cells) > 8 else "")
    return f"{file}: found columns {shown or 'none'}; expected also {', '.join(missing)} ({hints})"


def heading(frame: pl.DataFrame, names: Iterable[str]) -> str | None:
    """Give the first of several spellings of a heading that a frame has."""
    return next((name for name in names if name in frame.columns), None)
