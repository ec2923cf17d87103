"""Path of the analyst's file in use."""

from pathlib import Path

WAREHOUSE_NAME = "commonground.duckdb"
POINTER_NAME = "commonground.latest.txt"


def newest_warehouse(out: Path) -> Path:
    """Return the path of the current analyst's file."""
    pointer = out / POINTER_NAME
    if pointer.is_file():
        return out / pointer.read_text(encoding="utf-8").strip()
    return out / WAREHOUSE_NAME
