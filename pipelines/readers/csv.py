"""Delimited text, such as CSV, as rows of text: fast, and without losing a row.

Polars splits the text, but it does not accept quotation marks inside a field. Text with such marks is first rewritten
with Python's csv reader, which treats them as letters. Other text is passed to Polars unchanged.
"""

import csv
import io
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import lazy_loader
import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.limits import MAX_LINE_BYTES, MEMORY, cells_limit, limit_advice
from pipelines.declarations.file_format import DELIMITERS, FileLayout
from pipelines.readers.header import HEADER_WITHIN, ROW, RequiredHeadings, Sheet, extract_table, normalise_heading

if TYPE_CHECKING:
    import numpy as np

    Marks = np.ndarray[tuple[int], np.dtype[np.bool_]]
else:
    np = lazy_loader.load("numpy")

FIELDS_LIMIT = 20_000
"""Maximum fields in a row. A hostile file may have a hundred million."""
HEAD = 65_536
"""Bytes at the start of a text file that decide what separates its fields."""
_QUOTE, _ENDS = ord('"'), (ord("\n"), ord("\r"))
_AT_ONCE, _IN_CACHE = 1 << 26, 1 << 17
_SENTINEL = "\x00"
"""A line added after the last one; it is not read as a row where an earlier quotation mark was never closed."""


def read_delimited_text(
    content: bytes, shape: FileLayout, required: RequiredHeadings, file: str, *, encode: bool = False
) -> Sheet:
    """Read the table in UTF-8 text; raise UnreadableError where its headings are missing or it does not end.

    With `encode`, the columns of large text with few different texts are categories.
    """
    grid, fields = split_text(content, shape, file, find_delimiter(content, shape, required), encode=encode)
    return extract_table(grid, shape, required, file, fields)


def split_text(
    content: bytes, shape: FileLayout, file: str, mark: str = DELIMITERS[0], *, encode: bool = False
) -> tuple[pl.DataFrame, list[int]]:
    """Split UTF-8 text into text columns and `_row`, the record number from 1, blank records included.

    Also returns the number of fields in each of the first records. Raises UnreadableError where a record ends inside
    quotation marks.
    """
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    # Checked once, because searching a large file takes time.
    quote = '"' if b'"' in content else None
    if quote and not _has_paired_quotes(content, ord(mark)):
        content = _rewrite_quotes(content, mark, file)
    _refuse_long_line(content, HEADER_WITHIN + shape.header_rows, file)
    fields = [len(row) for row in islice(_iterate_records(content, mark, file), HEADER_WITHIN + shape.header_rows)]
    _refuse_many_cells(content, max(fields, default=0), file)
    grid = _split_pieces(content, mark, fields) if encode and not quote and len(content) > 2 * PIECE else None
    if grid is None:
        grid = _split_even_text(content, mark, fields, quote)
        if grid is None:
            grid = _split_ragged_text(content, mark, max(fields, default=0), quote, file)
        grid = _trim_cells(grid, content, mark, quote)
    return grid.hstack([pl.Series(ROW, np.arange(1, grid.height + 1))]), fields


PIECE = 1 << 26
"""Bytes of large text that are split at a time."""
_FEW = 8
"""Rows for each different text of a piece from which a column has few."""


def _split_pieces(content: bytes, mark: str, fields: list[int]) -> pl.DataFrame | None:
    """Split large text without quotation marks in pieces of whole lines, with columns of few texts as categories.

    None where its first row is not the widest.
    """
    grids: list[pl.DataFrame] = []
    start = 0
    while start < len(content):
        end = content.find(b"\n", min(start + PIECE, len(content))) + 1 or len(content)
        piece = content[start:end]
        grid = _split_even_text(piece, mark, fields, None)
        if grid is None:
            return None
        grid = _trim_cells(grid, piece, mark, None)
        if not grids:
            few = [name for name in grid.columns if grid[name].n_unique() * _FEW <= grid.height]
        grids.append(grid.with_columns(pl.col(few).cast(pl.Categorical)))
        start = end
    return pl.concat(grids)


