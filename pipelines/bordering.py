"""Boundaries held, and which places share a border: read once, and kept in the state."""

import json
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
            content, file = unpacked(read_snapshot(project.home, group[0].sha256), None, group[0].file, "json")
            return _coded(json.loads(content), file)
    return None


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
