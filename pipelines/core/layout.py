"""The layout version of a store, by which a program decides whether it may read and change that store.

    layout.json               in the store: {"layout": 4}

A store written before layout versions existed has tables and no layout.json.
"""

import json
from pathlib import Path

from pipelines.core.errors import CommongroundError, UnreadableError
from pipelines.core.store import LAYOUT_VERSION, TABLE_SUFFIXES, layout_path, table_key


def read_layout(home: Path) -> int | None:
    """Return the layout version of a store, or null where none is recorded.

    Raises CommongroundError for a layout of a later version.
    """
    path = layout_path(home)
    if not path.is_file():
        return None
    try:
        layout = int(json.loads(path.read_bytes())["layout"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(
            f'{path}: found no layout ({error}), expected {{"layout": {LAYOUT_VERSION}}}; restore the file'
        ) from error
    if layout > LAYOUT_VERSION:
        raise CommongroundError(
            f"{path}: found layout {layout}, expected at most {LAYOUT_VERSION}; a later version of "
            f"Commonground wrote this "
            "store: use that version, or choose another store"
        )
    return layout


def list_state_tables(home: Path) -> list[Path]:
    """List the state tables that the project wrote, and no other files."""
    files = (path for path in sorted((home / "state").rglob("*")) if path.suffix in TABLE_SUFFIXES)
    return [path for path in files if table_key(path) is not None]


def is_earlier_layout(home: Path) -> bool:
    """Return whether an earlier version wrote the tables of a store."""
    layout = read_layout(home)
    return bool(list_state_tables(home)) if layout is None else layout < LAYOUT_VERSION
