"""Shared functions of the starter edition's scripts: rows of text, CSV, Parquet and reproducible compressed bytes."""

import csv
import gzip
import io
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, str]


class Item(NamedTuple):
    """A starter file: its release, its derivation from its origins, the data left out, and the encoding."""

    file: str
    release: str
    make: Callable[..., bytes]
    cut: str
    origins: tuple[str, ...]
    encoding: str = "utf-8"


WORKBOOKS = (".xls", ".xlsx", ".ods")


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Read a text file, compressed or not."""
    return (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode(encoding)


def read_origins(folder: Path, item: Item) -> list[str | bytes]:
    """Read the origins of a starter file from the folder of published files: text, or the bytes of a workbook."""
    paths = [folder / origin for origin in item.origins]
    return [path.read_bytes() if path.suffix in WORKBOOKS else read_text(path, item.encoding) for path in paths]


def rows_of(text: str) -> list[Row]:
    """Read CSV as rows of text."""
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    header = next(lines, [])
    return [dict(zip(header, line, strict=True)) for line in lines if line]


def csv_bytes(header: list[str], rows: Iterable[dict[str, Any]], end: str = "\r\n") -> bytes:
    """Write selected columns of rows as CSV, with the line ends of the publisher's file."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator=end)
    writer.writerow(header)
    writer.writerows([row.get(name, "") for name in header] for row in rows)
    return buffer.getvalue().encode()


def packed(content: bytes) -> bytes:
    """Compress bytes reproducibly, whatever the day and the system."""
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, buffer, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


def cut_lines(text: str, keep: Callable[[Row], bool]) -> bytes:
    """Leave out the lines of CSV that are not wanted; every other byte stays as published."""
    first, *lines = io.StringIO(text, newline="")
    header = next(csv.reader([first.removeprefix("\ufeff")]))
    rows = (dict(zip(header, cells, strict=True)) for cells in csv.reader(lines))
    return "".join([first, *(line for line, row in zip(lines, rows, strict=True) if keep(row))]).encode()


def cut_columns(text: str, columns: list[str], keep: Callable[[Row], object] = bool) -> bytes:
    """Write selected columns and rows of CSV, with figures and markers as published."""
    return csv_bytes(columns, filter(keep, rows_of(text)), "\n")


def parquet_columns(columns: list[str], rows: Iterable[Row]) -> bytes:
    """Write selected columns of rows as Parquet: every cell as text, with figures and markers as published."""
    import polars as pl

    chosen = [[row[name] for name in columns] for row in rows]
    buffer = io.BytesIO()
    table = pl.DataFrame(chosen, schema=dict.fromkeys(columns, pl.String), orient="row")
    table.write_parquet(buffer, compression="zstd", compression_level=19, statistics=False)
    return buffer.getvalue()


def whole_table(text: str) -> bytes:
    """Write every column and row of a CSV table as Parquet."""
    rows = rows_of(text)
    return parquet_columns([*rows[0]], rows)


def day_after(day: str, days: int = 1) -> str:
    """Return the day a number of days after another, both in the form 2025-04-01."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
