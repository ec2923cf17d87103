"""Boundaries held, and which places share a border: read once, and kept in the state."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.errors import UnreadableError
from pipelines.keys import keys
from pipelines.neighbours import neighbours
from pipelines.observe import held_releases
from pipelines.steps import Project
from pipelines.store import read_snapshot, read_table, state_path, table_key, write_table
from pipelines.unpacking import unpacked


def boundaries(project: Project) -> dict[str, Any] | None:
    """Read the boundaries of districts, each feature's code under `code`; null where none are held."""
    for name in project.catalogue.providing("boundary"):
        for group in reversed(held_releases(project.home, name, project.as_of)):
            return _read(project.home, group[0].sha256, group[0].file)
    return None


@lru_cache(maxsize=1)
def _read(home: Path, sha256: str, name: str) -> dict[str, Any]:
    """Read a file of boundaries: once, for every report draws them, and none changes them."""
    content, file = unpacked(read_snapshot(home, sha256), None, name, "json")
    return _coded(json.loads(content), file)


def _coded(collection: dict[str, Any], file: str) -> dict[str, Any]:
    for feature in collection.get("features", []):
        properties = feature["properties"]
        code = next((v for k, v in properties.items() if k == "code" or k.upper().endswith("CD")), None)
        if code is None:
            raise UnreadableError(f"{file}: a boundary has properties {sorted(properties)}, expected one with a code")
        properties["code"] = code
    return collection


def neighbour_table(project: Project) -> pl.DataFrame:
    """Give which places share a border (neighbours.NEIGHBOUR), or the table made before from the same boundaries."""
    key = keys(project.catalogue, project.home, project.as_of).boundaries
    path = state_path(project.home, "place", "neighbour")
    if table_key(path) != key:
        write_table(path, neighbours(boundaries(project)), key)
    return read_table(path)
