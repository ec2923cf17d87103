"""The table inside a sheet: the position of its headings, and the columns that a declaration names."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import polars as pl

from pipelines.core.errors import UnreadableError, suggest_names
from pipelines.declarations.file_format import FileLayout

ROW = "_row"
HEADER_WITHIN = 200
"""Number of rows at the top of a file that are searched for the headings."""

HEADING_SEPARATOR = " / "
RequiredHeadings = Sequence[tuple[str, ...]]
"""Required headings, each with its alternative spellings."""


class Sheet(NamedTuple):
    """A table as published: every cell as text, with `_row`, the row of the file counted from 1.

    `skipped_rows` counts rows with content that are not data as declared. `unmatched_declarations` lists declarations
    that matched no row. `ragged_rows` lists rows with more fields than headings: their cells can't be assigned to
    columns.
    """

    frame: pl.DataFrame
    file: str
    preamble: tuple[str, ...] = ()
    skipped_rows: int = 0
    unmatched_declarations: tuple[str, ...] = ()
    ragged_rows: tuple[int, ...] = ()


class HeaderRows(NamedTuple):
    """The position of a table's headings and the name of each column; columns with a blank name are dropped."""

    first: int
    after: int
    names: list[str]


def extract_table(
    grid: pl.DataFrame, shape: FileLayout, required: RequiredHeadings, file: str, fields: Sequence[int] = ()
) -> Sheet:
    """Extract the table from a sheet: from its headings to the first blank row after the data, or to the end.

    `grid` has a text column for each column of the sheet, in order, and `_row`; blank cells are "". `fields` gives the
    number of fields in the first rows of a text file. Raises UnreadableError where the headings are missing or
    duplicated, or where data continue after the end.
    """
    top = [list(row[:-1]) for row in grid.head(HEADER_WITHIN + shape.header_rows).iter_rows()]
    head = (
        _header_from_declaration(shape, grid.width - 1, file)
        if not shape.header_rows
        else _find_header(top, shape, required, file)
    )
    names = _make_headings_unique(head.names, required, file)
    body = _cut_after_table(grid.slice(head.after), sum(1 for name in names if name), shape.blank_rows, file)
    body, repeated = _drop_repeated_headings(body, top[head.first : head.after])
    columns = {column: name for column, name in zip(grid.columns, names, strict=False) if name}
    ragged = _find_ragged_rows(body, max(fields[head.first : head.after], default=grid.width - 1))
    preamble = tuple(" ".join(cell for cell in row if cell) for row in top[: head.first] if any(row))
    # Column by column, because a select copies the whole table.
    frame = pl.DataFrame([*(body[column].alias(name) for column, name in columns.items()), body[ROW]])
    return Sheet(frame, file, preamble, repeated, (), ragged)


def _header_from_declaration(shape: FileLayout, width: int, file: str) -> HeaderRows:
    """Take the headings from the declaration; refuse a file of another width."""
    if width != len(shape.headings):
        raise UnreadableError(
            f"{file}: found rows of {width} fields, expected {len(shape.headings)} (headings:); correct headings:, "
            "or check whether the layout has changed"
        )
    return HeaderRows(0, 0, [normalise_heading(spellings[0]) for spellings in shape.headings])


def _find_header(top: list[list[str]], shape: FileLayout, required: RequiredHeadings, file: str) -> HeaderRows:
    depth = shape.header_rows
    if not top:
        raise UnreadableError(f"{file}: found no rows, expected headings; fetch it again")
    for first in range(min(len(top) - depth + 1, HEADER_WITHIN)):
        names = merge_headings(top[first : first + depth], shape.footnotes)
        if is_header(names, required):
            return HeaderRows(first, first + depth, _number_blank_headings(names, required))
    candidates = [merge_headings(top[n : n + depth], shape.footnotes) for n in range(max(1, len(top) - depth + 1))]
    raise UnreadableError(describe_missing_headings(candidates, required, file))


def merge_headings(rows: list[list[str]], footnotes: str | None = None) -> list[str]:
    """Join headings over several rows. Upper headings apply to blank cells on their right, as in merged cells."""
    texts = [[strip_footnote_mark(normalise_heading(cell), footnotes) for cell in row] for row in rows]
    if len(texts) == 1:
        return texts[0]
    for number, row in enumerate(texts[:-1]):
        for n in range(1, len(row)):
            # A heading extends no further than the heading above it.
            if not row[n] and not any(normalise_heading(above[n]) for above in rows[:number]):
                row[n] = row[n - 1]
    # A column without text in any row is below a merged heading and has no heading itself.
    own = [any(normalise_heading(row[n]) for row in rows) for n in range(len(texts[0]))]
    return [
        HEADING_SEPARATOR.join(dict.fromkeys(row[n] for row in texts if row[n])) if own[n] else ""
        for n in range(len(own))
    ]


def strip_footnote_mark(text: str, footnotes: str | None) -> str:
    """Remove a declared footnote mark from the end of a heading or a name."""
    return re.sub(rf"\s*(?:{footnotes})\s*$", "", text) if footnotes else text


def _number_blank_headings(names: list[str], required: RequiredHeadings) -> list[str]:
    """Name a column without a heading `column 3` where the declaration names it so."""
    spellings = {name for group in required for name in group}
    return [name or (f"column {n}" if f"column {n}" in spellings else "") for n, name in enumerate(names, 1)]


def refuse_repeated_headings(names: Sequence[str], required: RequiredHeadings, file: str) -> None:
    """Raise UnreadableError for a declared heading that occurs twice."""
    spellings = {normalise_heading(name) for group in required for name in group} - {""}
    first: dict[str, int] = {}
    for n, name in enumerate(map(normalise_heading, names)):
        if first.setdefault(name, n) != n and name in spellings:
            raise UnreadableError(f"{file}: found heading {name!r} twice, in columns {first[name] + 1} and {n + 1}")


