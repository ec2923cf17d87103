"""Discontinuities at borders: a figure on one side only, or a jump that other neighbours do not show.

They are found from the typed cells of a problem and its pairs of neighbouring places. A jump is measured against all
other pairs of the same measure and period, so a usual difference between town and country is no jump. The table also
lists published areas that straddle several places, and places that a source covers only in part.
"""

import polars as pl

from checks import DEVIATIONS_PER_MAD
from pipelines.core.schema import CELL_COLUMNS, NUMBER, TEXT, Column, conform_table, empty_table
from pipelines.core.text import format_figure_column
from pipelines.declarations.measure import ADDITIVE_KINDS, Measure

BOUNDARY_DISCONTINUITY: dict[str, Column] = {
    **{name: CELL_COLUMNS[name] for name in ("problem", "measure", "period_start", "period_end")},
    "kind": Column(
        TEXT,
        "known_unknown: one side has a figure and the other has none; nation_edge: the same at a national border; "
        "jump: both have one, and differ more than neighbours do elsewhere; straddles: a published area lies in "
        "several requested places; low_reach: the source covers only part of the place",
    ),
    "place_a": Column(TEXT, "Code of the place with the only or the higher figure, or of the straddling area"),
    "place_b": Column(TEXT, "Code of its neighbour; null where only one place is concerned"),
    "value_a": Column(NUMBER, "Figure of the first place"),
    "value_b": Column(NUMBER, "Figure of its neighbour"),
    "reason_b": Column(TEXT, "Reason why the neighbour has no figure"),
    "evidence": Column(TEXT, "Comparison on which the row rests"),
}  # fmt: skip
SLICE_COLUMNS = ["problem", "measure", "period_start", "period_end"]
FEWEST_PAIRS = 30
"""Fewest pairs of neighbours from which a usual difference is estimated."""
JUMP_DEVIATIONS = 8.0
"""Robust standard deviations above the median difference that make a jump."""
SHARED_BY = ("apportioned", "rate_averaged")


