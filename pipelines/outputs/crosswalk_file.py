"""A crosswalk as a file: with where each row of it comes from, and how much of each place it reaches."""

import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipelines.apportionment import validate_weights
from pipelines.core.errors import CommongroundError
from pipelines.core.export import format_csv
from pipelines.core.schema import DATE, NUMBER, TEXT, Column
from pipelines.core.store import stored_releases, write_atomically
from pipelines.declarations.project import Project
from pipelines.geography import CROSSWALK, PlaceData, describe_weights

PROVENANCE: dict[str, Column] = {
    "coverage": Column(NUMBER, "Share of the people of the place led to whom places led from have; null if not known"),
    "weight_set": Column(TEXT, "Set of weights, or what the shares are of; null where none were needed"),
    "weight_group": Column(TEXT, "Group of people in that set; null for shares that someone publishes"),
    "weight_day": Column(DATE, "Day that the weights are of"),
    "release": Column(TEXT, "sha256 of the files the row comes from"),
    "released_at": Column(DATE, "Day that the newest of them was released"),
    "licence": Column(TEXT, "Licences of the sources"),
}
"""What a crosswalk that leaves the program says beside its own columns (crosswalks.CROSSWALK).

Its `source` then also names the sources of the register and its changes, where those tell the row.
"""


def add_provenance(crosswalk: pl.DataFrame, project: Project, geography: PlaceData) -> pl.DataFrame:
    """Add PROVENANCE to a crosswalk that was made from what a project holds; gives CROSSWALK, then PROVENANCE."""
    weights = pl.DataFrame(list(_weight_rows(geography)), _WEIGHTS, orient="row")
    sources = pl.DataFrame([_register_row(project), *_source_rows(project, geography)], _SOURCES, orient="row")
    joined = crosswalk.join(weights, on="weighed_by", how="left", maintain_order="left")
    joined = joined.join(sources, left_on="source", right_on="key", how="left", nulls_equal=True, maintain_order="left")
    return joined.with_columns(_coverage_expression(), pl.col("sources").alias("source")).select(
        *CROSSWALK, *PROVENANCE
    )


_WEIGHTS = {"weighed_by": TEXT, "weight_set": TEXT, "weight_group": TEXT, "weight_day": DATE}
_SOURCES = {"key": TEXT, "sources": TEXT, "release": TEXT, "released_at": DATE, "licence": TEXT}


def _coverage_expression() -> pl.Expr:
    """Give the share of the people of the place led to who live in places led from."""
    outside = pl.col("from_code").is_null()
    inside = pl.col("people").filter(~outside).sum() / pl.col("people").sum()
    share = pl.when(pl.col("people").is_not_null().all()).then(inside)
    covered = pl.when(outside.all()).then(0.0).when(outside.any()).then(share).otherwise(1.0).over("to_code")
    return pl.when(pl.col("to_code").is_not_null()).then(covered).alias("coverage")


def _weight_rows(geography: PlaceData) -> Iterator[tuple[object, ...]]:
    for areas in geography.areas:
        for weights in areas.weights:
            for group in weights.groups:
                yield describe_weights(areas.source, weights.name, group, weights.day), weights.name, group, weights.day
    for shares in geography.shares:
        yield (
            describe_weights(shares.source, shares.description, None, shares.day),
            shares.description,
            None,
            shares.day,
        )


def _source_rows(project: Project, geography: PlaceData) -> Iterator[tuple[object, ...]]:
    releases = [(table.source, table.release, table.released) for table in geography.areas]
    releases += [(table.source, table.release, table.released) for table in geography.shares]
    for name, release, released in dict.fromkeys(releases):
        yield name, name, release, released, project.catalogue.sources[name].licence


def _register_row(project: Project) -> tuple[object, ...]:
    """Say where the rows come from that the register of places and its changes tell."""
    names_declared = [name for kind in ("place", "change") for name in project.catalogue.sources_providing(kind)]
    stored = {name: stored_releases(project.home, name, project.as_of) for name in names_declared}
    names = [name for name in names_declared if stored[name]]
    releases = [stored[name][-1][0] for name in names]
    licences = dict.fromkeys(project.catalogue.sources[name].licence for name in names)
    newest = max(snapshot.released for snapshot in releases)
    return None, ", ".join(names), ", ".join(snapshot.sha256 for snapshot in releases), newest, ", ".join(licences)


def drop_empty_columns(crosswalk: pl.DataFrame) -> pl.DataFrame:
    """Give a crosswalk as it is read on a screen: without the systems asked for, and columns that are wholly empty."""
    empty = [
        name
        for name in crosswalk.columns
        if crosswalk[name].null_count() == crosswalk.height and not name.endswith("code")
    ]
    return crosswalk.drop("from_system", "to_system", *empty)


def write_crosswalk(frame: pl.DataFrame, path: Path) -> None:
    """Write a crosswalk as CSV or Parquet, by the ending of the file's name, whole or not at all.

    Raises CrosswalkError where its weights would make or lose people, and CommongroundError for another ending.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise CommongroundError(f"{path}: found the ending {path.suffix or 'none'!r}, expected .csv or .parquet")
    validate_weights(frame)
    buffer = io.BytesIO()
    if path.suffix == ".parquet":
        frame.write_parquet(buffer)
    write_atomically(path, buffer.getvalue() if path.suffix == ".parquet" else format_csv(frame).encode("utf-8"))