def find_delimiter(content: bytes, shape: FileLayout, required: RequiredHeadings) -> str:
    """Return the delimiter of UTF-8 text: the delimiter with the most headings, else the most frequent delimiter.

    `required` lists the headings that the table must have. In a file without headings, the number of fields decides.
    """
    head = content[:HEAD].decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    if not any(mark in head for mark in DELIMITERS[1:]):
        return DELIMITERS[0]
    names = {normalise_heading(name) for spellings in required for name in spellings}

    def fit(mark: str) -> tuple[int, int, bool]:
        rows = [next(csv.reader([line], delimiter=mark), []) for line in head.split("\n")[:HEADER_WITHIN]]
        met = max((len(names & {normalise_heading(cell) for cell in row}) for row in rows), default=0)
        if not shape.header_rows:
            met = sum(len(row) == len(shape.headings) for row in rows)
        return met, head.count(mark), mark == DELIMITERS[0]

    return max(DELIMITERS, key=fit)


def _refuse_long_line(content: bytes, lines: int, file: str) -> None:
    """Refuse text with an excessively long line at the top: it is no table."""
    start = 0
    for _ in range(lines):
        end = content.find(b"\n", start, start + MAX_LINE_BYTES)
        if end < 0 and len(content) - start > MAX_LINE_BYTES:
            raise UnreadableError(
                f"{file}: found a line of over {MAX_LINE_BYTES:,} characters, expected a table; inspect the file"
            )
        if end < 0:
            return
        start = end + 1


def _refuse_many_cells(content: bytes, width: int, file: str) -> None:
    """Refuse rows and columns that make far more cells than the text can contain."""
    if width > FIELDS_LIMIT:
        raise UnreadableError(
            f"{file}: found a row of {width:,} fields, expected at most {FIELDS_LIMIT:,}; inspect the file"
        )
    cells = width * (content.count(b"\n") + 1)
    if cells > cells_limit(len(content)):
        raise UnreadableError(
            f"{file}: found {width:,} columns and {cells:,} cells, more than its {len(content):,} bytes and the memory "
            f"allow; inspect the file ({limit_advice(MEMORY)})"
        )


def _has_paired_quotes(content: bytes, delimiter: int) -> bool:
    """Return whether quotation marks occur only around whole fields, or doubled inside them."""
    places = _quote_positions(content)
    if not places.size:
        return True
    if places.size % 2:
        return False
    text = np.frombuffer(content, np.uint8)
    opening, closing = places[::2], places[1::2]
    before = text[np.maximum(opening - 1, 0)]
    after = text[np.minimum(closing + 1, text.size - 1)]
    # A mark that closes and opens again immediately is a doubled one, which means a literal mark.
    again = closing[:-1] + 1 == opening[1:]
    begins = np.isin(before, (delimiter, *_ENDS)) | (opening == 0) | np.append(False, again)
    ends = np.isin(after, (delimiter, *_ENDS)) | (closing == text.size - 1) | np.append(again, False)
    return bool(begins.all() and ends.all())


def _quote_positions(content: bytes) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Return the positions of all quotation marks, searched in parts."""
    view = memoryview(content)
    starts = range(0, len(content), _AT_ONCE)
    parts = [np.flatnonzero(np.frombuffer(view[s : s + _AT_ONCE], np.uint8) == _QUOTE) + s for s in starts]
    return np.concatenate(parts)


def _rewrite_quotes(content: bytes, delimiter: str, file: str) -> bytes:
    """Rewrite text with paired quotation marks; refuse it where a mark extends beyond the end of a record."""
    end = "" if content.endswith(b"\n") else "\n"
    text = io.StringIO(f"{content.decode()}{end}{_SENTINEL}", newline="")
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    row: list[str] = []
    for number, row in enumerate(_parse_records(text, delimiter, file), 1):
        if any("\n" in cell for cell in row):
            raise UnreadableError(
                f"{file}: row {number} has a quotation mark that does not close at the end of its field "
                f"({' '.join(''.join(row).split())[:60]!r}); correct the row, or fetch the file again"
            )
        if row != [_SENTINEL]:
            writer.writerow(row)
    return out.getvalue().encode()


def _iterate_records(content: bytes, delimiter: str, file: str) -> Iterator[list[str]]:
    """Yield the first records one by one, without decoding the whole text."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
    yield from _parse_records(text, delimiter, file)


