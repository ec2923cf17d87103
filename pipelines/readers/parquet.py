"""Parquet files, read as text."""

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.visible import visible_frame
from pipelines.readers.header import ROW, Sheet, Wanted, is_header, no_header

PARQUET_ROWS_LIMIT = 10_000_000
"""More than all postcodes there have been; a damaged or hostile file may claim more than a machine can hold."""


def read_parquet(content: bytes, wanted: Wanted, file: str) -> Sheet:
    """Read Parquet as text, nulls as blanks, like any other file; a number comes back from its text unchanged."""
    import pyarrow
    from pyarrow import parquet

    try:
        packed = parquet.ParquetFile(pyarrow.BufferReader(content))
        if packed.metadata.num_rows > PARQUET_ROWS_LIMIT:
            raise UnreadableError(f"{file}: holds over {PARQUET_ROWS_LIMIT:,} rows; not read")
        table_ = packed.read()
        table_.validate(full=True)
        # Arrays alone: a damaged file's own notes on its columns have made Polars panic.
        frame = pl.DataFrame(dict(zip(table_.schema.names, map(pl.from_arrow, table_.columns), strict=True)))
        text = frame.select(pl.all().cast(pl.String).fill_null("").str.strip_chars())
    except (pyarrow.ArrowException, pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{file}: not a Parquet file, or damaged ({error}); fetch it again") from error
    if not is_header(text.columns, wanted):
        raise UnreadableError(no_header([text.columns], wanted, file))
    return Sheet(visible_frame(text).with_columns(pl.Series(ROW, range(1, text.height + 1), dtype=pl.Int64)), file)
