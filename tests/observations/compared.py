"""Comparison of releases that a test gives as one table of observations."""

import polars as pl

from pipelines.core.slices import SLICE_KEY
from pipelines.observations import revisions


def compare_releases(observation: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Compare the releases of some sources by their slices, each with a text of its content as its hash."""
    tables = [_compare_source(part) for part in observation.sort("source", maintain_order=True).partition_by("source")]
    if not tables:
        return revisions.compare_releases(_slices_of(observation), lambda _: observation)
    return pl.concat([cells for cells, _ in tables]), pl.concat([summary for _, summary in tables])


def _compare_source(observation: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    on = ["order", *SLICE_KEY]
    return revisions.compare_releases(
        _slices_of(observation), lambda slices: observation.join(slices, on=on, how="semi", maintain_order="left")
    )


def _slices_of(observation: pl.DataFrame) -> pl.DataFrame:
    heading = pl.when(pl.col("file_column").n_unique() == 1).then(pl.col("file_column").first())
    slices = observation.group_by("source", "order", "release", "released_at", *SLICE_KEY, maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("rows"),
        heading.alias("file_column"),
        pl.struct("place_code", "value", "obs_status").sort_by("place_code").alias("content"),
    )
    texts = [str(rows.to_list()) for rows in slices["content"]]
    return slices.drop("content").with_columns(pl.Series("sha256", texts, pl.String))
