"""Parquet files, read as text."""

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.visible import escape_invisible_frame
from pipelines.readers.header import ROW, RequiredHeadings, Sheet, describe_missing_headings, is_header

PARQUET_START = b"PAR1"
"""First bytes of a Parquet file."""
PARQUET_ROWS_LIMIT = 10_000_000
"""Maximum rows, above the number of all postcodes; a damaged or hostile file may state more than memory can hold."""


def read_parquet(content: bytes, required: RequiredHeadings, file: str) -> Sheet:
    """Read Parquet as text, with nulls as blanks. Numbers convert to text and back without change."""
    import pyarrow
    from pyarrow import parquet

    try:
        parquet_file = parquet.ParquetFile(pyarrow.BufferReader(content))
        if parquet_file.metadata.num_rows > PARQUET_ROWS_LIMIT:
            raise UnreadableError(f"{file}: found over {PARQUET_ROWS_LIMIT:,} rows, which is the limit; not read")
        table_ = parquet_file.read()
        table_.validate(full=True)
        # Arrays only: the column metadata of a damaged file has made Polars panic.
        frame = pl.DataFrame(dict(zip(table_.schema.names, map(pl.from_arrow, table_.columns), strict=True)))
        text = frame.select(pl.all().cast(pl.String).fill_null("").str.strip_chars())
    except (pyarrow.ArrowException, pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{file}: not a Parquet file, or damaged ({error}); fetch it again") from error
    if not is_header(text.columns, required):
        raise UnreadableError(describe_missing_headings([text.columns], required, file))
    return Sheet(
        escape_invisible_frame(text).with_columns(pl.Series(ROW, range(1, text.height + 1), dtype=pl.Int64)), file
    )
