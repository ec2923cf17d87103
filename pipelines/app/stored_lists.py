"""Lists of declared items, stored so that a command prints one without reading the declarations again.

    listed.json      in the store: the check of the store that it is for, the lists, and the unread declarations

Lists of places are not stored.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from pipelines.core.checked_store import read_check
from pipelines.core.store import write_atomically


class StoredList(NamedTuple):
    """A list of declared items, all texts, and one sentence for each declaration that is not read."""

    table: pl.DataFrame
    unread: list[str]


def read_stored_list(home: Path, name: str) -> StoredList | None:
    """Return a stored list; None where it is not stored for the last check of the store."""
    content = _read_lists(home)
    if name not in content["lists"]:
        return None
    columns: dict[str, list[str | None]] = content["lists"][name]
    return StoredList(pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)), content["unread"])


def store_list(home: Path, name: str, listed: StoredList) -> None:
    """Store a list of texts for the last check of the store, which must be of the same declarations."""
    if read_check(home) and all(dtype == pl.String for dtype in listed.table.dtypes):
        content = _read_lists(home)
        content["lists"][name] = listed.table.to_dict(as_series=False)
        content["unread"] = listed.unread
        with suppress(OSError):  # the store of another user
            write_atomically(_path(home), json.dumps(content, ensure_ascii=False).encode())


def _path(home: Path) -> Path:
    return home / "listed.json"


def _read_lists(home: Path) -> dict[str, Any]:
    path, check = _path(home), read_check(home)
    with suppress(ValueError, TypeError, KeyError):
        content = json.loads(path.read_bytes()) if check and path.is_file() else {}
        if content.get("check") == check and isinstance(content["lists"], dict):
            return dict(content)
    return {"check": check, "lists": {}, "unread": []}
