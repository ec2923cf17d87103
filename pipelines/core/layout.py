"""The layout version of a store, by which a program decides whether it may read and change that store.

    layout.json               in the store: {"layout": 2}

A store written before layout versions existed has tables and no layout.json.
"""

import json
from pathlib import Path

from pipelines.core.errors import CommongroundError, UnreadableError
from pipelines.core.store import LAYOUT, layout_path, table_key


def layout_of(home: Path) -> int | None:
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
            f'{path}: found no layout ({error}), expected {{"layout": {LAYOUT}}}; restore the file'
        ) from error
    if layout > LAYOUT:
        raise CommongroundError(
            f"{path}: found layout {layout}, expected at most {LAYOUT}; a later version of Commonground wrote this "
            "store: use that version, or choose another store"
        )
    return layout


def state_tables(home: Path) -> list[Path]:
    """List the state tables that the project wrote, and no other files."""
    return [path for path in sorted((home / "state").glob("*/*.parquet")) if table_key(path) is not None]


def is_earlier(home: Path) -> bool:
    """Return whether an earlier version wrote the tables of a store."""
    layout = layout_of(home)
    return bool(state_tables(home)) if layout is None else layout < LAYOUT
