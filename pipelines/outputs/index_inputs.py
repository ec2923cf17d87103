"""Files beside the index page that a build leaves as they are, because their inputs are the same."""

import polars as pl

from pipelines.core.manifest import OutputGroup, read_manifest
from pipelines.core.output_files import is_project_file, locate_output
from pipelines.core.store import read_table, table_key
from pipelines.declarations.fingerprints import compute_table_keys, hash_texts, program_key
from pipelines.declarations.project import Project
from pipelines.outputs.freshness import index_record_path

INDEX_RECORD = pl.Schema({"file": pl.String, "key": pl.String})
"""A file that is written with the index page, and the key of its inputs; blank where each index page writes it."""


def search_key(project: Project, pages: pl.DataFrame) -> str:
    """Return the key of the search, for the places with a page (place_code, place_name, where)."""
    current = compute_table_keys(project.catalogue, project.home, project.as_of)
    listed = pages.select("place_code", "place_name", "where").sort("place_code")
    return hash_texts("search", program_key("outputs"), current.places, str(listed.rows()))


def boundaries_key(project: Project) -> str:
    """Return the key of the files of boundaries."""
    current = compute_table_keys(project.catalogue, project.home, project.as_of)
    return hash_texts("boundaries", program_key("outputs"), current.boundaries)


def list_same_files(project: Project, group_name: str, key: str) -> list[str]:
    """List the files of a group of outputs that the last index page recorded with a key.

    Empty where one of them is missing, incomplete or changed by someone.
    """
    path = index_record_path(project)
    record = read_table(path) if table_key(path) else INDEX_RECORD.to_frame()
    if set(record.columns) != set(INDEX_RECORD):
        return []
    names = record.filter(pl.col("key") == key)["file"].to_list()
    written = read_manifest(project.home).get(group_name, OutputGroup((), {})).files
    is_same = all(
        name in written and len(written[name].sha256) == 1
        and is_project_file(locate_output(project.home, name), written[name])
        for name in names
    )  # fmt: skip
    return names if is_same else []
