"""Parquet files, read as text."""

from typing import TYPE_CHECKING

import polars as pl

from pipelines.core.distinct import number_entries
from pipelines.core.errors import UnreadableError
from pipelines.core.visible import escape_invisible_frame
from pipelines.readers.header import (
    ROW,
    RequiredHeadings,
    Sheet,
    describe_missing_headings,
    is_header,
    refuse_repeated_headings,
)

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData

PARQUET_START = b"PAR1"
"""First bytes of a Parquet file."""
PARQUET_ROWS_LIMIT = 10_000_000
"""Maximum rows, above the number of all postcodes; a damaged or hostile file may state more than memory can hold."""


BYTES_OF_AN_ENTRY = 4
"""Bytes for each row below which a column of texts has numbers in place of texts: a text alone has its length."""
FEW_TEXTS = 8
"""Rows for each different text from which a column has few: each is then read once."""


def read_parquet(content: bytes, required: RequiredHeadings, file: str, *, encode: bool = False) -> Sheet:
    """Read Parquet as text, with nulls as blanks. Numbers convert to text and back without change.

    With `encode`, columns of texts with few different ones are categories.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        parquet_file = parquet.ParquetFile(pyarrow.BufferReader(content))
        if parquet_file.metadata.num_rows > PARQUET_ROWS_LIMIT:
            raise UnreadableError(f"{file}: found over {PARQUET_ROWS_LIMIT:,} rows, which is the limit; not read")
        if few := _list_dictionary_columns(parquet_file.metadata):
            parquet_file = parquet.ParquetFile(pyarrow.BufferReader(content), read_dictionary=few)
        table_ = parquet_file.read()
        table_.validate(full=True)
        # Arrays only: the column metadata of a damaged file has made Polars panic.
        frame = pl.DataFrame(dict(zip(table_.schema.names, map(pl.from_arrow, table_.columns), strict=True)))
        _refuse_nested_columns(frame, file)
        text = pl.DataFrame([_convert_to_text(column, encode=encode) for column in frame if column.name != ROW])
    except (pyarrow.ArrowException, pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{file}: not a Parquet file, or damaged ({error}); fetch it again") from error
    if not is_header(text.columns, required):
        raise UnreadableError(describe_missing_headings([text.columns], required, file))
    refuse_repeated_headings(text.columns, required, file)
    rows = pl.int_range(1, text.height + 1, dtype=pl.Int64, eager=True).alias(ROW)
    return Sheet(escape_invisible_frame(text).with_columns(rows), file)


def _refuse_nested_columns(frame: pl.DataFrame, file: str) -> None:
    """Raise UnreadableError for a column with lists or records, which no cell of text can hold."""
    nested = [column for column in frame if column.dtype.is_nested()]
    if nested:
        raise UnreadableError(
            f"{file}: found column {nested[0].name!r} with several values in a cell ({nested[0].dtype}), expected one; "
            "write the file without this column"
        )


def _list_dictionary_columns(metadata: "FileMetaData") -> list[str]:
    """Return the columns of texts that the file has as a dictionary with numbers, which need no text for each row."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    columns = [metadata.schema.column(number) for number in range(metadata.num_columns)]
    return [
        column.path
        for number, column in enumerate(columns)
        if column.logical_type.type == "STRING" and column.path == column.name and not column.max_repetition_level
        and sum(group.column(number).total_uncompressed_size for group in groups)
        < BYTES_OF_AN_ENTRY * metadata.num_rows
    ]  # fmt: skip


def _convert_to_text(column: pl.Series, *, encode: bool) -> pl.Series:
    """Return a column as text without space around it, blank for null; each of few different texts is read once."""
    if column.dtype == pl.String or isinstance(column.dtype, pl.Categorical | pl.Enum):
        numbers, entries = number_entries(column)
        if entries.len() * FEW_TEXTS <= column.len():
            texts = escape_invisible_frame(_strip_text(entries).to_frame()).to_series()
            few = (texts.cast(pl.Categorical) if encode else texts).gather(numbers)
            return few.alias(column.name)
    return _strip_text(column)


def _strip_text(column: pl.Series) -> pl.Series:
    text = column.cast(pl.String).fill_null("")
    return text if column.dtype.is_numeric() else text.str.strip_chars()