def _make_headings_unique(names: list[str], required: RequiredHeadings, file: str) -> list[str]:
    """Refuse a declared heading that occurs twice; make other duplicates unique by their column number."""
    refuse_repeated_headings(names, required, file)
    spellings = {normalise_heading(name) for group in required for name in group}
    first = {name: n for n, name in reversed(list(enumerate(names)))}
    if ROW in spellings and ROW in first:
        raise UnreadableError(f"{file}: found declared heading {ROW!r}, which numbers the rows here; rename the column")
    taken, unique = {ROW, *names}, list(names)
    for n, name in enumerate(names):
        if name and (name == ROW or first[name] != n):
            while unique[n] in taken:
                unique[n] += f" (column {n + 1})"
            taken.add(unique[n])
    return unique


def _cut_after_table(body: pl.DataFrame, width: int, blank_rows: bool, file: str) -> pl.DataFrame:
    """Remove the rows below the table. Footnotes fill few columns, data fill many.

    Blank rows immediately below the headings are skipped; blank rows within the table only where declared.
    """
    blank = _find_blank_rows(body)
    start = next((n for n in range(body.height) if n >= len(blank) or blank[n] != n), body.height)
    inside = [n for n in blank if n >= start]
    if not inside:
        return body.slice(start)
    filled = body.slice(inside[0]).select(pl.sum_horizontal(pl.col(body.columns[:-1]) != "").alias("filled"))["filled"]
    wide = [inside[0] + n for n in (filled >= min(width, max(3, width // 2 + 1))).arg_true()]
    if not blank_rows and width > 2 and wide:
        raise UnreadableError(
            f"{file}: row {body[ROW][wide[0]]} looks like data after the blank row {body[ROW][inside[0]]}, "
            "expected the end of the table; declare blank_rows: true if the table continues"
        )
    last = wide[-1] if blank_rows and wide else start
    stop = next((n for n in inside if n > last), body.height)
    return body.slice(start, stop - start).filter(~pl.all_horizontal(pl.col(body.columns[:-1]) == ""))


def _find_blank_rows(body: pl.DataFrame) -> list[int]:
    """Return the positions of empty rows; only rows with an empty first cell are checked in full."""
    first = (body.to_series(0) == "").arg_true()
    if first.is_empty():
        return []
    rest = body[first].select(pl.all_horizontal(pl.col(body.columns[:-1]) == "").alias("blank"))["blank"]
    return first.filter(rest).to_list()


def _drop_repeated_headings(body: pl.DataFrame, head: list[list[str]]) -> tuple[pl.DataFrame, int]:
    """Remove rows that repeat the headings, and return their number."""
    again = list(zip(body.columns[:-1], head[-1] if head else [], strict=False))
    for name, text in again:
        if text and not (body[name] == text).any():
            return body, 0
    remaining = body.filter(~pl.all_horizontal(pl.col(name) == text for name, text in again)) if again else body
    return remaining, body.height - remaining.height


def _find_ragged_rows(body: pl.DataFrame, width: int) -> tuple[int, ...]:
    """Return the rows with content to the right of the last heading."""
    beyond = body.columns[width:-1]
    return tuple(body.filter(pl.any_horizontal(pl.col(beyond) != ""))[ROW]) if beyond else ()


def is_header(names: Sequence[str], required: RequiredHeadings) -> bool:
    """Return whether a row contains every required heading, in one of its spellings."""
    cells = {normalise_heading(name) for name in names}
    blank = {f"column {n}" for n, name in enumerate(names, 1) if not name}
    return bool(cells - {""}) and all(
        any(normalise_heading(name) in cells | blank for name in group) for group in required
    )


def describe_missing_headings(rows: list[list[str]], required: RequiredHeadings, file: str) -> str:
    """Build the message: headings found, headings expected and close matches."""
    best = max(rows[:HEADER_WITHIN], key=lambda row: _rank_header_row(row, required), default=[])
    cells = [cell.strip() for cell in best if cell.strip()]
    missing = [" or ".join(names) for names in required if not any(normalise_heading(name) in cells for name in names)]
    hints = "; ".join(f"{names}: {suggest_names(names.split(' or ')[0], cells)}" for names in missing[:3])
    listing = ", ".join(cells[:8]) + (" ..." if len(cells) > 8 else "")
    return f"{file}: found columns {listing or 'none'}; expected also {', '.join(missing)} ({hints})"


def _rank_header_row(row: list[str], required: RequiredHeadings) -> tuple[int, int]:
    """Rank a row by the number of required headings in it, then by its number of filled cells."""
    cells = set(row)
    return sum(any(normalise_heading(name) in cells for name in group) for group in required), sum(
        1 for cell in row if cell.strip()
    )


def find_heading(names: Iterable[str], spellings: Iterable[str]) -> str | None:
    """Return the column with the first of several spellings of a heading that exists."""
    by_text = {normalise_heading(name): name for name in names}
    return next(
        (by_text[normalise_heading(spelling)] for spelling in spellings if normalise_heading(spelling) in by_text), None
    )


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a declared text, in which * matches any text, to a pattern for a whole text."""
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


def match_texts(texts: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """Return the texts that match a declared pattern, in their order."""
    compiled = [compile_pattern(pattern) for pattern in patterns]
    return [text for text in texts if any(expression.fullmatch(text) for expression in compiled)]


def normalise_heading(heading: str) -> str:
    """Write a heading on one line with single spaces, since a printed heading may have line breaks."""
    return " ".join(heading.split())
