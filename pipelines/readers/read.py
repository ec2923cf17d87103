"""From published bytes to one frame of text: unpacked, decoded, with the header found by its columns.

No value is converted here. A file of the wrong shape is refused, with what was found and what was expected.
"""

import polars as pl

from pipelines.declarations.file_format import FileColumns, FileLayout
from pipelines.declarations.source import EVERY_HEADING, Source
from pipelines.readers.archive import decode_text, unpack_file
from pipelines.readers.csv import read_delimited_text
from pipelines.readers.header import RequiredHeadings, Sheet
from pipelines.readers.json import read_records
from pipelines.readers.parquet import PARQUET_START, read_parquet
from pipelines.readers.rows import filter_rows
from pipelines.readers.workbook import read_workbook


def read_sheet(content: bytes, source: Source, file: str, *, encode: bool = False) -> Sheet:
    """Read the bytes of one release as text columns; raise UnreadableError where they do not match the declaration.

    With `encode`, columns of Parquet or of a large CSV file with few different texts are categories, to save memory.
    """
    content, file = unpack_file(content, source.member, file, source.format)
    return filter_rows(read_shape(content, source, list_required_headings(source), file, encode=encode), source)


def read_shape(
    content: bytes, shape: FileLayout, required: RequiredHeadings, file: str, *, encode: bool = False
) -> Sheet:
    """Read the table of one unpacked file as declared; `required` lists the headings it must have."""
    if shape.format in ("excel", "ods"):
        return read_workbook(content, shape, required, file)
    # A bundled release is Parquet where the publisher's file would be large; its columns are those of the file.
    if shape.format == "parquet" or content.startswith(PARQUET_START):
        return read_parquet(content, required, file, encode=encode)
    text = decode_text(content, file)
    if shape.format == "csv":
        return read_delimited_text(text, shape, required, file, encode=encode)
    return read_records(text, shape, required, file)


def read_project_table(content: bytes, file: str) -> pl.DataFrame:
    """Read a table of the project itself: UTF-8, commas, headings in the first row, every cell as text."""
    content, file = unpack_file(content, None, file, "csv")
    return read_delimited_text(decode_text(content, file), FileLayout(), [], file).frame


def list_required_headings(source: Source) -> list[tuple[str, ...]]:
    """List the headings that a file must have, each with its alternative spellings."""
    chosen_by: list[tuple[str, ...]] = [(name,) for name in source.filter]
    if source.headings and source.header_rows:
        return [*source.headings, *chosen_by]
    if source.nested_in:
        return [*((name,) for name in source.area_columns), *chosen_by]
    if source.shares:
        return [*((name,) for name in source.shares.columns.model_dump().values()), *chosen_by]
    if source.provides in ("place", "change"):
        return chosen_by  # the register's readers check their columns
    columns = source.columns or FileColumns()
    headings = [
        names for names in (columns.place, columns.label, columns.period, columns.status) if names != EVERY_HEADING
    ]
    if source.layout == "long":
        headings += [measure.column for measure in source.measures.values()]
        headings += [
            names
            for measure in source.measures.values()
            if measure.interval
            for names in measure.interval.column_headings
        ]
        chosen_by += [(name,) for measure in source.measures.values() for name in measure.filter]
    return list(dict.fromkeys([names for names in headings if names] + chosen_by))
