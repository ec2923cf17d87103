"""Export of a crosswalk to a file, with the provenance and coverage of each row."""

import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipelines.apportionment import validate_weights
from pipelines.core.errors import CommongroundError
from pipelines.core.export import format_csv
from pipelines.core.schema import DATE, NUMBER, TEXT, Column
from pipelines.core.snapshots import stored_releases
from pipelines.core.store import write_atomically
from pipelines.declarations.project import Project
from pipelines.geography import CROSSWALK, PlaceData, describe_weights

PROVENANCE: dict[str, Column] = {
    "coverage": Column(NUMBER, "Share of the target area's residents who live in a source area; null if not known"),
    "weight_set": Column(TEXT, "Set of weights, or the subject of published shares; null where no weight was needed"),
    "weight_group": Column(TEXT, "Population group of the weights; null for published shares"),
    "weight_day": Column(DATE, "Reference day of the weights"),
    "release": Column(TEXT, "sha256 of the source files of the row"),
    "released_at": Column(DATE, "Release day of the latest of these files"),
    "licence": Column(TEXT, "Licences of the sources"),
}
"""Columns that an exported crosswalk has in addition to crosswalks.CROSSWALK.

In the export, `source` also names the sources of the register and of code changes, if the row comes from them.
"""


def add_provenance(crosswalk: pl.DataFrame, project: Project, geography: PlaceData) -> pl.DataFrame:
    """Add PROVENANCE to a crosswalk built from a project's data. Return the columns of CROSSWALK, then PROVENANCE."""
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
    """Return the expression for the share of the target area's residents who live in a source area."""
    outside = pl.col("from_code").is_null()
    inside = pl.col("weight_population").filter(~outside).sum() / pl.col("weight_population").sum()
    share = pl.when(pl.col("weight_population").is_not_null().all()).then(inside)
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
    """Return the provenance of rows that come from the register of places and its code changes."""
    names_declared = [name for kind in ("place", "change") for name in project.catalogue.sources_providing(kind)]
    stored = {name: stored_releases(project.home, name, project.as_of) for name in names_declared}
    names = [name for name in names_declared if stored[name]]
    releases = [stored[name][-1][0] for name in names]
    licences = dict.fromkeys(project.catalogue.sources[name].licence for name in names)
    newest = max(snapshot.released for snapshot in releases)
    return None, ", ".join(names), ", ".join(snapshot.sha256 for snapshot in releases), newest, ", ".join(licences)


def drop_empty_columns(crosswalk: pl.DataFrame) -> pl.DataFrame:
    """Return a crosswalk for the screen, without the two geographies and without empty columns."""
    empty = [
        name
        for name in crosswalk.columns
        if crosswalk[name].null_count() == crosswalk.height and not name.endswith("code")
    ]
    return crosswalk.drop("from_geography", "to_geography", *empty)


def write_crosswalk(frame: pl.DataFrame, path: Path) -> None:
    """Write a crosswalk as CSV or Parquet, according to the file extension. The write is atomic.

    Raises CrosswalkError if the weights do not conserve the population, and CommongroundError for another extension.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise CommongroundError(f"{path}: found extension {path.suffix or 'none'!r}, expected .csv or .parquet")
    validate_weights(frame)
    buffer = io.BytesIO()
    if path.suffix == ".parquet":
        frame.write_parquet(buffer)
    write_atomically(path, buffer.getvalue() if path.suffix == ".parquet" else format_csv(frame).encode("utf-8"))
