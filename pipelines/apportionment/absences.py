"""Places without a figure in the newest release: withdrawn since an earlier one, or without a crosswalk."""

import polars as pl

from pipelines.apportionment.mapped_figure import SLICE_PROVENANCE, TARGET_CELL
from pipelines.apportionment.matrix import JOINT_SIGN
from pipelines.core.slices import SLICE_KEY
from pipelines.core.text import format_figure_column


def mark_withdrawn_figures(placed: pl.DataFrame, observation: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """Set the reason `withdrawn` for places with a figure in an earlier release but no row in the newest.

    Takes MAPPED_FIGURE, the observations of all releases, and the succession of codes. Only slices with several
    releases are looked at.
    """
    releases = observation.group_by(SLICE_KEY).agg(pl.col("order").n_unique().alias("releases"))
    revised = releases.filter(pl.col("releases") > 1)
    empty = placed.filter(pl.col("reason") == "not_returned").select(TARGET_CELL)
    absent = empty.join(revised, on=SLICE_KEY, how="semi")
    if absent.is_empty():
        return placed
    # Each code is followed once, and only the figures of places with such a successor are compared.
    codes = observation.select(pl.col("place_code").unique())
    leading = (
        codes.with_columns(pl.col("place_code").str.split(JOINT_SIGN).alias("from_code")).explode("from_code")
        .join(parts.select("from_code", "to_code"), on="from_code")
        .join(absent.select("to_code").unique(), on="to_code", how="semi").select("place_code", "to_code")
    )  # fmt: skip
    figures = observation.join(
        leading.select("place_code").unique(), on="place_code", how="semi", maintain_order="left"
    )
    figures = figures.filter(pl.col("value").is_not_null()).join(revised, on=SLICE_KEY, how="semi")
    before = figures.join(leading, on="place_code").join(absent, on=TARGET_CELL, how="semi")
    last = before.group_by(TARGET_CELL).agg(
        pl.col("released_at").max().alias("before"), pl.col("value").last().alias("was")
    )
    joined = placed.join(last, on=TARGET_CELL, how="left", maintain_order="left")
    gone = pl.col("before").is_not_null()
    evidence = pl.format("{} in the release of {}, gone from the newest", format_figure_column("was"), "before")
    return joined.with_columns(
        pl.when(gone).then(pl.lit("withdrawn")).otherwise("reason").alias("reason"),
        pl.when(gone).then(evidence).otherwise("evidence").alias("evidence"),
    ).drop("before", "was")


def slices_without_crosswalk(observation: pl.DataFrame, target: list[str], system: str) -> pl.DataFrame:
    """Return a gap for every slice and place, because no stored crosswalk connects the two geographies."""
    slices = observation.group_by(SLICE_KEY, maintain_order=True).agg(
        pl.col(name).first() for name in (*SLICE_PROVENANCE, "unit", "file_column")
    )
    evidence = f"published for {system}; no stored crosswalk from that geography"
    return slices.join(pl.DataFrame({"to_code": target}, schema={"to_code": pl.String}), how="cross").with_columns(
        pl.lit("membership_not_loaded").alias("reason"), pl.lit(evidence).alias("evidence")
    )
