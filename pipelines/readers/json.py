"""JSON and JSON-stat as a table of text: numbers retain their published digits."""

import json
from typing import Any

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.core.limits import MEMORY, cells_limit, limit, memory_limited, raising
from pipelines.core.visible import visible_frame
from pipelines.declarations.file_format import FileShape
from pipelines.readers.header import ROW, Sheet, Wanted, is_header, no_header


def read_json(content: bytes, file: str, **how: Any) -> Any:
    """Parse JSON within the memory limit; raise UnreadableError where it is invalid, too deep or too large."""
    try:
        with memory_limited(limit(MEMORY) * 1_000_000):
            return json.loads(content, **how)
    except MemoryError as error:
        raise UnreadableError(f"{file}: needs too much memory to read ({raising(MEMORY)})") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{file}: not JSON, or truncated ({error}); fetch it again") from error


def read_records(content: bytes, shape: FileShape, wanted: Wanted, file: str) -> Sheet:
    """Read a list of JSON objects or a JSON-stat dataset in UTF-8 as text columns and `_row`, counted from 1.

    A JSON-stat dataset has two columns for each dimension, `<id>` (the category code) and `<id> label`, and the columns
    `value` and `status` (https://json-stat.org/full/). Raises UnreadableError where the content is neither.
    """
    data = read_json(content, file, parse_float=str, parse_int=str, parse_constant=str)
    frame = _dataset(data, file) if shape.format == "jsonstat" else _objects(_at(data, shape.records, file), file)
    if not is_header(frame.columns, wanted):
        raise UnreadableError(no_header([frame.columns], wanted, file))
    return Sheet(visible_frame(frame).with_columns(pl.Series(ROW, range(1, frame.height + 1), dtype=pl.Int64)), file)


def _at(data: Any, path: str | None, file: str) -> Any:
    """Follow a path of keys to the list of records."""
    for key in path.split(".") if path else ():
        if not isinstance(data, dict) or key not in data:
            found = ", ".join(sorted(map(str, data))[:8]) if isinstance(data, dict) else type(data).__name__
            raise UnreadableError(f"{file}: found {found}, expected {key} of records: {path}; correct the path")
        data = data[key]
    return data


def _objects(found: Any, file: str) -> pl.DataFrame:
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        keys = f" with {', '.join(sorted(map(str, found))[:8])}" if isinstance(found, dict) else ""
        raise UnreadableError(
            f"{file}: found {type(found).__name__}{keys}, expected a list of objects; declare its path with records:"
        )
    names = list(dict.fromkeys(name for each in found for name in each))
    _refuse_more(len(names) * len(found), file)
    columns = {name: [_text(each.get(name)) for each in found] for name in names if name.strip() and name != ROW}
    return _frame(columns)


def _frame(columns: dict[str, list[str]]) -> pl.DataFrame:
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).select(pl.all().str.strip_chars())


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _refuse_more(cells: int, file: str) -> None:
    most = cells_limit(0)
    if cells > most:
        raise UnreadableError(f"{file}: found over {most:,} cells, more than the memory allows ({raising(MEMORY)})")


def _dataset(data: Any, file: str) -> pl.DataFrame:
    """Convert a JSON-stat dataset to one row for each combination of categories, in the order of its values."""
    try:
        ids, sizes = list(map(str, data["id"])), [int(size) for size in data["size"]]
        cells = 1
        for size in sizes:
            cells *= size
            _refuse_more(cells * (2 * len(ids) + 2), file)
        categories = [_categories(data["dimension"][name]["category"], file) for name in ids]
        values, statuses = _by_place(data["value"], cells), _by_place(data.get("status"), cells)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableError(
            f"{file}: not a JSON-stat dataset ({error!r}); expected id, size, dimension, value"
        ) from error
    if [len(each) for each in categories] != sizes or len(values) != cells or len(ids) != len(sizes):
        raise UnreadableError(f"{file}: found {len(values)} values for dimensions of {sizes}; not a JSON-stat dataset")
    columns: dict[str, list[str]] = {}
    inner = cells
    for name, size, found in zip(ids, sizes, categories, strict=True):
        inner //= size or 1
        outer = cells // (inner * size) if inner * size else 0
        for heading, texts in ((name, [code for code, _ in found]), (f"{name} label", [label for _, label in found])):
            columns[heading] = [text for text in texts for _ in range(inner)] * outer
    return _frame({**columns, "value": values, "status": statuses})


def _categories(category: dict[str, Any], file: str) -> list[tuple[str, str]]:
    """Return code and label of each category in order; a single category may have only a label."""
    index, labels = category.get("index"), category.get("label", {})
    codes = list(map(str, labels if index is None else index))
    if isinstance(index, dict):
        codes.sort(key=lambda code: int(index[code]))
    if len(set(codes)) != len(codes):
        raise UnreadableError(f"{file}: found a category twice; not a JSON-stat dataset")
    return [(code, str(labels.get(code, code))) for code in codes]


def _by_place(found: Any, cells: int) -> list[str]:
    """Return values or statuses as a list; they may be one for all cells, a list, or a mapping by position."""
    if isinstance(found, list):
        return [_text(value) for value in found] if found else [""] * cells
    if isinstance(found, dict):
        placed = {int(place): _text(value) for place, value in found.items()}
        if any(not 0 <= place < cells for place in placed):
            raise ValueError("a value has no valid position")
        return [placed.get(place, "") for place in range(cells)]
    return [_text(found)] * cells
