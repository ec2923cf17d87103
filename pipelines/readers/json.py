"""JSON and JSON-stat as a table of text: numbers retain their published digits."""

import json
from collections.abc import Iterator
from typing import Any

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.limits import MEMORY, cells_limit, limit_advice, limit_memory, read_limit
from pipelines.core.visible import escape_invisible_frame
from pipelines.declarations.file_format import FileLayout
from pipelines.readers.header import (
    ROW,
    RequiredHeadings,
    Sheet,
    describe_missing_headings,
    is_header,
    refuse_repeated_headings,
)


def read_json(content: bytes, file: str, **options: Any) -> Any:
    """Parse JSON within the memory limit; raise UnreadableError where it is invalid, too deep or too large."""
    try:
        with limit_memory(read_limit(MEMORY) * 1_000_000):
            return json.loads(content, **options)
    except MemoryError as error:
        raise UnreadableError(f"{file}: needs too much memory to read ({limit_advice(MEMORY)})") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{file}: not JSON, or truncated ({error}); fetch it again") from error


def read_records(content: bytes, shape: FileLayout, required: RequiredHeadings, file: str) -> Sheet:
    """Read a list of JSON objects or a JSON-stat dataset in UTF-8 as text columns and `_row`, counted from 1.

    A JSON-stat dataset has two columns for each dimension, `<id>` (the category code) and `<id> label`, and the columns
    `value` and `status` (https://json-stat.org/full/). Raises UnreadableError where the content is neither.
    """
    data = read_json(content, file, parse_float=str, parse_int=str, parse_constant=str)
    frame = (
        _read_dataset(data, file) if shape.format == "jsonstat" else _read_objects(_find_records(data, required), file)
    )
    if not is_header(frame.columns, required):
        raise UnreadableError(describe_missing_headings([frame.columns], required, file))
    refuse_repeated_headings(frame.columns, required, file)
    return Sheet(
        escape_invisible_frame(frame).with_columns(pl.Series(ROW, range(1, frame.height + 1), dtype=pl.Int64)), file
    )


def _find_records(data: Any, required: RequiredHeadings) -> Any:
    """Return the longest list of records with the required headings, else the longest list, else the data."""
    lists = list(_list_records(data))
    headings = [list(dict.fromkeys(name for row in rows for name in row)) for rows in lists]
    matching = [rows for rows, names in zip(lists, headings, strict=True) if is_header(names, required)]
    return max(matching or lists, key=len, default=data)


def _list_records(data: Any) -> Iterator[list[dict[str, Any]]]:
    """Yield the lists of objects in the data, outer before inner, without those inside a record."""
    if isinstance(data, dict):
        for value in data.values():
            yield from _list_records(value)
    elif isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
        yield data


def _read_objects(records: Any, file: str) -> pl.DataFrame:
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        keys = f" with {', '.join(sorted(map(str, records))[:8])}" if isinstance(records, dict) else ""
        raise UnreadableError(
            f"{file}: found {type(records).__name__}{keys}, expected a list of objects with the declared columns"
        )
    names = list(dict.fromkeys(name for record in records for name in record))
    _refuse_over_limit(len(names) * len(records), file)
    columns = {
        name: [_cell_text(record.get(name)) for record in records] for name in names if name.strip() and name != ROW
    }
    return _build_text_frame(columns)


def _build_text_frame(columns: dict[str, list[str]]) -> pl.DataFrame:
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).select(pl.all().str.strip_chars())


def _cell_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _refuse_over_limit(cells: int, file: str) -> None:
    most = cells_limit(0)
    if cells > most:
        raise UnreadableError(
            f"{file}: found over {most:,} cells, more than the memory allows ({limit_advice(MEMORY)})"
        )


def _read_dataset(data: Any, file: str) -> pl.DataFrame:
    """Convert a JSON-stat dataset to one row for each combination of categories, in the order of its values."""
    try:
        ids, sizes = list(map(str, data["id"])), [int(size) for size in data["size"]]
        cells = 1
        for size in sizes:
            cells *= size
            _refuse_over_limit(cells * (2 * len(ids) + 2), file)
        categories = [_read_categories(data["dimension"][name]["category"], file) for name in ids]
        values, statuses = _values_by_position(data["value"], cells), _values_by_position(data.get("status"), cells)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableError(
            f"{file}: not a JSON-stat dataset ({error!r}); expected id, size, dimension, value"
        ) from error
    if [len(category) for category in categories] != sizes or len(values) != cells or len(ids) != len(sizes):
        raise UnreadableError(f"{file}: found {len(values)} values for dimensions of {sizes}; not a JSON-stat dataset")
    columns: dict[str, list[str]] = {}
    inner = cells
    for name, size, entries in zip(ids, sizes, categories, strict=True):
        inner //= size or 1
        outer = cells // (inner * size) if inner * size else 0
        for heading, texts in (
            (name, [code for code, _ in entries]),
            (f"{name} label", [label for _, label in entries]),
        ):
            columns[heading] = [text for text in texts for _ in range(inner)] * outer
    return _build_text_frame({**columns, "value": values, "status": statuses})


def _read_categories(category: dict[str, Any], file: str) -> list[tuple[str, str]]:
    """Return code and label of each category in order; a single category may have only a label."""
    index, labels = category.get("index"), category.get("label", {})
    codes = list(map(str, labels if index is None else index))
    if isinstance(index, dict):
        codes.sort(key=lambda code: int(index[code]))
    if len(set(codes)) != len(codes):
        raise UnreadableError(f"{file}: found a category twice; not a JSON-stat dataset")
    return [(code, str(labels.get(code, code))) for code in codes]


def _values_by_position(values: Any, cells: int) -> list[str]:
    """Return values or statuses as a list; they may be one for all cells, a list, or a mapping by position."""
    if isinstance(values, list):
        return [_cell_text(value) for value in values] if values else [""] * cells
    if isinstance(values, dict):
        by_position = {int(place): _cell_text(value) for place, value in values.items()}
        if any(not 0 <= place < cells for place in by_position):
            raise ValueError("a value has no valid position")
        return [by_position.get(place, "") for place in range(cells)]
    return [_cell_text(values)] * cells