def _parse_records(text: io.TextIOBase, delimiter: str, file: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(text, delimiter=delimiter)
    except csv.Error as error:
        raise UnreadableError(f"{file}: not a CSV file ({error}); fetch it again") from error


def _split_even_text(content: bytes, delimiter: str, fields: list[int], quote: str | None) -> pl.DataFrame | None:
    """Split text without adding headings; None where its first row is not the widest.

    Adding a line of headings copies a large file, so it is done only where needed.
    """
    if not fields or fields[0] < max(2, *fields):
        return None
    try:
        grid = pl.read_csv(
            content, has_header=False, separator=delimiter, quote_char=quote,
            infer_schema=False, truncate_ragged_lines=False,
        )  # fmt: skip
    except pl.exceptions.PolarsError:
        return None
    if grid.width != fields[0]:
        return None
    return grid.rename({name: f"field_{n}" for n, name in enumerate(grid.columns, 1)})


def _split_ragged_text(content: bytes, delimiter: str, width: int, quote: str | None, file: str) -> pl.DataFrame:
    """Split text into `width` columns and one more, which shows whether a row has additional fields."""
    head = delimiter.join(f"field_{n}" for n in range(1, width + 2))
    try:
        grid = pl.read_csv(
            b"".join((head.encode(), b"\n", content)),
            separator=delimiter,
            quote_char=quote,
            infer_schema=False,
            truncate_ragged_lines=True,
        )
    except pl.exceptions.PolarsError as error:
        raise UnreadableError(f"{file}: not a CSV file ({error}); fetch it again") from error
    beyond = grid.columns[-1]
    return grid if grid[beyond].null_count() < grid.height else grid.drop(beyond)


def _trim_cells(grid: pl.DataFrame, content: bytes, delimiter: str, quote: str | None) -> pl.DataFrame:
    """Remove the space around cells and return blank cells as "".

    Most columns have no such space, and checking is much faster than rewriting.
    """
    ascii_columns = grid.columns if content.isascii() else _list_ascii_columns(grid)
    # A line break inside a cell needs quotation marks.
    signs = [" ", "\t", "\n"] if quote else [sign for sign in " \t" if _has_sign_at_edge(content, sign, delimiter)]
    spaced = (
        _columns_with_any(
            grid.select(ascii_columns),
            lambda column: pl.any_horizontal(_has_edge_space(column, space) for space in signs),
        )
        if signs
        else []
    )
    rest = grid.drop(ascii_columns)
    other = _columns_with_any(rest, lambda column: column.str.contains(r"^\s|\s$")) if rest.width else []
    stripped = grid.with_columns(pl.col(spaced + other).str.strip_chars()) if spaced or other else grid
    return stripped.fill_null("") if any(column.null_count() for column in stripped) else stripped


def _list_ascii_columns(grid: pl.DataFrame) -> list[str]:
    is_ascii = grid.select(pl.all().str.len_bytes().sum() == pl.all().str.len_chars().sum())
    return [name for name in grid.columns if is_ascii[name][0]]


def _has_sign_at_edge(content: bytes, sign: str, delimiter: str) -> bool:
    """Return whether a character occurs at the start or end of a field, in text without quotation marks.

    The text is searched in pieces that fit the processor's cache, which is faster than cell by cell.
    """
    mark, text = sign.encode(), np.frombuffer(content, np.uint8)
    if sign == delimiter or mark not in content:
        return False
    pieces = (text[start : start + _IN_CACHE + 1] for start in range(0, text.size, _IN_CACHE))
    masks = ((piece == ord(sign), (piece == ord(delimiter)) | (piece == _ENDS[0])) for piece in pieces)
    return content.startswith(mark) or content.endswith(mark) or any(_has_adjacent_marks(*pair) for pair in masks)


def _has_adjacent_marks(one: "Marks", other: "Marks") -> bool:
    """Return whether any two positions of two sets are adjacent."""
    return bool((one[1:] & other[:-1]).any() or (one[:-1] & other[1:]).any())


def _has_edge_space(column: pl.Expr, space: str) -> pl.Expr:
    return column.str.starts_with(space) | column.str.ends_with(space)


def _columns_with_any(frame: pl.DataFrame, test: Callable[[pl.Expr], pl.Expr]) -> list[str]:
    """Return the columns in which any cell passes a test."""
    hits = frame.select(test(pl.col(name)).any().alias(name) for name in frame.columns)
    return [name for name in frame.columns if hits[name][0]]
