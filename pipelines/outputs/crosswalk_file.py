"""A crosswalk as a file: with where each row of it comes from, and how much of each place it reaches."""

import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipelines.apportionment import refuse_unconserved
from pipelines.core.errors import CommongroundError
from pipelines.core.export import as_csv
from pipelines.core.schema import DATE, NUMBER, TEXT, Column
from pipelines.core.store import held_releases, write_whole
from pipelines.declarations.project import Project
from pipelines.geography import CROSSWALK, Geography, weighed_by

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


def with_provenance(drawn: pl.DataFrame, project: Project, held: Geography) -> pl.DataFrame:
    """Add PROVENANCE to a crosswalk that was made from what a project holds; gives CROSSWALK, then PROVENANCE."""
    weights = pl.DataFrame(list(_weights(held)), _WEIGHTS, orient="row")
    sources = pl.DataFrame([_register(project), *_tables(project, held)], _SOURCES, orient="row")
    told = drawn.join(weights, on="weighed_by", how="left", maintain_order="left")
    told = told.join(sources, left_on="source", right_on="key", how="left", nulls_equal=True, maintain_order="left")
    return told.with_columns(_coverage(), pl.col("sources").alias("source")).select(*CROSSWALK, *PROVENANCE)


_WEIGHTS = {"weighed_by": TEXT, "weight_set": TEXT, "weight_group": TEXT, "weight_day": DATE}
_SOURCES = {"key": TEXT, "sources": TEXT, "release": TEXT, "released_at": DATE, "licence": TEXT}


def _coverage() -> pl.Expr:
    """Give the share of the people of the place led to who live in places led from."""
    outside = pl.col("from_code").is_null()
    inside = pl.col("people").filter(~outside).sum() / pl.col("people").sum()
    known = pl.when(pl.col("people").is_not_null().all()).then(inside)
    told = pl.when(outside.all()).then(0.0).when(outside.any()).then(known).otherwise(1.0).over("to_code")
    return pl.when(pl.col("to_code").is_not_null()).then(told).alias("coverage")


def _weights(held: Geography) -> Iterator[tuple[object, ...]]:
    for areas in held.areas:
        for each in areas.weights:
            for group in each.groups:
                yield weighed_by(areas.source, each.name, group, each.day), each.name, group, each.day
    for shares in held.shares:
        yield weighed_by(shares.source, shares.what, None, shares.day), shares.what, None, shares.day


def _tables(project: Project, held: Geography) -> Iterator[tuple[object, ...]]:
    told = [(each.source, each.release, each.released) for each in held.areas]
    told += [(each.source, each.release, each.released) for each in held.shares]
    for name, release, released in dict.fromkeys(told):
        yield name, name, release, released, project.catalogue.sources[name].licence


def _register(project: Project) -> tuple[object, ...]:
    """Say where the rows come from that the register of places and its changes tell."""
    provided = [name for kind in ("place", "change") for name in project.catalogue.providing(kind)]
    held = {name: held_releases(project.home, name, project.as_of) for name in provided}
    names = [name for name in provided if held[name]]
    releases = [held[name][-1][0] for name in names]
    licences = dict.fromkeys(project.catalogue.sources[name].licence for name in names)
    newest = max(each.released for each in releases)
    return None, ", ".join(names), ", ".join(each.sha256 for each in releases), newest, ", ".join(licences)


def told_of(drawn: pl.DataFrame) -> pl.DataFrame:
    """Give a crosswalk as it is read on a screen: without the systems asked for, and columns that are wholly empty."""
    empty = [name for name in drawn.columns if drawn[name].null_count() == drawn.height and not name.endswith("code")]
    return drawn.drop("from_system", "to_system", *empty)


def write_crosswalk(frame: pl.DataFrame, path: Path) -> None:
    """Write a crosswalk as CSV or Parquet, by the ending of the file's name, whole or not at all.

    Raises CrosswalkError where its weights would make or lose people, and CommongroundError for another ending.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise CommongroundError(f"{path}: found the ending {path.suffix or 'none'!r}, expected .csv or .parquet")
    refuse_unconserved(frame)
    buffer = io.BytesIO()
    if path.suffix == ".parquet":
        frame.write_parquet(buffer)
    write_whole(path, buffer.getvalue() if path.suffix == ".parquet" else as_csv(frame).encode("utf-8"))
