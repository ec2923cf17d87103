"""The layout of a store: a number, by which a program knows whether it may read and change what is there.

    layout.json               in the store: {"layout": 2}

A store of a version before has tables and no number.
"""

import json
from pathlib import Path

from pipelines.core.errors import CommongroundError, UnreadableError
from pipelines.core.store import LAYOUT, layout_path, table_key


def layout_of(home: Path) -> int | None:
    """Give the layout of a store; null where none is noted. Raises CommongroundError for one of a later version."""
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
            f"{path}: found layout {layout}, which a later version wrote; this version knows layouts up to {LAYOUT}; "
            "use the later version, or name another store"
        )
    return layout


def state_tables(home: Path) -> list[Path]:
    """Give the tables of the state that the project wrote; nobody's own files."""
    return [path for path in sorted((home / "state").glob("*/*.parquet")) if table_key(path) is not None]


def is_earlier(home: Path) -> bool:
    """Tell whether an earlier version wrote the tables of a store."""
    layout = layout_of(home)
    return bool(state_tables(home)) if layout is None else layout < LAYOUT