def find_discontinuities(cells: pl.DataFrame, neighbours: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Find BOUNDARY_DISCONTINUITY in cells (schema.CELL_COLUMNS) of neighbours (neighbours.NEIGHBOUR)."""
    pairs = _pair_neighbours(cells, neighbours)
    tables = [
        _find_one_sided_pairs(pairs),
        _find_jumps(pairs, measures),
        _find_straddling_areas(cells),
        _find_low_reach(cells),
    ]
    some = [conform_table(table, BOUNDARY_DISCONTINUITY) for table in tables if table.height]
    return pl.concat([empty_table(BOUNDARY_DISCONTINUITY), *some]).sort(*SLICE_COLUMNS, "kind", "place_a", "place_b")


def _pair_neighbours(cells: pl.DataFrame, neighbours: pl.DataFrame) -> pl.DataFrame:
    """Join each cell to those of its neighbours, each pair once; the higher or only figure comes first."""
    side = cells.select(*SLICE_COLUMNS, "place_code", "place_name", "nation", "value", "reason")
    both = side.join(neighbours.select("place_code", "neighbour_code"), on="place_code").join(
        side, left_on=[*SLICE_COLUMNS, "neighbour_code"], right_on=[*SLICE_COLUMNS, "place_code"], suffix="_b"
    )
    value, other = pl.col("value").fill_null(float("-inf")), pl.col("value_b").fill_null(float("-inf"))
    first = (value > other) | ((value == other) & (pl.col("place_code") < pl.col("neighbour_code")))
    return both.filter(first).rename({"place_code": "place_a", "neighbour_code": "place_b", "value": "value_a"})


def _find_one_sided_pairs(pairs: pl.DataFrame) -> pl.DataFrame:
    """Find pairs in which one place has a figure and the other has none."""
    half = pairs.filter(pl.col("value_a").is_not_null(), pl.col("value_b").is_null())
    if half.is_empty():
        return half
    edge = pl.col("nation") != pl.col("nation_b")
    return half.with_columns(
        pl.when(edge).then(pl.lit("nation_edge")).otherwise(pl.lit("known_unknown")).alias("kind"),
        pl.format(
            "{} has {}; {} has none ({})", "place_name", format_figure_column("value_a"), "place_name_b", "reason_b"
        ).alias("evidence"),
    )


def _find_jumps(pairs: pl.DataFrame, measures: dict[str, Measure]) -> pl.DataFrame:
    """Find pairs further apart than neighbours elsewhere: counts by their ratio, other kinds by difference."""
    counts = [name for name, measure in measures.items() if measure.kind in ADDITIVE_KINDS]
    higher, lower = pl.col("value_a"), pl.col("value_b")
    ratio = (higher.clip(lower_bound=0) + 1).log() - (lower.clip(lower_bound=0) + 1).log()
    apart = pl.when(pl.col("measure").is_in(counts)).then(ratio).otherwise(higher - lower)
    known = pairs.filter(higher.is_not_null() & lower.is_not_null()).with_columns(apart.alias("apart"))
    usual = pl.col("apart").median().over(SLICE_COLUMNS)
    spread = DEVIATIONS_PER_MAD * (pl.col("apart") - usual).abs().median().over(SLICE_COLUMNS)
    with_spread = known.with_columns(
        usual.alias("usual"), spread.alias("spread"), pl.len().over(SLICE_COLUMNS).alias("pairs")
    )
    beyond = pl.col("apart") > pl.col("usual") + JUMP_DEVIATIONS * pl.col("spread")
    far = with_spread.filter(pl.col("pairs") >= FEWEST_PAIRS, pl.col("spread") > 0, beyond)
    if far.is_empty():
        return far
    deviations = ((pl.col("apart") - pl.col("usual")) / pl.col("spread")).round(1)
    return far.with_columns(
        pl.lit("jump").alias("kind"),
        pl.format(
            "{} has {} and {} has {}: {} robust deviations above the median of {} pairs of neighbours",
            "place_name",
            format_figure_column("value_a"),
            "place_name_b",
            format_figure_column("value_b"),
            deviations,
            "pairs",
        ).alias("evidence"),
    )


def _find_straddling_areas(cells: pl.DataFrame) -> pl.DataFrame:
    """Find published areas in several requested places, where the cells name their source areas."""
    # Most areas lie in one place, whatever the period: only the cells with another area are counted by slice.
    areas = cells.select("place_code", "source_areas").drop_nulls("source_areas").unique()
    cut_areas = _list_areas(areas).filter((pl.col("place_code").n_unique() > 1).over("place_a"))
    if cut_areas.is_empty():
        return cut_areas
    with_cut_areas = cells.join(cut_areas, on=["place_code", "source_areas"], how="semi", maintain_order="left")
    cut = (
        _list_areas(with_cut_areas)
        .group_by(*SLICE_COLUMNS, "place_a")
        .agg(
            pl.col("place_code").n_unique().alias("lies_in"),
            pl.col("place_name").unique().sort().head(4).str.join(", ").alias("some"),
        )
    )
    evidence = pl.format("lies in {} of the requested places: {}", "lies_in", "some")
    return cut.filter(pl.col("lies_in") > 1).with_columns(pl.lit("straddles").alias("kind"), evidence.alias("evidence"))


def _list_areas(cells: pl.DataFrame) -> pl.DataFrame:
    """Return a row for each source area of a cell, with its code as `place_a`."""
    areas = cells.with_columns(pl.col("source_areas").str.split(",").alias("place_a")).explode("place_a")
    return areas.filter(pl.col("place_a").str.contains(r"^[A-Z0-9]{3,9}$"))


def _find_low_reach(cells: pl.DataFrame) -> pl.DataFrame:
    """Find places that the source covers only in part."""
    low = [text for text in cells["caveats"].drop_nulls().unique() if "low_reach" in text.split(",")]
    is_low_reach = (pl.col("reason") == "low_reach").fill_null(False) | pl.col("caveats").is_in(low).fill_null(False)
    return cells.filter(is_low_reach).with_columns(
        pl.lit("low_reach").alias("kind"), pl.col("place_code").alias("place_a"), pl.col("value").alias("value_a")
    )


def add_discontinuity_caveats(cells: pl.DataFrame, discontinuities: pl.DataFrame) -> pl.DataFrame:
    """Add the caveat boundary_cliff, with its evidence, to the figures on both sides of a jump."""
    jumps = discontinuities.filter(pl.col("kind") == "jump")
    if jumps.is_empty():
        return cells
    sides = [jumps.select(*SLICE_COLUMNS, pl.col(side).alias("place_code"), pl.col("evidence").alias("jump"))
             for side in ("place_a", "place_b")]  # fmt: skip
    jump_by_cell = pl.concat(sides).group_by(*SLICE_COLUMNS, "place_code").agg(pl.col("jump").sort().first())
    with_jump = cells.join(jump_by_cell, on=[*SLICE_COLUMNS, "place_code"], how="left", maintain_order="left")
    is_affected = pl.col("jump").is_not_null() & pl.col("value").is_not_null()
    return with_jump.with_columns(
        pl.when(is_affected).then(pl.concat_str("caveats", pl.lit("boundary_cliff"), separator=",", ignore_nulls=True))
        .otherwise("caveats").alias("caveats"),
        pl.when(is_affected).then(pl.concat_str("evidence", "jump", separator=". ", ignore_nulls=True))
        .otherwise("evidence").alias("evidence"),
    ).select(cells.columns)  # fmt: skip
